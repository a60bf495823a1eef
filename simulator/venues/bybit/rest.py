"""Bybit's public REST paths on loopback, of one category.

Sources: https://bybit-exchange.github.io/docs/v5/market/instrument, https://bybit-exchange.github.io/docs/v5/market/recent-trade,
https://bybit-exchange.github.io/docs/v5/market/kline,
https://bybit-exchange.github.io/docs/v5/system-status, https://bybit-exchange.github.io/docs/v5/error. An error has status 200. A symbol
that is not listed is an empty list on spot, an error elsewhere.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.bybit.frames import Writer, milliseconds, side
from simulator.venues.bybit.klines import INTERVALS, klines

WRONG = 10001
"""Request parameter error."""
MOST_TRADES = {"spot": 60}
LARGEST_PAGE = 1000
LAUNCHED = "1585526400000"


class BybitRest:
    """Serves instruments in pages, the last trades and klines, the clock and the venue's state."""

    def __init__(self, venue: str, category: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._category = category
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self._by_wire.items()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/v5/market/time", self._time)
        router.add_get("/v5/market/instruments-info", self._instruments)
        router.add_get("/v5/market/recent-trade", self._trades)
        router.add_get("/v5/market/kline", self._klines)
        router.add_get("/v5/system/status", self._status)

    def limited(self, fault: Fault) -> web.Response:
        """Refuse one request too many: with status 200 and a code, or, where the fault says so, 403 or another status."""
        if fault.status not in {None, 200}:
            return web.Response(status=fault.status or 403, text="access too frequent")
        reset = str(self._now() + fault.retry_after * 1000)
        headers = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": reset}
        return self._said(10006, "Too many visits. Exceeded the API Rate Limit.", {}, headers)

    def _now(self) -> int:
        return milliseconds(self._market.time_us)

    def _said(self, code: int, words: str, result: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
        document = {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": self._now()}
        return web.json_response(document, headers=headers)

    async def _time(self, _request: web.Request) -> web.Response:
        time_us = self._market.time_us
        return self._said(0, "OK", {"timeSecond": str(time_us // 1_000_000), "timeNano": str(time_us * 1000)})

    def _wrong(self, request: web.Request) -> web.Response | None:
        if request.query.get("category") != self._category:
            return self._said(WRONG, "params error: category is invalid", {})
        limit = request.query.get("limit", "1")
        return None if limit.isdigit() and int(limit) else self._said(WRONG, "params error: limit is invalid", {})

    async def _instruments(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        listed = list(self._by_wire.values())
        if "symbol" in request.query:
            found = self._by_wire.get(request.query["symbol"])
            if found is None and self._category != "spot":
                return self._said(WRONG, "params error: symbol invalid", {})
            listed = [] if found is None else [found]
        if self._category == "spot":
            return self._said(0, "OK", {"category": "spot", "list": [pair(listing.instrument) for listing in listed]})
        first = 0
        if "cursor" in request.query:
            last = parse_qs(request.query["cursor"]).get("last", [""])[0]
            symbols = [listing.instrument.wire_symbol for listing in listed]
            if last not in symbols:
                return self._said(WRONG, "params error: cursor is invalid", {})
            first = symbols.index(last) + 1
        page = listed[first : first + min(int(request.query.get("limit", "500")), LARGEST_PAGE)]
        rows = [contract(listing.instrument) for listing in page]
        more = first + len(page) < len(listed)
        cursor = quote(f"first={rows[0]['symbol']}&last={rows[-1]['symbol']}", safe="") if more else ""
        return self._said(0, "OK", {"category": self._category, "list": rows, "nextPageCursor": cursor})

    async def _trades(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        listing = self._by_wire.get(request.query.get("symbol", ""))
        if listing is None and self._category != "spot":
            return self._said(WRONG, "params error: symbol invalid", {})
        rows = [] if listing is None else self._last_trades(listing, int(request.query.get("limit", "500")))
        return self._said(0, "OK", {"category": self._category, "list": rows})

    def _last_trades(self, listing: Listing, limit: int) -> list[dict[str, Any]]:
        writer = self._writers[listing.instrument.wire_symbol]
        largest = MOST_TRADES.get(self._category, LARGEST_PAGE)
        return [
            {
                "execId": writer.trade_id(trade),
                "symbol": writer.wire_symbol,
                "price": writer.price(trade.price),
                "size": writer.size(trade.size),
                "side": side(trade.taker_buys),
                "time": str(trade.time_ns // 1_000_000),
                "isBlockTrade": False,
                "isRPITrade": False,
            }
            for trade in reversed(self._truth.tape(self._venue, listing.instrument.symbol).trades(limit=min(limit, largest)))
        ]

    async def _klines(self, request: web.Request) -> web.Response:
        if (wrong := self._wrong(request)) is not None:
            return wrong
        symbol, interval = request.query.get("symbol", ""), request.query.get("interval", "")
        if interval not in INTERVALS:
            return self._said(WRONG, "params error: interval is invalid", {})
        listing, rows = self._by_wire.get(symbol), []
        if listing is not None:
            instrument, limit = listing.instrument, min(int(request.query.get("limit", "200")), LARGEST_PAGE)
            rows = klines(instrument, self._truth.tape(self._venue, instrument.symbol), interval, limit, self._market.time_us)
        elif self._category != "spot":
            return self._said(WRONG, "params error: symbol invalid", {})
        return self._said(0, "OK", {"category": self._category, "symbol": symbol, "list": rows})

    async def _status(self, _request: web.Request) -> web.Response:
        begun = milliseconds(self._market.settings.start_us) - 7_200_000
        notice = {
            "id": "4d95b2a0-0001-11f0-bcc9-56f28c94d6ea",
            "title": "Maintenance before the market began",
            "state": "completed",
            "begin": str(begun),
            "end": str(begun + 600_000),
            "href": "",
            "serviceTypes": [2, 3, 4, 5],
            "product": [1, 2],
            "uidSuffix": [],
            "maintainType": 1,
            "env": 1,
        }
        return self._said(0, "", {"list": [notice]})


def pair(instrument: Instrument) -> dict[str, Any]:
    """Return one entry of spot's list."""
    price, size = instrument.price_writer(), instrument.size_writer()
    return {
        "symbol": instrument.wire_symbol,
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": size(1),
            "quotePrecision": "0.0000001",
            "minOrderQty": size(1),
            "maxOrderQty": size(10**9),
            "minOrderAmt": "5",
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": size(10**9),
            "maxMarketOrderQty": size(10**8),
        },
        "priceFilter": {"tickSize": price(1)},
        "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
        "symbolType": "",
    }


def contract(instrument: Instrument) -> dict[str, Any]:
    """Return one entry of the list of perpetuals."""
    price, size = instrument.price_writer(), instrument.size_writer()
    inverse = instrument.contract_size is not None
    return {
        "symbol": instrument.wire_symbol,
        "contractType": "InversePerpetual" if inverse else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "launchTime": LAUNCHED,
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(instrument.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": price(1), "maxPrice": price(10**9), "tickSize": price(1)},
        "lotSizeFilter": {
            "maxOrderQty": size(10**9),
            "minOrderQty": size(1),
            "qtyStep": size(1),
            "postOnlyMaxOrderQty": size(10**9),
            "maxMktOrderQty": size(10**8),
            "minNotionalValue": "1" if inverse else "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": instrument.settle,
        "copyTrading": "none",
        "upperFundingRate": "0.005",
        "lowerFundingRate": "-0.005",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }
