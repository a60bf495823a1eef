"""A book of 400 levels as the subscribers know it, and what each window of 100 ms must tell them.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel. Sequence ids skip; each message names the one
before, and all connections are told the same. A level that leaves the depth is deleted (seen in recorded books).
"""

from __future__ import annotations

from simulator.book import Book

Levels = list[tuple[int, int]]
"""(price, size), 0 deletes."""


class Window:
    """What was told last of a book: its levels, and the sequence id of that message."""

    __slots__ = ("_asks", "_bids", "_book", "depth", "sequence", "told_at")

    def __init__(self, book: Book, depth: int, time_us: int) -> None:
        self._book = book
        self.depth = depth
        self.sequence = book.update_id
        self.told_at = time_us
        self._bids, self._asks = dict(book.bids.top(depth)), dict(book.asks.top(depth))

    @property
    def whole(self) -> tuple[Levels, Levels]:
        """The levels that were told, best first."""
        return list(self._bids.items()), list(self._asks.items())

    def advance(self, time_us: int) -> tuple[Levels, Levels, int] | None:
        """Return the bids and asks that have changed, and the sequence id before theirs; None where none has."""
        if self._book.update_id == self.sequence:
            return None
        before_bids, self._bids = self._bids, dict(self._book.bids.top(self.depth))
        before_asks, self._asks = self._asks, dict(self._book.asks.top(self.depth))
        bids, asks = changed(before_bids, self._bids), changed(before_asks, self._asks)
        if not bids and not asks:
            return None
        previous, self.sequence, self.told_at = self.sequence, self._book.update_id, time_us
        return bids, asks, previous


def changed(before: dict[int, int], now: dict[int, int]) -> Levels:
    """Return what makes the levels of now of those before."""
    told = [(price, size) for price, size in now.items() if before.get(price) != size]
    return told + [(price, 0) for price in before if price not in now]
