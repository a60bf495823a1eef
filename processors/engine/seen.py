"""What a symbol's stream has shown already: runs of sequences, or ids where a venue does not count.

A venue may begin its numbers again. Then a number below the highest comes with a time that no event has had yet, while
a duplicate, a late event or a repair has a time that has passed. From there on a new epoch counts, and the one before is
kept for late events of its time.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from processors.engine.ids import ROUNDED, SLOT, Ids
from processors.engine.runs import Runs

AGAIN = 1_000
"""A number seen before is a new event where its time is later than all by more than this (µs): REST rounds to milliseconds."""
FAR = 1_000
"""A number not seen before is of a new epoch where it is lower than all by more than this, and later than all as above."""
SECOND = 1_000_000


class Verdict(IntEnum):
    """What an event is to the stream: new, seen before, or so old that nobody can tell."""

    NEW = 0
    DUPLICATE = 1
    FORGOTTEN = 2


class Touch(NamedTuple):
    """An event beside a hole that another event has changed: what is said of the spans around its time may be so no more."""

    time: int
    by: int | None
    """The time of the event that changed it; spans that hold both know already. None where no span holds that one."""
    offset: int
    """Of the event that changed it."""
    mark: int


class Seen:
    """What one symbol's stream has shown. Sequences in runs, the lowest forgotten beyond a number; ids for `keep` of event time."""

    __slots__ = ("changed", "epoch", "high_time", "ids", "keep", "past", "past_until", "runs", "touched")

    def __init__(self, keep: int) -> None:
        self.keep = keep
        """How long ids that are no numbers are remembered, in microseconds of event time behind the watermark."""
        self.runs = Runs()
        self.past = Runs()
        self.past_until = -1
        """Times up to this one belong to the epoch before."""
        self.epoch = 0
        self.high_time = -1
        self.ids = Ids()
        self.touched: list[Touch] = []
        """What has been touched since this was last emptied, which is for whoever reads it to do."""
        self.changed = False
        """Something is new that `dump` tells; for whoever writes it to clear."""

    def take(
        self, sequence: int | None, text: str, time: int, clock: int, *, timed: bool, offset: int, mark: int, spans: bool = True
    ) -> tuple[Verdict, int]:  # fmt: skip
        """Say whether an event is new, remember it, and return the epoch it belongs to. All times in microseconds.

        `time`: when it was; `clock`: the same where its arrival supports it, else its arrival: nobody's wrong clock moves ours; `timed`:
        the venue gave the time, and it is supported (an event's arrival proves nothing about its age); `mark`: the venue's watermark
        with this event; `spans`: it belongs to the spans of its time.
        """
        if sequence is None:
            return self._take_text(text, time, clock, timed, mark), self.epoch
        runs, epoch = self.runs, self.epoch
        highest = runs.highest
        if highest is None or sequence > highest:
            beside = runs.extend(sequence, sequence, time, time)
        else:
            if epoch and timed and time <= self.past_until:
                runs, epoch = self.past, epoch - 1
            elif timed and time > self.high_time + AGAIN and (sequence in runs or sequence < runs.firsts[0] - FAR):
                self.begin()
                runs, epoch = self.runs, self.epoch
            if runs.floor is not None and sequence < runs.floor:
                return Verdict.FORGOTTEN, epoch
            if sequence in runs:
                return Verdict.DUPLICATE, epoch
            beside = runs.add(sequence, time)
        self.changed = True
        self.high_time = max(self.high_time, clock)
        second = time // SECOND
        for other in beside:
            if other // SECOND != second or not spans:
                self.touched.append(Touch(other, time if spans else None, offset, mark))
        if not spans:
            self.touched.append(Touch(time, None, offset, mark))
        return Verdict.NEW, epoch

    def remember(self, sequence: int | None, text: str, time: int, clock: int, *, timed: bool, mark: int) -> None:
        """Remember the id of an event that was counted before a crash, where its slot was not written."""
        if sequence is None:
            self._take_text(text, time, clock, timed, mark)

    def extend(self, first: int, last: int, first_time: int, last_time: int, clock: int) -> tuple[int, ...]:
        """Remember all numbers of an unbroken stretch above the highest; return the times of the events that this touches."""
        self.high_time = max(clock, self.high_time)
        self.changed = True
        return self.runs.extend(first, last, first_time, last_time)

    def begin(self) -> None:
        """Begin a new epoch: what comes now is counted from its own first number."""
        self.past, self.past_until = self.runs, self.high_time
        self.runs = Runs()
        self.epoch += 1

    def of(self, epoch: int) -> Runs | None:
        """Return the runs of an epoch; None where they are not kept any more."""
        return self.runs if epoch == self.epoch else self.past if epoch == self.epoch - 1 else None

    def forget(self, mark: int) -> None:
        """Let go of the ids that no event at a watermark can ask for."""
        self.ids.forget(mark - self.keep)

    def _take_text(self, text: str, time: int, clock: int, timed: bool, mark: int) -> Verdict:
        if ((time - ROUNDED) // SLOT + 1) * SLOT + self.keep <= mark:
            return Verdict.FORGOTTEN
        if not self.ids.take(text, time, mark - self.keep, timed=timed):
            return Verdict.DUPLICATE
        self.high_time = max(clock, self.high_time)
        self.changed = True
        return Verdict.NEW

    def dump(self) -> list[Any]:
        """Return all but the ids as plain lists; `load` is its inverse."""
        return [self.runs.dump(), self.past.dump(), self.past_until, self.epoch, self.high_time]

    def load(self, state: Sequence[Any]) -> None:
        """Take what `dump` wrote."""
        self.runs, self.past = Runs.load(state[0]), Runs.load(state[1])
        self.past_until, self.epoch, self.high_time = state[2:]
