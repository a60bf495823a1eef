"""What really happened: every trade, and every book back to a bound, whatever the wire lost.

It hears the market's steps only, never the frames, so that it can judge them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import NamedTuple

from simulator.book import Book
from simulator.market import Change, Listing, Market, Step, Trade


class OrderChange(NamedTuple):
    """What happened to a single order, its numbers as the wire's text: `size` is what remains of it."""

    order_id: str
    action: str
    """add, modify or delete."""
    price: str
    size: str
    time_us: int


class Tape:
    """Every trade of one instrument in compact columns; ids have no holes."""

    def __init__(self, first_trade_id: int) -> None:
        self.first_trade_id = first_trade_id
        self._prices = array("q")
        self._sizes = array("q")
        self._taker_buys = array("b")
        self._times_ns = array("q")

    def __len__(self) -> int:
        # The column that is written last, so that another thread may read while trades are added.
        return len(self._times_ns)

    @property
    def next_trade_id(self) -> int:
        """The id which the next trade will have."""
        return self.first_trade_id + len(self)

    def add(self, trade: Trade) -> None:
        """Append the next trade."""
        self._prices.append(trade.price)
        self._sizes.append(trade.size)
        self._taker_buys.append(trade.taker_buys)
        self._times_ns.append(trade.time_ns)

    def trades(self, from_id: int | None = None, limit: int | None = None) -> list[Trade]:
        """Trades from an id on, oldest first; without an id the newest `limit` of them."""
        count = len(self)
        newest = 0 if limit is None else max(0, count - limit)
        start = newest if from_id is None else min(max(0, from_id - self.first_trade_id), count)
        stop = count if limit is None else min(count, start + limit)
        return [
            Trade(
                self.first_trade_id + index,
                self._prices[index],
                self._sizes[index],
                bool(self._taker_buys[index]),
                self._times_ns[index],
            )
            for index in range(start, stop)
        ]

    def first_id_after(self, time_ns: int) -> int:
        """Return the id of the first trade strictly later than a time in nanoseconds."""
        return self.first_trade_id + bisect_left(self._times_ns, time_ns + 1)


class History:
    """The last changes of one book in compact columns, enough to undo them; update ids have no holes."""

    def __init__(self, listing: Listing, bound: int) -> None:
        self.listing = listing
        self._bound = bound
        self._first_update_id = listing.book.update_id + 1
        self._keys = array("q")
        """The price of a changed bid, the negated price of a changed ask."""
        self._sizes_before = array("q")

    def add(self, changes: list[Change]) -> None:
        """Remember changes, forgetting the oldest beyond the bound."""
        for change in changes:
            self._keys.append(change.price if change.bid else -change.price)
            self._sizes_before.append(change.before)
        surplus = len(self._keys) - self._bound
        if surplus > self._bound:
            del self._keys[:surplus]
            del self._sizes_before[:surplus]
            self._first_update_id += surplus

    def book_at(self, update_id: int) -> Book:
        """Return the whole book as it was once `update_id` had been applied.

        Raises:
            KeyError: that update id is not made yet, or is older than the bound remembers.
        """
        book = self.listing.book.copy()
        if update_id > book.update_id or update_id < self._first_update_id - 1:
            raise KeyError(f"update id {update_id} is outside {self._first_update_id - 1}..{book.update_id}")
        for place in range(len(self._keys) - 1, update_id - self._first_update_id, -1):
            key = self._keys[place]
            book.side(key > 0).put(abs(key), self._sizes_before[place])
        book.update_id = update_id
        return book


class Truth:
    """The tape and the book history of each instrument of a market."""

    def __init__(self, market: Market, history: int = 100_000) -> None:
        self.market = market
        self.tapes = {key: Tape(listing.first_trade_id) for key, listing in market.listings.items()}
        self.histories = {key: History(listing, history) for key, listing in market.listings.items()}

    def record(self, step: Step) -> None:
        """Take down one step of the market."""
        instrument = step.listing.instrument
        key = (instrument.venue, instrument.symbol)
        for trade in step.trades:
            self.tapes[key].add(trade)
        self.histories[key].add(step.changes)

    def tape(self, venue: str, symbol: str) -> Tape:
        """Return the tape of a canonical symbol.

        Raises:
            KeyError: no such instrument.
        """
        return self.tapes[venue, symbol]

    def book(self, venue: str, symbol: str, update_id: int | None = None) -> Book:
        """Return the book now, or at an update id.

        Raises:
            KeyError: no such instrument, or an update id that is not remembered.
        """
        history = self.histories[venue, symbol]
        return history.listing.book.copy() if update_id is None else history.book_at(update_id)
