"""What Binance's futures say of one contract beside its trades and its book: mark and index, funding, open interest, who is long.

What no order book tells is made of the market's own numbers, so that the same market says the same.
"""

from __future__ import annotations

from typing import NamedTuple

from simulator.instruments import decimal_writer
from simulator.market import Listing, Step

HOUR_US = 3600 * 1_000_000
PERIOD_US = 300 * 1_000_000
FIRST_INTEREST = 1_000_000
"""Lots of open interest at first."""
TRADES_PER_RATE = 40
"""Trades after which the predicted funding rate moves on."""
JITTER_MS = (0, 2, 10, 3)
"""Milliseconds by which a funding is later than its hour."""
FOUR_HOURS = frozenset({"XRP", "SOL"})
"""Bases that are funded each four hours, all others each eight."""


class Liquidation(NamedTuple):
    """A position closed by force: the order's side, its limit, average and size."""

    time_us: int
    order_buys: bool
    limit: int
    average: int
    size: int


class Figures:
    """The figures of one contract."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self.instrument = listing.instrument
        self.price = listing.instrument.price_writer()
        self.size = listing.instrument.size_writer()
        self._fine = decimal_writer(listing.instrument.price_decimals + 1, 8)
        self._interest = FIRST_INTEREST
        self._trades = 0

    @property
    def hours(self) -> int:
        """Hours between two fundings."""
        return 4 if self.instrument.base in FOUR_HOURS else 8

    def note(self, step: Step) -> None:
        """Take the trades of a step."""
        for trade in step.trades:
            self._trades += 1
            opens = trade.trade_id % 2 == 0 or trade.size >= self._interest
            self._interest += trade.size if opens else -trade.size

    def mark(self) -> str:
        """Return the mark price."""
        bid, _, ask, _ = self._listing.book.quote()
        return self._fine((bid + ask) * 5)

    def index(self) -> str:
        """Return the index behind it."""
        bid, _, ask, _ = self._listing.book.quote()
        return self._fine((bid + ask) * 5 + self._trades % 7 - 3)

    def rate(self) -> str:
        """Return the funding rate of the running period."""
        return f"0.{100 + self._trades // TRADES_PER_RATE % 9:08d}"

    def next_funding(self, time_us: int) -> int:
        """Return when it is charged; milliseconds."""
        width = self.hours * HOUR_US
        return (time_us // width + 1) * width // 1000

    def charged(self, time_us: int, limit: int) -> list[tuple[int, str]]:
        """Return times (milliseconds) and rates of the last fundings, oldest first."""
        width = self.hours * HOUR_US
        last = time_us // width
        return [(number * width // 1000 + JITTER_MS[number % 4], f"0.{number % 90:08d}") for number in range(last - limit + 1, last + 1)]

    def interest(self) -> str:
        """Return the open interest, in what sizes count."""
        return self.size(self._interest)

    def value(self) -> str:
        """Return what that is worth: in quote currency, or in base currency where sizes count contracts."""
        bid, _, _, _ = self._listing.book.quote()
        base, quote = self.instrument.amounts(bid, self._interest)
        return f"{quote if self.instrument.contract_size is None else base:.8f}"

    def periods(self, time_us: int, limit: int) -> list[int]:
        """Return the times of the last periods of five minutes, oldest first; milliseconds."""
        last = time_us // PERIOD_US
        return [number * PERIOD_US // 1000 for number in range(last - limit + 1, last + 1)]


def shares(time_ms: int) -> tuple[str, str, str]:
    """Return the shares of longs and shorts of a period, and long by short."""
    longs = 5000 + time_ms // 300_000 % 900
    return f"0.{longs:04d}", f"0.{10_000 - longs:04d}", f"{longs / (10_000 - longs):.4f}"
