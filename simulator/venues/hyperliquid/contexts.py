"""What Hyperliquid says of one asset beside its book: mark and oracle price, predicted funding, open interest, the day.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions (`PerpsAssetCtx`, `SpotAssetCtx`). What
no order book tells is made of the market's own numbers, so that the same market says the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulator.instruments import decimal_writer
from simulator.market import Listing, Step
from simulator.venues.hyperliquid.frames import plain

FIRST_INTEREST = 1_000_000
"""Lots of open interest at first."""
TRADES_PER_RATE = 40
"""Trades after which the predicted funding rate moves on."""


class Context:
    """The day of one instrument."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._price = listing.instrument.price_writer()
        self._fine = decimal_writer(listing.instrument.price_decimals + 1)
        self._size = listing.instrument.size_writer()
        self._value = Decimal(0)
        self._volume = 0
        self._interest = FIRST_INTEREST
        self._trades = 0

    def note(self, step: Step) -> None:
        """Take the trades of a step."""
        for trade in step.trades:
            self._volume += trade.size
            self._value += self._listing.instrument.amounts(trade.price, trade.size)[1]
            self._trades += 1
            opens = trade.trade_id % 2 == 0 or trade.size >= self._interest
            self._interest += trade.size if opens else -trade.size

    def perpetual(self) -> dict[str, Any]:
        """Return the context of a perpetual."""
        bid, _, ask, _ = self._listing.book.quote()
        return {
            "funding": rate(self._trades // TRADES_PER_RATE),
            "openInterest": plain(self._size(self._interest)),
            "premium": f"-0.0003{self._trades // TRADES_PER_RATE % 1000:03d}904",
            "oraclePx": plain(self._fine((bid + ask) * 5 + self._trades % 7 - 3)),
            "impactPxs": [plain(self._price(bid)), plain(self._price(ask))],
        } | self._day()

    def spot(self) -> dict[str, Any]:
        """Return the context of a pair of spot."""
        return {
            "circulatingSupply": "598274725.27",
            "coin": self._listing.instrument.wire_symbol,
            "totalSupply": "1000000000.0",
        } | self._day()

    def _day(self) -> dict[str, Any]:
        bid, _, ask, _ = self._listing.book.quote()
        middle = plain(self._fine((bid + ask) * 5))
        return {
            "prevDayPx": plain(self._price(self._listing.instrument.first_price)),
            "dayNtlVlm": plain(f"{self._value:f}"),
            "markPx": middle,
            "midPx": middle,
            "dayBaseVlm": plain(self._size(self._volume)),
        }


def rate(place: int) -> str:
    """Return a funding rate of an hour; which one moves it."""
    return f"0.00001{place % 90 + 10}"
