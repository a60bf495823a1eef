"""The best levels of one book as the subscribers of one depth know them, and what each step must tell them.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook. A level that leaves the depth is deleted by a message too
(seen in an archived book of 500 levels), so that a client which applies all of them holds exactly the depth.
"""

from __future__ import annotations

from simulator.book import Book

Levels = list[tuple[int, int]]
"""(price, size), 0 deletes."""


class Window:
    """The best `depth` levels of a book, and the id of the last update of this depth's topic: by one for each message."""

    __slots__ = ("_asks", "_bids", "_book", "depth", "update_id")

    def __init__(self, book: Book, depth: int) -> None:
        self._book = book
        self.depth = depth
        self.update_id = book.update_id
        self._bids, self._asks = self.bids(), self.asks()

    def bids(self) -> dict[int, int]:
        """Return the sizes of the best bids by price."""
        return dict(self._book.bids.top(self.depth))

    def asks(self) -> dict[int, int]:
        """Return the sizes of the best asks by price."""
        return dict(self._book.asks.top(self.depth))

    def advance(self) -> tuple[Levels, Levels]:
        """Return the bids and asks to announce now that the book has changed; where there are any, the update id is theirs."""
        before_bids, self._bids = self._bids, self.bids()
        before_asks, self._asks = self._asks, self.asks()
        told = changed(before_bids, self._bids), changed(before_asks, self._asks)
        if told[0] or told[1]:
            self.update_id += 1
        return told


def changed(before: dict[int, int], now: dict[int, int]) -> Levels:
    """Return what makes the levels of now of those before."""
    told = [(price, size) for price, size in now.items() if before.get(price) != size]
    return told + [(price, 0) for price in before if price not in now]
