"""Coinbase Exchange's public REST paths on loopback.

Sources: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-known-trading-pairs and its neighbours
`get-product-trades` (pages by trade id, the newest first), `get-product-candles`, `get-product-book`. An error is `{"message":…}` beside
its status.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from simulator.candles import candles
from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.coinbase.clock import timestamp
from simulator.venues.coinbase_exchange.frames import Writer, maker

GRANULARITIES = {"60": "1m", "300": "5m", "900": "15m", "3600": "1h", "21600": "6h", "86400": "1d"}
LARGEST_PAGE, MOST_CANDLES = 1000, 300


class ExchangeRest:
    """Serves products, trades, candles and books."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/time", self._time)
        router.add_get("/products", self._products)
        router.add_get("/products/{product}/trades", self._trades)
        router.add_get("/products/{product}/candles", self._candles)
        router.add_get("/products/{product}/book", self._book)

    def limited(self, fault: Fault) -> web.Response:
        """Refuse one request too many."""
        return failure(fault.status or 429, "Public rate limit exceeded", {"Retry-After": str(fault.retry_after)})

    async def _time(self, _request: web.Request) -> web.Response:
        time_us = self._market.time_us
        return web.json_response({"iso": timestamp(time_us), "epoch": time_us / 1_000_000})

    async def _products(self, _request: web.Request) -> web.Response:
        return web.json_response([product(listing.instrument) for listing in self._by_wire.values()])

    def _listing(self, request: web.Request) -> Listing | None:
        return self._by_wire.get(request.match_info["product"])

    async def _trades(self, request: web.Request) -> web.Response:
        listing, after, limit = self._listing(request), request.query.get("after", ""), request.query.get("limit", str(LARGEST_PAGE))
        if listing is None:
            return failure(404, "NotFound")
        if not limit.isdigit() or not int(limit) or not (after.isdigit() or not after):
            return failure(400, "Invalid parameter")
        instrument = listing.instrument
        tape, writer = self._truth.tape(self._venue, instrument.symbol), Writer(instrument)
        end = min(int(after), tape.next_trade_id) if after else tape.next_trade_id
        trades = [trade for trade in tape.trades(end - min(int(limit), LARGEST_PAGE)) if trade.trade_id < end]
        rows = [
            {
                "time": timestamp(trade.time_ns // 1000),
                "trade_id": trade.trade_id,
                "price": writer.price(trade.price),
                "size": writer.size(trade.size),
                "side": maker(trade),
            }
            for trade in reversed(trades)
        ]
        pages = {"cb-before": str(trades[-1].trade_id), "cb-after": str(trades[0].trade_id)} if trades else {}
        return web.json_response(rows, headers=pages)

    async def _candles(self, request: web.Request) -> web.Response:
        listing, length = self._listing(request), GRANULARITIES.get(request.query.get("granularity", "60"))
        if listing is None:
            return failure(404, "NotFound")
        if length is None:
            return failure(400, "Unsupported granularity")
        tape = self._truth.tape(self._venue, listing.instrument.symbol)
        found = candles(listing.instrument, tape.trades(), length)[-MOST_CANDLES:]
        rows = ",".join(
            f"[{one.open_time // 1_000_000},{one.low:f},{one.high:f},{one.open:f},{one.close:f},{one.volume:f}]" for one in reversed(found)
        )
        return web.Response(text=f"[{rows}]", content_type="application/json")

    async def _book(self, request: web.Request) -> web.Response:
        """Return a book of level 1 or 2, or each level as one order of level 3."""
        listing, level = self._listing(request), request.query.get("level", "1")
        if listing is None:
            return failure(404, "NotFound")
        if level not in {"1", "2", "3"}:
            return failure(400, "Invalid level")
        writer, book = Writer(listing.instrument), listing.book
        sides = {
            name: [
                [writer.price(price), writer.size(size), f"{price:08x}-0000-4000-8000-000000000000" if level == "3" else 1]
                for price, size in side.top(1 if level == "1" else len(side.keys))
            ]
            for name, side in (("bids", book.bids), ("asks", book.asks))
        }
        rest: dict[str, Any] = {"auction_mode": False, "auction": None, "time": timestamp(self._market.time_us)}
        return web.json_response({"sequence": book.update_id} | sides | rest)


def product(instrument: Instrument) -> dict[str, Any]:
    """Return one pair of the list, which the status channel tells alike."""
    price, size = instrument.price_writer(), instrument.size_writer()
    return {
        "id": instrument.wire_symbol,
        "base_currency": instrument.base,
        "quote_currency": instrument.quote,
        "quote_increment": price(1),
        "base_increment": size(1),
        "display_name": instrument.wire_symbol,
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02",
        "auction_mode": False,
    }


def failure(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error."""
    return web.json_response({"message": message}, status=status, headers=headers)
