"""A set of sequences as unbroken runs, and the times at their ends: what a stage knows of a counted stream, and where it has holes.

What is not known lies in holes: between two runs, below the first and above the last. Nothing tells when the missing events were,
except that a venue counts in the order of time: so between the events beside the hole. Where the event above a hole is earlier than
the one below it, the numbers are not of one count, or one is a stray: the hole proves nothing, and beyond it nothing is known.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from processors.engine.ids import ROUNDED

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


_OLDER = 3
"""Fields of a dump that did not say whether its numbers are in the order of time."""
_NONE, _ABOVE = Beside(0, below=False, above=False), Beside(0, below=False, above=True)


class Runs:
    """Integers as ascending, disjoint runs that do not touch, each with the times of its first and its last (microseconds)."""

    __slots__ = ("disordered", "first_times", "firsts", "floor", "last_times", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.first_times: list[int] = []
        self.last_times: list[int] = []
        self.floor: int | None = None
        """Below it nothing is known: the runs there were forgotten, to bound the memory."""

        self.disordered = False
        """Some number has come that is not in the order of time: any hole may be beside a span."""

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
        if first_time < beside:
            self.disordered = True
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
        if (at > 0 and time < beside[0]) or (at < len(firsts) and time > beside[-1]):
            self.disordered = True
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

    def beside(self, low: int, high: int, start: int, end: int, least: int | None = None) -> Beside | None:
        """Return the holes beside the events of the span from `start` to `end` (exclusive), of which `low` and `high` are two members.

        A hole is beside the span where one of the two events that bound it is in the span. None where that has been forgotten, or where
        the members are of both sides of a hole that proves nothing. `least`: below this number there is none.
        """
        firsts, lasts, first_times, last_times = self.firsts, self.lasts, self.first_times, self.last_times
        lower = upper = final = len(firsts) - 1
        if final < 0 or low < firsts[0]:
            return None
        if low < firsts[final]:
            lower, upper = bisect_right(firsts, low) - 1, bisect_right(firsts, high) - 1
        if lasts[lower] < low or lasts[upper] < high:
            return None
        above = start <= last_times[final] < end
        below = firsts[0] != least and start <= first_times[0] < end
        if self.disordered:
            places = range(1, final + 1)
        elif lower == final and not start <= first_times[final] < end:  # within the newest run: nearly always
            return _ABOVE if above else _NONE
        else:
            begin, last = lower, upper
            while begin > 0 and start <= last_times[begin - 1] < end:
                begin -= 1
            while last < final and start <= first_times[last + 1] < end:
                last += 1
            places = range(max(begin, 1), min(last + 1, final) + 1)
        missing = 0
        for at in places:
            ends, begins = start <= last_times[at - 1] < end, start <= first_times[at] < end
            if not (ends or begins):
                continue
            if first_times[at] >= last_times[at - 1] - ROUNDED:
                missing += firsts[at] - lasts[at - 1] - 1
            elif lower < at <= upper:
                return None
            else:
                below, above = below or begins, above or ends
        return Beside(missing, below, above)

    def below(self, number: int) -> int:
        """Return the place of the run that begins at or below a number; -1 where none does."""
        return bisect_right(self.firsts, number) - 1

    def turns(self, at: int) -> bool:
        """Say whether time goes back across the hole below the run at a place, which is not the lowest."""
        return self.first_times[at] < self.last_times[at - 1] - ROUNDED

    def dump(self) -> list[Any]:
        """Return the runs as plain lists of differences, which are small numbers; `load` is its inverse."""
        numbers = list(chain.from_iterable(zip(self.firsts, self.lasts, strict=True)))
        times = list(chain.from_iterable(zip(self.first_times, self.last_times, strict=True)))
        return [_differences(numbers), _differences(times), self.floor, self.disordered]

    @classmethod
    def load(cls, state: Sequence[Any]) -> "Runs":
        """Return what `dump` wrote."""
        runs = cls()
        numbers, times = _sums(state[0]), _sums(state[1])
        runs.firsts, runs.lasts = numbers[::2], numbers[1::2]
        runs.first_times, runs.last_times = times[::2], times[1::2]
        runs.floor = state[2]
        runs.disordered = state[3] if len(state) > _OLDER else times != sorted(times)
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
