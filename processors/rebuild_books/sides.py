"""One side of an order book: sizes by price, and the prices in order. Counts of 10⁻¹⁸ throughout (schemas.decimals)."""

from bisect import bisect_left, insort
from collections.abc import Iterable


class Side:
    """Bids or asks. `best` first for bids is the highest price, for asks the lowest."""

    __slots__ = ("_highest_first", "prices", "sizes")

    def __init__(self, *, highest_first: bool, levels: Iterable[tuple[int, int]] = ()) -> None:
        self._highest_first = highest_first
        self.sizes: dict[int, int] = {price: size for price, size in levels if size}
        self.prices: list[int] = sorted(self.sizes)

    def put(self, price: int, size: int) -> None:
        """Set the size at a price; 0 removes the level, and removing an unknown level is normal."""
        sizes = self.sizes
        if size:
            if price not in sizes:
                insort(self.prices, price)
            sizes[price] = size
        elif sizes.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]

    def truncate(self, depth: int) -> None:
        """Forget the levels beyond a depth: the venue does not say when they go."""
        while len(self.prices) > depth:
            del self.sizes[self.prices.pop(0 if self._highest_first else -1)]

    def best(self, count: int) -> list[tuple[int, int]]:
        """Return up to `count` levels as (price, size), best first."""
        prices = self.prices[: -count - 1 : -1] if self._highest_first else self.prices[:count]
        return [(price, self.sizes[price]) for price in prices]
