"""A set of sequences as unbroken runs, and the times at their ends: what a stage knows of a counted stream, and where it has holes.

What is not known lies in holes: between two runs, below the first and above the last. Nothing tells when the missing events were,
except that a venue counts in the order of time: so between the events beside the hole.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

MAX_RUNS = 1_024
"""Of one stream. Above it the lowest run is forgotten, and what is below it is neither new nor a duplicate."""


class Beside(NamedTuple):
    """The holes beside the events of a span of time."""

    missing: int
    """Sequences in holes between two runs. A hole at the edge of two spans is counted in both: nothing tells to which it belongs."""
    below: bool
    """Nothing is known below the first of the events."""
    above: bool
    """Nothing is known above the last of the events."""


_NONE, _ABOVE = Beside(0, below=False, above=False), Beside(0, below=False, above=True)


class Runs:
    """Integers as ascending, disjoint runs that do not touch, each with the times of its first and its last (microseconds)."""

    __slots__ = ("first_times", "firsts", "floor", "last_times", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.first_times: list[int] = []
        self.last_times: list[int] = []
        self.floor: int | None = None
        """Below it nothing is known: the runs there were forgotten, to bound the memory."""

    @property
    def highest(self) -> int | None:
        """The greatest member."""
        return self.lasts[-1] if self.lasts else None

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number) - 1
        return at >= 0 and number <= self.lasts[at]

    def extend(self, first: int, last: int, first_time: int, last_time: int) -> tuple[int, ...]:
        """Add all numbers from `first` to `last`, inclusive, which are above the highest; return as `add` does."""
        if not self.lasts:
            self._insert(0, first, last, first_time, last_time)
            return ()
        beside = self.last_times[-1]
        if first == self.lasts[-1] + 1:  # in order: nearly always
            self.lasts[-1], self.last_times[-1] = last, last_time
            return (beside,)
        self._insert(len(self.firsts), first, last, first_time, last_time)
        return (beside, *self._forget())

    def add(self, number: int, time: int) -> tuple[int, ...]:
        """Add a number that is not in the set; return the times of the events beside the holes that this changes, its own left out."""
        firsts, lasts = self.firsts, self.lasts
        at = bisect_right(firsts, number)
        beside = (*self.last_times[max(at - 1, 0) : at], *self.first_times[at : at + 1])
        after, before = at > 0 and lasts[at - 1] == number - 1, at < len(firsts) and firsts[at] == number + 1
        if after and before:
            lasts[at - 1], self.last_times[at - 1] = lasts[at], self.last_times[at]
            del firsts[at], lasts[at], self.first_times[at], self.last_times[at]
        elif after:
            lasts[at - 1], self.last_times[at - 1] = number, time
        elif before:
            firsts[at], self.first_times[at] = number, time
        else:
            self._insert(at, number, number, time, time)
            return (*beside, *self._forget())
        return beside

    def beside(self, low: int, high: int, start: int, end: int) -> Beside | None:
        """Return the holes beside the events of the span from `start` to `end` (exclusive), of which `low` and `high` are two members.

        A hole is beside the span where one of the two events that bound it is in the span. None where that has been forgotten.
        """
        firsts, lasts, first_times, last_times = self.firsts, self.lasts, self.first_times, self.last_times
        lower = upper = final = len(firsts) - 1
        if final < 0 or low < firsts[0]:
            return None
        if low < firsts[final]:
            lower, upper = bisect_right(firsts, low) - 1, bisect_right(firsts, high) - 1
        if lasts[lower] < low or lasts[upper] < high:
            return None
        while lower > 0 and start <= last_times[lower - 1] < end:
            lower -= 1
        while upper < final and start <= first_times[upper + 1] < end:
            upper += 1
        above = upper == final and start <= last_times[final] < end
        if lower == upper == final and not start <= first_times[final] < end:  # within the newest run: nearly always
            return _ABOVE if above else _NONE
        missing = 0
        for at in range(max(lower, 1), min(upper + 1, final) + 1):
            if start <= last_times[at - 1] < end or start <= first_times[at] < end:
                missing += firsts[at] - lasts[at - 1] - 1
        return Beside(missing, lower == 0 and start <= first_times[0] < end, above)

    def dump(self) -> list[Any]:
        """Return the runs as plain lists of differences, which are small numbers; `load` is its inverse."""
        numbers = list(chain.from_iterable(zip(self.firsts, self.lasts, strict=True)))
        times = list(chain.from_iterable(zip(self.first_times, self.last_times, strict=True)))
        return [_differences(numbers), _differences(times), self.floor]

    @classmethod
    def load(cls, state: Sequence[Any]) -> "Runs":
        """Return what `dump` wrote."""
        runs = cls()
        numbers, times = _sums(state[0]), _sums(state[1])
        runs.firsts, runs.lasts = numbers[::2], numbers[1::2]
        runs.first_times, runs.last_times = times[::2], times[1::2]
        runs.floor = state[2]
        return runs

    def _insert(self, at: int, first: int, last: int, first_time: int, last_time: int) -> None:
        self.firsts.insert(at, first)
        self.lasts.insert(at, last)
        self.first_times.insert(at, first_time)
        self.last_times.insert(at, last_time)

    def _forget(self) -> tuple[int, ...]:
        if len(self.firsts) <= MAX_RUNS:
            return ()
        self.floor = self.lasts[0] + 1
        beside = (self.last_times[0], self.first_times[1])
        del self.firsts[0], self.lasts[0], self.first_times[0], self.last_times[0]
        return beside


def _differences(numbers: list[int]) -> list[int]:
    return [*numbers[:1], *(after - before for before, after in pairwise(numbers))]


def _sums(differences: Sequence[int]) -> list[int]:
    total, numbers = 0, []
    for one in differences:
        total += one
        numbers.append(total)
    return numbers
