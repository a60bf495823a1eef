"""OKX's public REST paths on loopback.

Sources: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments, …#order-book-trading-market-data-get-trades-history,
…#order-book-trading-market-data-get-candlesticks, …#trading-statistics-rest-api, …#error-code-rest-api-public. An instrument that is
not listed is an error with status 200. Intervals without a trade are left out here, and bars are those of hours and minutes.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from simulator.candles import candles, interval_us
from simulator.faults import Fault
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.okx.frames import Writer, milliseconds
from simulator.venues.okx.instruments import product, row, underlying

LARGEST_PAGE = 100
BARS = {**{name: name for name in ("1m", "3m", "5m", "15m", "30m")}, **{name: name.lower() for name in ("1H", "2H", "4H")}}
PERIOD_US = 300_000_000
RATIOS = {
    "long-short-account-ratio-contract": 1,
    "long-short-account-ratio-contract-top-trader": 2,
    "long-short-position-ratio-contract-top-trader": 3,
}


class OkxRest:
    """Serves instruments, trades by their ids, candles, ratios and the clock."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self._by_wire.items()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/api/v5/public/time", self._time)
        router.add_get("/api/v5/public/instruments", self._instruments)
        router.add_get("/api/v5/market/history-trades", self._trades)
        router.add_get("/api/v5/market/candles", self._candles)
        for name in RATIOS:
            router.add_get(f"/api/v5/rubik/stat/contracts/{name}", self._ratios)
        router.add_get("/api/v5/rubik/stat/taker-volume-contract", self._volumes)

    def limited(self, fault: Fault) -> web.Response:
        """Refuse one request too many."""
        return self._said("50011", "Too Many Requests", "[]", fault.status or 429)

    def _said(self, code: str, words: str, data: str, status: int = 200) -> web.Response:
        text = f'{{"code":"{code}","msg":{json.dumps(words)},"data":{data}}}'
        return web.Response(text=text, status=status, content_type="application/json")

    def _found(self, rows: list[Any]) -> web.Response:
        return self._said("0", "", json.dumps(rows))

    def _unlisted(self) -> web.Response:
        return self._said("51001", "Instrument ID, Instrument ID code or Spread ID doesn't exist.", "[]")

    def _wrong(self, name: str) -> web.Response:
        return self._said("51000", f"Parameter {name} error", "[]", 400)

    def _listing(self, request: web.Request) -> Listing | None:
        return self._by_wire.get(request.query.get("instId", ""))

    def _limit(self, request: web.Request) -> int:
        text = request.query.get("limit", "")
        return min(int(text), LARGEST_PAGE) if text.isdigit() else LARGEST_PAGE

    async def _time(self, _request: web.Request) -> web.Response:
        return self._found([{"ts": str(milliseconds(self._market.time_us))}])

    async def _instruments(self, request: web.Request) -> web.Response:
        wanted, family = request.query.get("instType", ""), request.query.get("instFamily")
        if wanted not in {"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"}:
            return self._wrong("instType")
        if wanted == "OPTION" and not family:
            return self._said("50014", "Parameter instFamily can not be empty.", "[]", 400)
        found = [one.instrument for one in self._by_wire.values() if product(one.instrument) == wanted]
        if family:
            found = [one for one in found if underlying(one) == family]
        if "instId" in request.query:
            found = [one for one in found if one.wire_symbol == request.query["instId"]]
            if not found:
                return self._unlisted()
        return self._found([row(one) for one in found])

    async def _trades(self, request: web.Request) -> web.Response:
        listing = self._listing(request)
        if listing is None:
            return self._unlisted()
        after, before = request.query.get("after", ""), request.query.get("before", "")
        if request.query.get("type", "1") != "1" or not all(text.isdigit() for text in (after, before) if text):
            return self._wrong("after")
        tape = self._truth.tape(self._venue, listing.instrument.symbol)
        end = min(int(after), tape.next_trade_id) if after else tape.next_trade_id
        first = max(end - self._limit(request), int(before) + 1 if before else 0, tape.first_trade_id)
        writer = self._writers[listing.instrument.wire_symbol]
        rows = [writer.row(trade) for trade in reversed(tape.trades(first, max(0, end - first)))]
        return self._said("0", "", f"[{','.join(rows)}]")

    async def _candles(self, request: web.Request) -> web.Response:
        listing = self._listing(request)
        if listing is None:
            return self._unlisted()
        bar = BARS.get(request.query.get("bar", "1m"))
        if bar is None:
            return self._wrong("bar")
        instrument, now_us, width = listing.instrument, self._market.time_us, interval_us(bar)
        tape = self._truth.tape(self._venue, instrument.symbol)
        since_us = now_us - now_us % width - (self._limit(request) - 1) * width
        trades = tape.trades(tape.first_id_after(since_us * 1000 - 1))
        contracts: dict[int, int] = {}
        for trade in trades:
            opened = trade.time_ns // 1000 // width * width
            contracts[opened] = contracts.get(opened, 0) + trade.size
        size, rows = instrument.size_writer(), []
        for one in reversed(candles(instrument, trades, bar)):
            spot = instrument.contract_size is None
            volumes = (size(contracts[one.open_time]), f"{one.quote_volume if spot else one.volume:.8f}", f"{one.quote_volume:.8f}")
            prices = (f"{price:f}" for price in (one.open, one.high, one.low, one.close))
            rows.append([str(milliseconds(one.open_time)), *prices, *volumes, "1" if one.open_time + width <= now_us else "0"])
        return self._found(rows)

    async def _ratios(self, request: web.Request) -> web.Response:
        kind = RATIOS[request.path.rpartition("/")[2]]
        return self._periods(request, lambda number: [f"1.{kind}{number % 1000:03d}"])

    async def _volumes(self, request: web.Request) -> web.Response:
        return self._periods(request, lambda number: [f"{2000 + number % 100}", f"{1900 + number % 90}"])

    def _periods(self, request: web.Request, values: Any) -> web.Response:
        listing = self._listing(request)
        if listing is None or listing.instrument.kind == "spot":
            return self._unlisted()
        last = self._market.time_us // PERIOD_US
        numbers = range(last, last - self._limit(request), -1)
        return self._found([[str(milliseconds(number * PERIOD_US)), *values(number)] for number in numbers])
