"""Binance spot's public REST paths on loopback.

Source: binance/binance-spot-api-docs, rest-api.md and errors.md.
"""

from __future__ import annotations

import json

from aiohttp import web

from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.binance.frames import MICROSECONDS, Writer, exchange_symbol, stamp


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
        return body("{}")

    async def _time(self, request: web.Request) -> web.Response:
        unit = MICROSECONDS if wants_microseconds(request) else 0
        return body(f'{{"serverTime":{stamp(self._market.time_us, unit)}}}')

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
        return body(
            f'{{"timezone":"UTC","serverTime":{self._market.time_us // 1000},"rateLimits":[],"exchangeFilters":[],"symbols":[{symbols}]}}'
        )

    def _asked(self, request: web.Request, default: int, largest: int) -> tuple[Listing, int] | web.Response:
        symbol = request.query.get("symbol", "")
        if not symbol:
            return failure(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        listing = self._by_wire.get(symbol)
        if listing is None:
            return failure(-1121, "Invalid symbol.")
        limit = request.query.get("limit", str(default))
        if not limit.isdigit() or int(limit) == 0:
            return failure(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
        return listing, min(int(limit), largest)

    async def _depth(self, request: web.Request) -> web.Response:
        asked = self._asked(request, 100, 5000)
        if isinstance(asked, web.Response):
            return asked
        listing, limit = asked
        symbol, book = listing.instrument.symbol, listing.book
        giant = self._desk.take(self._venue, "giant", symbol, "snapshot", self._market.time_us)
        extra = 0 if giant is None else giant.levels
        return body(self._writers[symbol].snapshot(book.update_id, book.bids.top(limit), book.asks.top(limit), extra))

    async def _trades(self, request: web.Request) -> web.Response:
        asked = self._asked(request, 500, 1000)
        if isinstance(asked, web.Response):
            return asked
        listing, limit = asked
        symbol = listing.instrument.symbol
        from_id = request.query.get("fromId") if request.path.endswith("historicalTrades") else None
        if from_id is not None and not from_id.isdigit():
            return failure(-1100, "Illegal characters found in parameter 'fromId'; legal range is '^[0-9]{1,20}$'.")
        trades = self._truth.tape(self._venue, symbol).trades(None if from_id is None else int(from_id), limit)
        writer, unit = self._writers[symbol], wants_microseconds(request)
        return body(f"[{','.join(writer.rest_trade(trade, unit) for trade in trades)}]")


def wants_microseconds(request: web.Request) -> bool:
    """Whether the header X-MBX-TIME-UNIT asks for microseconds."""
    return request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"


def body(text: str) -> web.Response:
    """Return a good answer, with the weight header every answer has."""
    return web.Response(text=text, content_type="application/json", headers={"X-MBX-USED-WEIGHT-1M": "1"})


def failure(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> web.Response:
    """Binance's error body."""
    return web.json_response({"code": code, "msg": message}, status=status, headers=headers)
