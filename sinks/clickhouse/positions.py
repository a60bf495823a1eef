"""Which offset of each partition comes next, and what it means when another one does. No I/O.

None of our topics is compacted or written in transactions, so offsets follow each other without holes: one that is left out was deleted
by the broker before it was read, damaged on its disk, or passed over by a seek of ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import methodcaller
from typing import NamedTuple

from sinks.clickhouse.batch import Message, Place
from topology.losses import Cause

_topic, _partition, _offset = methodcaller("topic"), methodcaller("partition"), methodcaller("offset")


class Loss(NamedTuple):
    """Records that nobody can give back: offsets `first` to `end` (exclusive); after a reset `end` is `first`, for nobody knows it."""

    first: int
    end: int
    cause: Cause


class Verdict(NamedTuple):
    """Where to go on, and what is lost by it."""

    begin: int
    loss: Loss | None


def judge(owed: int | None, low: int, high: int, *, anew: bool = False) -> Verdict:
    """Return where to begin a partition whose broker has no record at the offset `owed`; None: it was never read.

    `low` and `high` are its first offset and the one after its last; `anew`: it is another topic of the same name.
    """
    if owed is None:
        return Verdict(low, None)
    if anew or owed > high:
        return Verdict(low, Loss(owed, owed, "topic_reset"))
    if owed < low:
        return Verdict(low, Loss(owed, low, "retention"))
    return Verdict(owed, None)


def runs(messages: Sequence[Message]) -> Iterator[tuple[Place, Sequence[Message]]]:
    """Yield messages that follow each other in one partition, offset by offset."""
    offsets = list(map(_offset, messages))
    end = 0
    for place, group in groupby(zip(map(_topic, messages), map(_partition, messages), strict=True)):
        start, end = end, end + sum(1 for _ in group)
        if offsets[start:end] == list(range(offsets[start], offsets[start] + end - start)):
            yield place, messages[start:end]
            continue
        for number in range(start + 1, end):
            if offsets[number] != offsets[number - 1] + 1:
                yield place, messages[start:number]
                start = number
        yield place, messages[start:end]


@dataclass(slots=True)
class Positions:
    """The next offset of each partition that is read now, and of those that were read before."""

    _next: dict[Place, int] = field(default_factory=dict)
    _before: dict[Place, int] = field(default_factory=dict)

    def take(self, place: Place, run: Sequence[Message]) -> tuple[Sequence[Message], int | None]:
        """Return what of a run was not read before, and the offset owed where the run leaves some out (then nothing is taken)."""
        owed = self._next.get(place)
        first = run[0].offset()
        if owed is not None and first > owed:
            return (), owed
        if owed is not None and first < owed:
            run = [message for message in run if message.offset() >= owed]
        if run:
            self._next[place] = run[-1].offset() + 1
        return run, None

    def begin(self, place: Place, offset: int) -> None:
        """Go on from an offset."""
        self._next[place] = offset

    def expect(self, place: Place, offset: int) -> None:
        """Note where the group goes on with a partition, unless something of it was read since it was given to us."""
        self._next.setdefault(place, offset)

    def owed(self, place: Place) -> int | None:
        """Return the next offset of a partition: where we are, or where we came to when it was ours before; None: nowhere."""
        return self._next.get(place, self._before.get(place))

    def leave(self, places: Iterable[Place]) -> None:
        """Give partitions up: others read them now. Where they came to is remembered, for when nobody else does."""
        for place in places:
            if place in self._next:
                self._before[place] = self._next.pop(place)
