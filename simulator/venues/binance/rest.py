"""Binance spot's public REST paths on loopback.

Source: binance/binance-spot-api-docs, rest-api.md and errors.md.
"""

from __future__ import annotations

import json

from aiohttp import web

from simulator.surroundings import Surroundings
from simulator.venues.binance.frames import MICROSECONDS, Writer, exchange_symbol, stamp
from simulator.venues.binance.replies import asked, failure, reply


class BinanceRest:
    """Serves books, history and reference data."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._desk = surroundings.desk
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}
        self._writers = {each.instrument.symbol: Writer(each.instrument) for each in self._by_wire.values()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/api/v3/ping", self._ping)
        router.add_get("/api/v3/time", self._time)
        router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        router.add_get("/api/v3/depth", self._depth)
        router.add_get("/api/v3/trades", self._trades)
        router.add_get("/api/v3/historicalTrades", self._trades)

    async def _ping(self, _request: web.Request) -> web.Response:
        return reply("{}")

    async def _time(self, request: web.Request) -> web.Response:
        unit = MICROSECONDS if wants_microseconds(request) else 0
        return reply(f'{{"serverTime":{stamp(self._market.time_us, unit)}}}')

    async def _exchange_info(self, request: web.Request) -> web.Response:
        listings = list(self._by_wire.values())
        if "symbol" in request.query:
            found = self._by_wire.get(request.query["symbol"])
            if found is None:
                return failure(-1121, "Invalid symbol.")
            listings = [found]
        elif "symbols" in request.query:
            try:
                listings = [self._by_wire[name] for name in json.loads(request.query["symbols"])]
            except (ValueError, TypeError, KeyError):
                return failure(-1121, "Invalid symbol.")
        symbols = ",".join(exchange_symbol(listing.instrument) for listing in listings)
        return reply(
            f'{{"timezone":"UTC","serverTime":{self._market.time_us // 1000},"rateLimits":[],"exchangeFilters":[],"symbols":[{symbols}]}}'
        )

    async def _depth(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 100, 5000)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        symbol, book = listing.instrument.symbol, listing.book
        giant = self._desk.take(self._venue, "giant", symbol, "snapshot", self._market.time_us)
        extra = 0 if giant is None else giant.levels
        return reply(self._writers[symbol].snapshot(book.update_id, book.bids.top(limit), book.asks.top(limit), extra))

    async def _trades(self, request: web.Request) -> web.Response:
        wanted = asked(request, self._by_wire, 500, 1000)
        if isinstance(wanted, web.Response):
            return wanted
        listing, limit = wanted
        symbol = listing.instrument.symbol
        from_id = request.query.get("fromId") if request.path.endswith("historicalTrades") else None
        if from_id is not None and not from_id.isdigit():
            return failure(-1100, "Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'.")
        trades = self._truth.tape(self._venue, symbol).trades(None if from_id is None else int(from_id), limit)
        writer, unit = self._writers[symbol], wants_microseconds(request)
        return reply(f"[{','.join(writer.rest_trade(trade, unit) for trade in trades)}]")


def wants_microseconds(request: web.Request) -> bool:
    """Whether the header X-MBX-TIME-UNIT asks for microseconds."""
    return request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
