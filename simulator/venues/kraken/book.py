"""The window of a Kraken book which subscribers of one depth hold, and what each step must tell them about it."""

from __future__ import annotations

from bisect import bisect_left

from simulator.book import Book, Side
from simulator.market import Change
from simulator.venues.kraken.frames import CHECKSUM_LEVELS, checksum


def edge(side: Side, depth: int) -> int | None:
    """Return the key of the worst level inside the depth; None while the side is shorter, when everything is inside."""
    return side.keys[-depth] if len(side.keys) >= depth else None


def inside(key: int, worst: int | None) -> bool:
    """Whether a key is at the worst level inside, or better."""
    return worst is None or key >= worst


class DepthWindow:
    """The best `depth` levels of one book, as its subscribers know them.

    Levels that enter the window are announced, also those that move up when a better one goes; levels pushed out of it
    are not announced: the client is to cut its book to the depth it asked for.
    """

    __slots__ = ("_book", "_worst", "depth")

    def __init__(self, book: Book, depth: int) -> None:
        self._book = book
        self.depth = depth
        self._worst = (edge(book.asks, depth), edge(book.bids, depth))

    def advance(self, changes: list[Change]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the bids and asks to announce after `changes` have been applied to the book: (price, size), 0 removes."""
        book = self._book
        worst_asks, worst_bids = self._worst
        self._worst = (edge(book.asks, self.depth), edge(book.bids, self.depth))
        bids = announce(book.bids, worst_bids, self._worst[1], [each.price for each in changes if each.bid])
        asks = announce(book.asks, worst_asks, self._worst[0], [each.price for each in changes if not each.bid])
        return bids, asks


def announce(side: Side, before: int | None, now: int | None, touched: list[int]) -> list[tuple[int, int]]:
    """Return what one side's subscribers must be told; `before` and `now` are the keys of the worst level inside."""
    told: dict[int, int] = {}
    for price in touched:
        size = side.sizes.get(price, 0)
        key = price * side.sign
        if inside(key, now if size else before):
            told[price] = size
    if before is not None and (now is None or now < before):
        start = 0 if now is None else bisect_left(side.keys, now)
        for key in side.keys[start : bisect_left(side.keys, before)]:
            price = key * side.sign
            told.setdefault(price, side.sizes[price])
    return list(told.items())


class ChecksumCache:
    """The checksum of a book, computed once for each update id."""

    __slots__ = ("_book", "_update_id", "_value")

    def __init__(self, book: Book) -> None:
        self._book = book
        self._update_id = -1
        self._value = 0

    def value(self) -> int:
        """Return the checksum now."""
        book = self._book
        if self._update_id != book.update_id:
            self._value = checksum(book.asks.top(CHECKSUM_LEVELS), book.bids.top(CHECKSUM_LEVELS))
            self._update_id = book.update_id
        return self._value
