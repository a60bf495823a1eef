"""Advanced Trade's public REST paths on loopback.

Sources: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products and its neighbours
`get-public-market-trades`, `get-public-product-book`, `get-server-time`. An error is `{"error":…,"message":…}` beside its status.
The list of pairs is the spot venue's, that of contracts the other's; each is empty where it is not the venue's own.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing
from simulator.surroundings import Surroundings
from simulator.venues.coinbase.clock import timestamp
from simulator.venues.coinbase.frames import Writer

PRODUCTS = "/api/v3/brokerage/market/products"
HOUR_US = 3_600_000_000
SMALLEST_PAGE = 2
"""Products of a page where no limit is asked for: so few that pages are met with."""


class CoinbaseRest:
    """Serves products in pages, trades of a stretch of time, and the clock."""

    def __init__(self, venue: str, surroundings: Surroundings) -> None:
        self._venue = venue
        self._truth = surroundings.truth
        self._market = surroundings.truth.market
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in surroundings.listings(venue).values()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/api/v3/brokerage/time", self._time)
        router.add_get(PRODUCTS, self._products)
        router.add_get(PRODUCTS + "/{product}/ticker", self._trades)

    def limited(self, fault: Fault) -> web.Response:
        """Refuse one request too many."""
        return failure(fault.status or 429, "RESOURCE_EXHAUSTED", "rate limit exceeded", {"Retry-After": str(fault.retry_after)})

    async def _time(self, _request: web.Request) -> web.Response:
        time_us = self._market.time_us
        seconds, millis = str(time_us // 1_000_000), str(time_us // 1000)
        return web.json_response({"iso": timestamp(time_us), "epochSeconds": seconds, "epochMillis": millis})

    async def _products(self, request: web.Request) -> web.Response:
        kind, cursor = request.query.get("product_type", "SPOT"), request.query.get("cursor", "0")
        limit = request.query.get("limit", str(SMALLEST_PAGE))
        if kind not in {"SPOT", "FUTURE"} or not cursor.isdigit() or not limit.isdigit() or not int(limit):
            return failure(400, "INVALID_ARGUMENT", "a parameter is invalid")
        own = [one for one in self._by_wire.values() if (one.instrument.kind == "spot") == (kind == "SPOT")]
        listings, first = own, int(cursor)
        page = listings[first : first + int(limit)]
        more = first + len(page) < len(listings)
        rows = [product(listing.instrument) if kind == "SPOT" else self._contract(listing) for listing in page]
        pages = {"prev_cursor": "", "next_cursor": str(first + len(page)) if more else "", "has_next": more, "has_prev": first > 0}
        return web.json_response({"products": rows, "num_products": len(rows), "pagination": pages})

    def _contract(self, listing: Listing) -> dict[str, Any]:
        """Return a perpetual-style contract, and what it stands at: its rate is that of the hour that has begun."""
        instrument, time_us = listing.instrument, self._market.time_us
        bid, _, ask, _ = listing.book.quote()
        price = instrument.price_writer()((bid + ask) // 2)
        trades = len(self._truth.tape(self._venue, instrument.symbol))
        day = time_us - time_us % (24 * HOUR_US)
        details = {
            "venue": "cde",
            "contract_code": instrument.base,
            "contract_expiry": "2030-12-20T16:00:00Z",
            "contract_size": str(instrument.contract_size),
            "contract_root_unit": instrument.base,
            "contract_expiry_type": "EXPIRING",
            "perpetual_details": {"open_interest": str(100_000 + trades), "funding_rate": "", "funding_time": None},
            "funding_interval": "3600s",
            "open_interest": str(100_000 + trades),
            "funding_rate": f"0.{10 + trades % 9:06d}",
            "funding_time": timestamp(time_us - time_us % HOUR_US),
            "settlement_price": price,
            "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
            "index_price": price,
        }
        session = {
            "is_session_open": True,
            "open_time": timestamp(day - 3 * HOUR_US),
            "close_time": timestamp(day + 21 * HOUR_US),
            "session_state": "FCM_TRADING_SESSION_STATE_OPEN",
            "closed_reason": "FCM_TRADING_SESSION_CLOSED_REASON_UNDEFINED",
            "maintenance": None,
        }
        changes: dict[str, Any] = {
            "product_type": "FUTURE",
            "base_currency_id": "",
            "status": "",
            "product_venue": "FCM",
            "fcm_trading_session_details": session,
            "future_product_details": details,
        }
        return product(instrument) | changes

    async def _trades(self, request: web.Request) -> web.Response:
        listing = self._by_wire.get(request.match_info["product"])
        if listing is None:
            return failure(404, "NOT_FOUND", "product_id is not valid")
        limit, start, end = (request.query.get(name, "") for name in ("limit", "start", "end"))
        if not limit.isdigit() or not all(text.isdigit() for text in (start, end) if text):
            return failure(400, "INVALID_ARGUMENT", "a parameter is invalid")
        writer = Writer(listing.instrument)
        tape = self._truth.tape(self._venue, listing.instrument.symbol)
        trades = tape.trades(tape.first_id_after(int(start or 0) * 10**9 - 1))
        newest = [trade for trade in trades if not end or trade.time_ns < int(end) * 10**9][-int(limit) :]
        bid, _, ask, _ = listing.book.quote()
        rows = ",".join(f'{writer.trade(trade)[:-1]},"bid":"","ask":"","exchange":"coinbase"}}' for trade in reversed(newest))
        text = f'{{"trades":[{rows}],"best_bid":"{writer.price(bid)}","best_ask":"{writer.price(ask)}"}}'
        return web.Response(text=text, content_type="application/json")


def product(instrument: Instrument) -> dict[str, Any]:
    """Return one pair of the list."""
    price, size = instrument.price_writer(), instrument.size_writer()
    return {
        "product_id": instrument.wire_symbol,
        "product_type": "SPOT",
        "base_currency_id": instrument.base,
        "quote_currency_id": instrument.quote,
        "base_increment": size(1),
        "quote_increment": price(1),
        "price_increment": price(1),
        "base_min_size": size(1),
        "base_max_size": size(10**12),
        "quote_min_size": "1",
        "quote_max_size": "150000000",
        "status": "online",
        "is_disabled": False,
        "trading_disabled": False,
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "auction_mode": False,
        "view_only": False,
        "display_name": instrument.wire_symbol,
        "product_venue": "CBE",
        "alias": "",
        "alias_to": [],
        "fcm_trading_session_details": None,
    }


def failure(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error."""
    return web.json_response({"error": error, "message": message, "error_details": message}, status=status, headers=headers)
