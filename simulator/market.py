"""The market: order books and trades as a function of the seed and the step number alone.

Nothing here reads a clock or a socket. A step is one order's arrival at one instrument: it trades, or it changes a few
levels. Its time is `start_us + step * 1_000_000 / steps_per_second`, with a seeded offset inside that interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from random import Random
from typing import NamedTuple

from simulator.book import Book, Side
from simulator.instruments import Instrument

MANUAL_START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z, the first microsecond of a market whose clock is moved by hand."""


class Trade(NamedTuple):
    """One fill: `time_ns` is unique within its instrument, its microseconds are the venue's time."""

    trade_id: int
    price: int
    size: int
    taker_buys: bool
    time_ns: int


class Change(NamedTuple):
    """One level's new size (0: gone) under its own update id, and the size before it."""

    update_id: int
    bid: bool
    price: int
    size: int
    before: int


class Step(NamedTuple):
    """What one step did to one instrument."""

    number: int
    time_us: int
    listing: Listing
    trades: list[Trade]
    changes: list[Change]
    quote_changed: bool


LAST_START_SECONDS = 4_000_000_000
"""In the year 2096: until then ids are above 0, and below 2**53."""


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """How the market behaves."""

    seed: int = 7
    start_us: int = MANUAL_START_US
    steps_per_second: float = 500.0
    levels: int = 1000
    """Levels kept on each side."""
    trade_share: float = 0.3
    """Share of the steps which trade."""


def first_trade_id(start_us: int) -> int:
    """Return the first trade id of a market that starts at a time (microseconds since 1970 UTC).

    A later market begins lower, and so far below that it does not reach the ids of the one before within a week: whoever keeps the events
    of several runs finds no id twice, and each start is a venue's reset.
    """
    return (LAST_START_SECONDS - start_us // 1_000_000) * 1_000_000


class Listing:
    """One instrument's book and tape."""

    def __init__(self, instrument: Instrument, settings: MarketSettings) -> None:
        self.instrument = instrument
        self._settings = settings
        self._random = Random(f"{settings.seed}|{instrument.venue}|{instrument.symbol}")
        self.next_trade_id = first_trade_id(settings.start_us)
        self.first_trade_id = self.next_trade_id
        self.book = Book(self._random.randrange(1_000_000_000, 90_000_000_000))
        for side in (self.book.bids, self.book.asks):
            price = instrument.first_price - side.sign
            for _ in range(settings.levels):
                if price < 1:
                    break
                side.put(price, self._size())
                price -= side.sign * self._gap()
        self.quote = self.book.quote()

    def _size(self) -> int:
        return 1 + int(-log(1.0 - self._random.random()) * self.instrument.typical_size)

    def _gap(self) -> int:
        return 1 + int(-log(1.0 - self._random.random()) * 1.5)

    def step(self, number: int, time_us: int) -> Step:
        """Let one order arrive."""
        trades: list[Trade] = []
        changes: list[Change] = []
        if self._random.random() < self._settings.trade_share:
            self._trade(time_us, trades, changes)
        else:
            self._requote(changes)
        before, self.quote = self.quote, self.book.quote()
        return Step(number, time_us, self, trades, changes, self.quote != before)

    def _put(self, side: Side, price: int, size: int, changes: list[Change]) -> None:
        self.book.update_id += 1
        before = side.put(price, size)
        changes.append(Change(self.book.update_id, side.sign > 0, price, size, before))

    def _trade(self, time_us: int, trades: list[Trade], changes: list[Change]) -> None:
        random = self._random.random
        taker_buys = random() < 0.5
        side = self.book.asks if taker_buys else self.book.bids
        available = side.sizes[side.best()]
        kind = random()
        if kind < 0.6:
            wanted = 1 + int(random() * available)
        elif kind < 0.9:
            wanted = available
        else:
            wanted = sum(size for _, size in side.top(3)) - 1
        time_ns = time_us * 1000
        while wanted > 0 and len(side.keys) > 1:
            price = side.best()
            level = side.sizes[price]
            fill = min(wanted, level)
            trades.append(Trade(self.next_trade_id, price, fill, taker_buys, time_ns + len(trades)))
            self.next_trade_id += 1
            self._put(side, price, level - fill, changes)
            wanted -= fill

    def _requote(self, changes: list[Change]) -> None:
        random = self._random.random
        book = self.book
        for _ in range(1 + (random() < 0.4) + (random() < 0.1)):
            side, other = (book.bids, book.asks) if random() < 0.5 else (book.asks, book.bids)
            sign = side.sign
            best = side.best()
            room = (other.best() - best) * sign
            kind = random()
            if kind < 0.25 and room > 1:
                nearer = 1 if random() < 0.5 else 1 + int(random() * min(room - 1, 20))
                self._put(side, best + sign * nearer, self._size(), changes)
            elif kind < 0.55:
                price = best - sign * int(-log(1.0 - random()) * 12)
                if price > 0:
                    self._put(side, price, self._size(), changes)
            else:
                place = min(int(-log(1.0 - random()) * 8), len(side.keys) - 1)
                price = side.keys[-1 - place] * sign
                gone = kind > 0.8 and len(side.keys) > self._settings.levels // 2
                self._put(side, price, 0 if gone else self._size(), changes)
            self._keep_depth(side, changes)

    def _keep_depth(self, side: Side, changes: list[Change]) -> None:
        levels = self._settings.levels
        if len(side.keys) > levels + levels // 50:
            self._put(side, side.keys[0] * side.sign, 0, changes)
        elif len(side.keys) < levels:
            price = side.keys[0] * side.sign - side.sign * self._gap()
            if price > 0:
                self._put(side, price, self._size(), changes)


class Market:
    """All instruments under one seeded clock."""

    def __init__(self, instruments: list[Instrument], settings: MarketSettings) -> None:
        self.settings = settings
        self.listings = {(instrument.venue, instrument.symbol): Listing(instrument, settings) for instrument in instruments}
        self._order = list(self.listings.values())
        self._random = Random(settings.seed)
        self._interval_ns = int(1_000_000_000 / settings.steps_per_second)
        self._skipped_us = 0
        self.steps = 0
        self.time_us = settings.start_us

    def listing(self, venue: str, symbol: str) -> Listing:
        """Return the listing of a canonical symbol.

        Raises:
            KeyError: no such instrument.
        """
        return self.listings[venue, symbol]

    def skip(self, microseconds: int) -> None:
        """Let time pass without trading, as after a pause of a market that follows the wall clock."""
        self._skipped_us += microseconds

    def step(self) -> Step:
        """Make the next step."""
        random = self._random.random
        number = self.steps
        self.steps = number + 1
        nanoseconds = number * self._interval_ns + int(random() * self._interval_ns)
        self.time_us = self.settings.start_us + self._skipped_us + nanoseconds // 1000
        listing = self._order[int(random() * len(self._order))]
        return listing.step(number, self.time_us)
