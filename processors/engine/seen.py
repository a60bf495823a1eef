"""What a symbol's stream has shown already: ranges of sequences, or the last ids where a venue does not count.

A venue may begin its numbers again. Then a number below the highest comes with a time that no event has had yet, while
a duplicate, a late event or a repair has a time that has passed. From there on a new epoch counts, and the one before is
kept for late events of its time.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

AGAIN = 1_000
"""A number seen before is a new event where its time is later than all by more than this (µs): REST rounds to milliseconds."""
FAR = 1_000
"""A number not seen before is of a new epoch where it is lower than all by more than this, and later than all as above."""
MAX_RANGES = 2_048
MAX_IDS = 4_096


class Verdict(IntEnum):
    """What an event is to the stream: new, seen before, or so old that nobody can tell."""

    NEW = 0
    DUPLICATE = 1
    FORGOTTEN = 2


class Ranges:
    """A set of integers as ascending, disjoint ranges that do not touch."""

    __slots__ = ("firsts", "floor", "lasts")

    def __init__(self, firsts: Sequence[int] = (), lasts: Sequence[int] = (), floor: int | None = None) -> None:
        self.firsts = list(firsts)
        self.lasts = list(lasts)
        self.floor = floor
        """Below it nothing is known: the ranges there were forgotten, to bound the memory."""

    @property
    def highest(self) -> int | None:
        """The greatest member."""
        return self.lasts[-1] if self.lasts else None

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number) - 1
        return at >= 0 and number <= self.lasts[at]

    def add(self, first: int, last: int) -> None:
        """Add all numbers from `first` to `last`, inclusive."""
        firsts, lasts = self.firsts, self.lasts
        if lasts and first == lasts[-1] + 1:  # in order: nearly always
            lasts[-1] = last
            return
        begin = bisect_left(lasts, first - 1)
        end = bisect_right(firsts, last + 1)
        if begin < end:
            first, last = min(first, firsts[begin]), max(last, lasts[end - 1])
        firsts[begin:end] = [first]
        lasts[begin:end] = [last]
        if len(firsts) > MAX_RANGES:
            self.floor = lasts[0] + 1
            del firsts[0], lasts[0]

    def holes(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges between `first` and `last`, inclusive, that are not in the set."""
        at = bisect_left(self.lasts, first)
        while first <= last:
            if at == len(self.firsts) or self.firsts[at] > last:
                yield first, last
                return
            if self.firsts[at] > first:
                yield first, self.firsts[at] - 1
            first = self.lasts[at] + 1
            at += 1

    def dump(self) -> list[Any]:
        """Return the ranges as plain lists."""
        return [self.firsts, self.lasts, self.floor]


class Seen:
    """What one symbol's stream has shown. Numbers where the venue counts, ids where it does not; both are bounded."""

    __slots__ = ("epoch", "high_time", "ids", "past", "past_until", "ranges")

    def __init__(self) -> None:
        self.ranges = Ranges()
        self.past = Ranges()
        self.past_until = -1
        """Times up to this one belong to the epoch before."""
        self.epoch = 0
        self.high_time = -1
        self.ids: dict[str, None] = {}

    def take(self, sequence: int | None, text: str, time: int, *, timed: bool) -> tuple[Verdict, int]:
        """Say whether an event is new, remember it, and return the epoch it belongs to.

        `time` is in microseconds; `timed` says that the venue gave it (an event's arrival proves nothing about its age).
        """
        if sequence is None:
            return self._take_text(text, time)
        ranges, epoch = self.ranges, self.epoch
        highest = ranges.highest
        if highest is None or sequence > highest:
            ranges.add(sequence, sequence)
            self.high_time = max(time, self.high_time)
            return Verdict.NEW, epoch
        if epoch and timed and time <= self.past_until:
            ranges, epoch = self.past, epoch - 1
        elif timed and time > self.high_time + AGAIN and (sequence in ranges or sequence < ranges.firsts[0] - FAR):
            self.begin()
            ranges, epoch = self.ranges, self.epoch
        if ranges.floor is not None and sequence < ranges.floor:
            return Verdict.FORGOTTEN, epoch
        if sequence in ranges:
            return Verdict.DUPLICATE, epoch
        ranges.add(sequence, sequence)
        self.high_time = max(time, self.high_time)
        return Verdict.NEW, epoch

    def extend(self, first: int, last: int, high_time: int) -> None:
        """Remember all numbers of a stretch that begins above the highest."""
        self.ranges.add(first, last)
        self.high_time = max(high_time, self.high_time)

    def begin(self) -> None:
        """Begin a new epoch: what comes now is counted from its own first number."""
        self.past, self.past_until = self.ranges, self.high_time
        self.ranges = Ranges()
        self.epoch += 1

    def _take_text(self, text: str, time: int) -> tuple[Verdict, int]:
        if text in self.ids:
            return Verdict.DUPLICATE, self.epoch
        self.ids[text] = None
        if len(self.ids) > MAX_IDS:
            del self.ids[next(iter(self.ids))]
        self.high_time = max(time, self.high_time)
        return Verdict.NEW, self.epoch

    def dump(self) -> list[Any]:
        """Return the state as plain lists; `load` is its inverse."""
        return [self.ranges.dump(), self.past.dump(), self.past_until, self.epoch, self.high_time, list(self.ids)]

    @classmethod
    def load(cls, state: Sequence[Any]) -> "Seen":
        """Return what `dump` wrote."""
        seen = cls()
        seen.ranges, seen.past = Ranges(*state[0]), Ranges(*state[1])
        seen.past_until, seen.epoch, seen.high_time = state[2:5]
        seen.ids = dict.fromkeys(state[5])
        return seen
