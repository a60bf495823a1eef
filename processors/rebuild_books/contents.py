"""What is in a book: its two sides, changed and checked by what a venue sends. Counts of 10⁻¹⁸ throughout (schemas.decimals)."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from dialects.kraken.checksum import checksum
from processors.rebuild_books.sides import DeepSide, Side
from schemas.decimals import SCALE, from_bytes, to_bytes
from schemas.events import BookDelta

TRIES = 3
"""Messages with whose checksum the scales are looked for that nobody has said: a search takes milliseconds."""
LEAST_TO_FIND = 4
"""Levels of a book whose checksum can tell its scales: of fewer, two pairs of scales might write one text."""
CHECKED = 10
"""Levels of each side that a checksum covers (https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2.md)."""
MOST_LEVELS = 250_000
"""Levels of both sides together: real full books have some 100,000 a side at most. One takes up to 37 bytes of a checkpoint's entry, so
these and what waits (pending.MOST_WEIGHT) take 15 MB at most: less than Kafka takes as one message (`kafka.message_max_bytes`)."""
Levels = list[tuple[bytes, bytes]]
Changes = tuple[Sequence[int], Sequence[int]]
"""Prices, and the size at each."""


class Contents:
    """The levels of one book."""

    __slots__ = ("_found", "_tries", "asks", "bids")

    def __init__(self, bids: Sequence[tuple[int, int]] = (), asks: Sequence[tuple[int, int]] = ()) -> None:
        self.bids: Side | DeepSide = Side(highest_first=True, levels=bids)
        self.asks: Side | DeepSide = Side(highest_first=False, levels=asks)
        self._found: tuple[int, int] | None = None
        self._tries = TRIES

    @classmethod
    def of(cls, delta: BookDelta) -> "Contents":
        """Return the levels of a snapshot."""
        return cls(_levels(delta["bid_prices"], delta["bid_sizes"]), _levels(delta["ask_prices"], delta["ask_sizes"]))

    def change(self, delta: BookDelta, depth: int = 0) -> None:
        """Apply all changes of a message, then cut the sides to `depth`, where the venue does not say which levels fall out of it."""
        if delta["bid_prices"]:
            self.bids.put_all(_levels(delta["bid_prices"], delta["bid_sizes"]))
        if delta["ask_prices"]:
            self.asks.put_all(_levels(delta["ask_prices"], delta["ask_sizes"]))
        if depth:
            self.bids.truncate(depth)
            self.asks.truncate(depth)

    def change_many(self, bids: Changes, asks: Changes) -> None:
        """Apply the changes of many messages in turn, as `change` would apply each; from then on only the best levels are kept in order."""
        if isinstance(self.bids, Side):
            self.bids = DeepSide(self.bids)
        if isinstance(self.asks, Side):
            self.asks = DeepSide(self.asks)
        self.bids.change(*bids)
        self.asks.change(*asks)

    def is_right(self, delta: BookDelta) -> bool | None:
        """Whether the levels are those of a message's checksum; None where it has none, or no scales from 0 to 18 that it is made with.

        Where nobody has said the scales, those with which it fits prove themselves and the levels, and none that fit prove nothing.
        """
        expected, price_scale, size_scale = delta["checksum"], delta["price_scale"], delta["size_scale"]
        if expected is None:
            return None
        bids, asks = self.bids.best(CHECKED), self.asks.best(CHECKED)
        if price_scale is None or size_scale is None:
            return self._fits_some(bids, asks, expected)
        if not (0 <= price_scale <= SCALE and 0 <= size_scale <= SCALE):
            return None
        return checksum(bids, asks, price_scale, size_scale) == expected

    def _fits_some(self, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], expected: int) -> bool | None:
        if self._found is not None:
            return checksum(bids, asks, *self._found) == expected
        levels = [*bids, *asks]
        if not self._tries or len(levels) < LEAST_TO_FIND:
            return None
        self._tries -= 1
        least = [_decimals([level[place] for level in levels]) for place in (0, 1)]
        for scales in product(range(least[0], SCALE + 1), range(least[1], SCALE + 1)):
            if checksum(bids, asks, *scales) == expected:
                self._found = scales
                return True
        return None

    def __len__(self) -> int:
        return len(self.bids) + len(self.asks)

    @property
    def room(self) -> int:
        """How many levels there are at most: known at once."""
        return self.bids.room + self.asks.room

    def dump(self) -> tuple[Levels, Levels]:
        """Return the levels as bytes."""
        return _bytes(self.bids), _bytes(self.asks)

    @classmethod
    def load(cls, bids: Levels, asks: Levels) -> "Contents":
        """Return what `dump` gave."""
        return cls(_numbers(bids), _numbers(asks))


def _decimals(counts: Sequence[int]) -> int:
    """Return the fewest decimals with which all of these can be written."""
    return next(scale for scale in range(SCALE + 1) if not any(count % 10 ** (SCALE - scale) for count in counts))


def _count(number: Any) -> int:
    return int.from_bytes(number, "big", signed=True)


def _levels(prices: list[Any], sizes: list[Any]) -> list[tuple[int, int]]:
    return [(_count(price), _count(size)) for price, size in zip(prices, sizes, strict=True)]


def _bytes(side: Side | DeepSide) -> Levels:
    return [(to_bytes(price), to_bytes(size)) for price, size in side.levels()]


def _numbers(levels: Levels) -> list[tuple[int, int]]:
    return [(from_bytes(price), from_bytes(size)) for price, size in levels]
