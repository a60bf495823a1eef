"""What one partition was owed, has been given, and has acknowledged. Pure: offsets in, offsets out."""

from collections import deque
from enum import Enum, auto


class Receipt:
    """Stands for one delivered batch until it is acknowledged, by setting just that; holds none of its records."""

    __slots__ = ("acknowledged", "end")

    def __init__(self, end: int, *, acknowledged: bool = False) -> None:
        self.end = end
        self.acknowledged = acknowledged


class Standing(Enum):
    """How a fetched stretch of offsets stands to what is owed."""

    NEXT = auto()
    """It begins with the offset owed."""
    BEHIND = auto()
    """It begins before: what was delivered already is trimmed."""
    AHEAD = auto()
    """It was asked for further on: the position moved without us."""
    HOLED = auto()
    """Asked for where it was owed, and yet offsets are missing: the log itself has a hole there."""


class Ledger:
    """Deliveries of one partition since its position was last set; receipts may come back in any order.

    `owed` is the offset the agents must get next; `acknowledged` is the end of the unbroken row of acknowledged
    batches, which is what may be committed; `given` is the end of the newest batch handed over.
    """

    __slots__ = ("_out", "acknowledged", "epoch", "given", "owed")

    def __init__(self, start: int, epoch: int = 0) -> None:
        self.owed = start
        self.acknowledged = start
        self.given = start
        self.epoch = epoch
        self._out: deque[Receipt] = deque()

    def give(self, end: int) -> Receipt:
        """Note that everything from `owed` to `end` (exclusive) was handed over."""
        receipt = Receipt(end)
        self._out.append(receipt)
        self.owed = self.given = end
        return receipt

    def skip(self, end: int) -> None:
        """Note that `owed` to `end` (exclusive) holds no record: it counts as acknowledged."""
        if end > self.owed:
            self._out.append(Receipt(end, acknowledged=True))
            self.owed = end

    def settle(self) -> int:
        """Return `acknowledged`, moved over the receipts that have come back without one missing before them."""
        while self._out and self._out[0].acknowledged:
            self.acknowledged = self._out.popleft().end
        return self.acknowledged

    @property
    def out(self) -> int:
        """How many batches are handed over and not yet settled."""
        return len(self._out)


def standing(owed: int, position: int, offsets: range, end: int, count: int) -> Standing:
    """Compare a fetch with what is owed.

    `position` was asked for; `count` records came, with offsets within `offsets` (first to last + 1; empty at `end`
    when none came); the next fetch would begin at `end`.
    """
    if position > owed:
        return Standing.AHEAD
    # Both must be known holes, or the log does not hold what its offsets promise.
    if offsets.start > position or len(offsets) != count or offsets.stop != end:
        return Standing.HOLED
    return Standing.BEHIND if position < owed else Standing.NEXT
