"""What Bybit's `tickers` says of one instrument: all of it at first, then what has changed.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/ticker. What no order book tells (index, open interest, funding) is
made of the market's own numbers, so that the same market says the same.
"""

from __future__ import annotations

from decimal import Decimal

from simulator.instruments import decimal_writer
from simulator.market import Listing, Step

FUNDING_US = 8 * 3600 * 1_000_000
FIRST_INTEREST = 1_000_000
"""Lots of open interest of one side at first."""
TRADES_PER_RATE = 40
"""Trades after which the predicted funding rate moves on."""


class Ticker:
    """The day of one instrument. `published` is what the subscribers have been told."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._price = listing.instrument.price_writer()
        self._size = listing.instrument.size_writer()
        self._fine = decimal_writer(listing.instrument.price_decimals + 1)
        first = listing.instrument.first_price
        self._first = self._last = self._highest = self._lowest = first
        self._volume = 0
        self._interest = FIRST_INTEREST
        self._trades = 0
        self.published: dict[str, str] = {}

    def note(self, step: Step) -> None:
        """Take the trades of a step."""
        for trade in step.trades:
            self._last = trade.price
            self._highest, self._lowest = max(self._highest, trade.price), min(self._lowest, trade.price)
            self._volume += trade.size
            self._trades += 1
            opens = trade.trade_id % 2 == 0 or trade.size >= self._interest
            self._interest += trade.size if opens else -trade.size

    def spot(self) -> dict[str, str]:
        """Return the fields of a pair of spot; its index is in US dollars."""
        return self._day() | {"usdIndexPrice": self._fine(self._last * 10)}

    def contract(self, time_us: int) -> dict[str, str]:
        """Return the fields of a perpetual."""
        instrument = self._listing.instrument
        bid, bid_size, ask, ask_size = self._listing.book.quote()
        single, both = self._value(self._interest), self._value(2 * self._interest)
        return self._day() | {
            "markPrice": self._fine((bid + ask) * 5),
            "indexPrice": self._fine((bid + ask) * 5 + self._trades % 7 - 3),
            "openInterest": self._size(2 * self._interest),
            "openInterestValue": both,
            "singleOpenInterest": self._size(self._interest),
            "singleOpenInterestValue": single,
            "nextFundingTime": str((time_us // FUNDING_US + 1) * FUNDING_US // 1000),
            "fundingRate": f"0.{100 + self._trades // TRADES_PER_RATE % 9:06d}",
            "fundingIntervalHour": "8",
            "fundingCap": "0.005" if instrument.base in {"BTC", "ETH"} else "0.02",
            "bid1Price": self._price(bid),
            "bid1Size": self._size(bid_size),
            "ask1Price": self._price(ask),
            "ask1Size": self._size(ask_size),
        }

    def changes(self, state: dict[str, str]) -> dict[str, str]:
        """Return what of a state has not been published, and publish it."""
        told = {name: text for name, text in state.items() if self.published.get(name) != text}
        self.published = state
        return told

    def _day(self) -> dict[str, str]:
        change = Decimal(self._last - self._first) / self._first
        return {
            "lastPrice": self._price(self._last),
            "prevPrice24h": self._price(self._first),
            "highPrice24h": self._price(self._highest),
            "lowPrice24h": self._price(self._lowest),
            "price24hPcnt": f"{change:.6f}",
            "volume24h": self._size(self._volume),
            "turnover24h": self._value(self._volume),
        }

    def _value(self, size: int) -> str:
        """Return what a size is worth: in quote currency, or in the base currency where sizes count dollars."""
        instrument = self._listing.instrument
        base, quote = instrument.amounts(self._last, size)
        return f"{quote if instrument.contract_size is None else base:.4f}"
