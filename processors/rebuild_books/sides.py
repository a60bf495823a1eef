"""One side of an order book: sizes by price, and the prices in order. Counts of 10⁻¹⁸ throughout (schemas.decimals)."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

FEW = 64
"""Changes that are put one by one: each moves the prices behind it, and so many of them cost as much as to go through all prices once."""


class Side:
    """Bids or asks. `best` first for bids is the highest price, for asks the lowest."""

    __slots__ = ("_highest_first", "prices", "sizes")

    def __init__(self, *, highest_first: bool, levels: Iterable[tuple[int, int]] = ()) -> None:
        self._highest_first = highest_first
        self.sizes: dict[int, int] = {price: size for price, size in levels if size}
        self.prices: list[int] = sorted(self.sizes)

    def __len__(self) -> int:
        return len(self.prices)

    def put(self, price: int, size: int) -> None:
        """Set the size at a price; 0 removes the level, and removing an unknown level is normal."""
        sizes = self.sizes
        if size:
            if price not in sizes:
                insort(self.prices, price)
            sizes[price] = size
        elif sizes.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]

    def put_all(self, levels: Sequence[tuple[int, int]]) -> None:
        """Do what `put` would with each level in turn, in no more time than it takes to sort them and to go through the side once."""
        if len(levels) <= FEW:
            for price, size in levels:
                self.put(price, size)
            return
        sizes = self.sizes
        new = {price for price, size in levels if size and price not in sizes}
        for price, size in levels:
            if size:
                sizes[price] = size
            else:
                sizes.pop(price, None)
        prices = [price for price in self.prices if price in sizes]
        prices += sorted(price for price in new if price in sizes)
        prices.sort()  # two runs that are in order: merged in one go
        self.prices = prices

    def truncate(self, depth: int) -> None:
        """Forget the levels beyond a depth: the venue does not say when they go."""
        beyond = len(self.prices) - depth
        if beyond <= 0:
            return
        gone = slice(beyond) if self._highest_first else slice(depth, None)
        for price in self.prices[gone]:
            del self.sizes[price]
        del self.prices[gone]

    def best(self, count: int) -> list[tuple[int, int]]:
        """Return up to `count` levels as (price, size), best first."""
        prices = self.prices[: -count - 1 : -1] if self._highest_first else self.prices[:count]
        return [(price, self.sizes[price]) for price in prices]
