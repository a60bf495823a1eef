"""A limit order book in whole ticks and lots."""

from __future__ import annotations

from bisect import bisect_left, insort


class Side:
    """One side of a book: sizes by price, and the prices in order with the best one last.

    A key is the price of a bid and the negated price of an ask, so that on both sides a greater key is a better price.
    """

    __slots__ = ("keys", "sign", "sizes")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.sizes: dict[int, int] = {}

    def put(self, price: int, size: int) -> int:
        """Set the size at a price, 0 removes the level; returns the size it had before."""
        before = self.sizes.get(price, 0)
        if size == 0:
            if before:
                del self.sizes[price]
                key = price * self.sign
                del self.keys[bisect_left(self.keys, key)]
        else:
            if not before:
                insort(self.keys, price * self.sign)
            self.sizes[price] = size
        return before

    def best(self) -> int:
        """Return the best price in ticks."""
        return self.keys[-1] * self.sign

    def top(self, depth: int) -> list[tuple[int, int]]:
        """Return the best `depth` levels, best first: (price, size)."""
        sizes = self.sizes
        if self.sign > 0:
            return [(key, sizes[key]) for key in self.keys[: -depth - 1 : -1]]
        return [(-key, sizes[-key]) for key in self.keys[: -depth - 1 : -1]]

    def copy(self) -> Side:
        """Return an independent copy."""
        other = Side(self.sign)
        other.keys = self.keys.copy()
        other.sizes = self.sizes.copy()
        return other


class Book:
    """Bids and asks, and the id of the last change."""

    __slots__ = ("asks", "bids", "update_id")

    def __init__(self, update_id: int) -> None:
        self.bids = Side(1)
        self.asks = Side(-1)
        self.update_id = update_id

    def side(self, bid: bool) -> Side:
        """Return the bids or the asks."""
        return self.bids if bid else self.asks

    def quote(self) -> tuple[int, int, int, int]:
        """Best bid price, its size, best ask price, its size."""
        bid, ask = self.bids.best(), self.asks.best()
        return bid, self.bids.sizes[bid], ask, self.asks.sizes[ask]

    def copy(self) -> Book:
        """Return an independent copy."""
        other = Book(self.update_id)
        other.bids = self.bids.copy()
        other.asks = self.asks.copy()
        return other
