"""One side of an order book: sizes by price, and the prices in order. Counts of 10⁻¹⁸ throughout (schemas.decimals)."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

FEW = 64
"""Changes that are put one by one: each moves the prices behind it, and so many of them cost as much as to go through all prices once."""
NEAR = 128
"""Levels that a DeepSide keeps in order: a book's best price takes hundreds of changes to pass so many."""
ROOM = 4_096
"""Levels taken away that a DeepSide may hold, beside as many as it has; and changes that wait to be put in order."""


class Side:
    """Bids or asks, in order after each change. `best` first for bids is the highest price, for asks the lowest."""

    __slots__ = ("highest_first", "prices", "sizes")

    def __init__(self, *, highest_first: bool, levels: Iterable[tuple[int, int]] = ()) -> None:
        self.highest_first = highest_first
        self.sizes: dict[int, int] = {price: size for price, size in levels if size}
        self.prices: list[int] = sorted(self.sizes)

    def __len__(self) -> int:
        return len(self.prices)

    @property
    def room(self) -> int:
        """How many levels there are at most."""
        return len(self.prices)

    def levels(self) -> Iterable[tuple[int, int]]:
        """Return all levels as (price, size), in no order."""
        return self.sizes.items()

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
        gone = slice(beyond) if self.highest_first else slice(depth, None)
        for price in self.prices[gone]:
            del self.sizes[price]
        del self.prices[gone]

    def best(self, count: int) -> list[tuple[int, int]]:
        """Return up to `count` levels as (price, size), best first."""
        prices = self.prices[: -count - 1 : -1] if self.highest_first else self.prices[:count]
        return [(price, self.sizes[price]) for price in prices]


class DeepSide:
    """A side that many deltas change between two looks at its best levels: these alone are put in order, and only when asked for.

    `_near` holds, best first, all prices that are not beyond `_edge`, but for the new ones among `_touched`; levels that are gone may be
    among them. Without an edge they are all there are. A level that was taken away stays with size 0 until the side is swept.
    """

    __slots__ = ("_edge", "_highest_first", "_known", "_near", "_sizes", "_sweep_at", "_touched", "_wanted")

    def __init__(self, side: Side) -> None:
        """Begin with the levels of a side, which must not be used any more."""
        self._highest_first = side.highest_first
        self._sizes = side.sizes
        self._sweep_at = 2 * len(side) + ROOM
        self._wanted = NEAR
        self._keep(side.prices[::-1] if side.highest_first else side.prices, None)

    def __len__(self) -> int:
        self._sweep()
        return len(self._sizes)

    @property
    def room(self) -> int:
        """How many levels there are at most."""
        return len(self._sizes)

    def levels(self) -> Iterable[tuple[int, int]]:
        """Return all levels as (price, size), in no order."""
        return ((price, size) for price, size in self._sizes.items() if size)

    def put_all(self, levels: Sequence[tuple[int, int]]) -> None:
        """Do what `Side.put` would with each level in turn."""
        self.change([price for price, _ in levels], [size for _, size in levels])

    def change(self, prices: Sequence[int], sizes: Sequence[int]) -> None:
        """Set the size at each price in turn, as `Side.put` would."""
        self._sizes.update(zip(prices, sizes, strict=True))
        edge = self._edge
        if edge is None:
            self._touched.update(prices)
        elif self._highest_first:
            self._touched.update([price for price in prices if price >= edge])
        else:
            self._touched.update([price for price in prices if price <= edge])
        if len(self._sizes) > self._sweep_at:
            self._sweep()
        if len(self._touched) > ROOM:
            self._settle()

    def truncate(self, depth: int) -> None:
        """Forget the levels beyond a depth."""
        levels = Side(highest_first=self._highest_first, levels=self.levels())
        levels.truncate(depth)
        self.__init__(levels)  # type: ignore[misc]

    def best(self, count: int) -> list[tuple[int, int]]:
        """Return up to `count` levels as (price, size), best first."""
        self._settle()
        size_of, near = self._sizes.get, self._near
        for some in (near[: 3 * count], near):
            found = [(price, size) for price in some if (size := size_of(price))]
            if len(found) >= count:
                return found[:count]
        if self._edge is None:
            return found
        self._sweep()
        self._wanted = max(self._wanted, 4 * count)
        self._keep(sorted(self._sizes, reverse=self._highest_first), None)
        return self.best(count)

    def _settle(self) -> None:
        new = self._touched - self._known
        self._touched.clear()
        if new:
            self._known |= new
            self._near += new
            self._near.sort(reverse=self._highest_first)
            if len(self._near) > 8 * self._wanted:
                self._keep([price for price in self._near if self._sizes.get(price)], self._edge)

    def _keep(self, prices: list[int], edge: int | None) -> None:
        """Begin anew with the best of some prices: all that there are up to an edge, in order."""
        self._near = prices[: self._wanted]
        self._edge = self._near[-1] if len(prices) > self._wanted else edge
        self._known = set(self._near)
        self._touched: set[int] = set()

    def _sweep(self) -> None:
        self._sizes = {price: size for price, size in self._sizes.items() if size}
        self._sweep_at = 2 * len(self._sizes) + ROOM
