"""What a symbol's stream has shown already: runs of sequences, or ids where a venue does not count.

A venue may begin its numbers again. From there on a new epoch counts. Those before it are kept, and what has a time of theirs is looked
up there and nowhere else: a duplicate, a late event or a repair, whatever its number. What is older than all that are kept is forgotten.

A number below the highest that is later than all begins a new epoch where it was seen before; else where it goes on from one that was
so too, far below the highest. A single one may be a stray: it is remembered among the others, and what lies across it proves nothing
(processors.engine.runs). So it is with a stray far above, and the count goes on from before it in a new epoch.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from processors.engine.ids import ROUNDED, SLOT, Ids
from processors.engine.runs import Runs

AGAIN = 1_000
"""A number seen before is a new event where its time is later than all by more than this (µs): REST rounds to milliseconds."""
FAR = 1_000
"""A number not seen before may be of a new epoch where it is lower than the highest by more than this, and later than all as above."""
KEPT = 32
"""Epochs that are kept besides the one that counts: more would be a venue that does not count."""
SECOND = 1_000_000
_OLDER = 5
"""Fields of a dump that kept one epoch besides the one that counts."""


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


class Past(NamedTuple):
    """An epoch that is over."""

    runs: Runs
    until: int
    """Its times are up to this one, from behind that of the epoch before it (microseconds)."""


class Seen:
    """What one symbol's stream has shown. Sequences in runs, the lowest forgotten beyond a number; ids for `keep` of event time."""

    __slots__ = ("changed", "epoch", "forgotten_until", "high_time", "ids", "keep", "past", "runs", "touched")

    def __init__(self, keep: int) -> None:
        self.keep = keep
        """How long ids that are no numbers are remembered, in microseconds of event time behind the watermark."""
        self.runs = Runs()
        self.past: list[Past] = []
        """The epochs before, the newest last; at most KEPT."""
        self.forgotten_until = -1
        """Times up to this one are of epochs that are kept no more."""
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
        if self.past:
            found = self._of_its_time(sequence, time, timed=timed)
            if found is None:
                return Verdict.FORGOTTEN, epoch
            runs, epoch = found
        highest = runs.highest
        beside: tuple[int, ...] = ()
        if epoch == self.epoch:
            if highest is None or sequence > highest:
                beside = self._returned(sequence, time)
            elif timed and time > self.high_time + AGAIN and self._begins(sequence):
                beside = self._begin(sequence, time)
                runs, epoch = self.runs, self.epoch
            highest = runs.highest
        if highest is None or sequence > highest:
            beside += runs.extend(sequence, sequence, time, time)
        elif runs.floor is not None and sequence < runs.floor:
            return Verdict.FORGOTTEN, epoch
        elif sequence in runs:
            return Verdict.DUPLICATE, epoch
        else:
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

    def in_order(self, first: int, most: int, time: int, *, timed: bool) -> bool:
        """Say whether events in order from `first` on, above the highest, are of this epoch and go on with it: `extend` may take them.

        `most`: by how much one is above the one before it at most; `time`: of the earliest; `timed`: all have a time as in `take`.
        """
        if not self.past:
            return True
        highest = self.runs.highest
        return timed and time > self.past[-1].until + AGAIN and highest is not None and max(first - highest, most) <= FAR

    def of(self, epoch: int) -> Runs | None:
        """Return the runs of an epoch; None where they are not kept any more."""
        if epoch == self.epoch:
            return self.runs
        before = self.epoch - epoch
        return self.past[-before].runs if 0 < before <= len(self.past) else None

    def forget(self, mark: int) -> None:
        """Let go of the ids that no event at a watermark can ask for."""
        self.ids.forget(mark - self.keep)

    def _of_its_time(self, sequence: int, time: int, *, timed: bool) -> tuple[Runs, int] | None:
        """Return the epoch a time belongs to; None where that is kept no more, or nobody can tell.

        A time that may have been rounded up past an epoch's end is of it where the number is. Where the venue gave no time, a number of
        an epoch before may be that event or another.
        """
        runs, epoch = self.runs, self.epoch
        if not timed:
            known = sequence in runs or not any(sequence in before.runs for before in self.past)
            return (runs, epoch) if known else None
        for before in reversed(self.past):
            rounded = time <= before.until + AGAIN and sequence in before.runs and sequence not in runs
            if time > before.until and not rounded:
                return runs, epoch
            runs, epoch = before.runs, epoch - 1
        if time <= self.forgotten_until or (time <= self.forgotten_until + AGAIN and sequence not in runs):
            return None
        return runs, epoch

    def _begins(self, sequence: int) -> bool:
        """Say whether a number that is not above the highest, and later than all, begins a new epoch."""
        runs = self.runs
        if sequence in runs:
            return True
        if sequence >= runs.lasts[-1] - FAR:
            return False
        if sequence < runs.firsts[0]:
            return runs.floor is not None  # it could not be remembered among the others
        below = runs.below(sequence)
        return runs.turns(below + 1) and sequence <= runs.lasts[below] + FAR

    def _begin(self, sequence: int, time: int) -> tuple[int, ...]:
        """Begin a new epoch with a number; return the times of the events before it of which this proves something.

        Where it goes on from another, that one is known in both epochs, and so is this one.
        """
        before, after = self.runs, Runs()
        beside: tuple[int, ...] = ()
        if sequence not in before and sequence > before.firsts[0]:
            below = before.below(sequence)
            known, its = before.lasts[below], before.last_times[below]
            after.extend(known, known, its, its)
            beside = before.add(sequence, time)
        self.past.append(Past(before, self.high_time))
        if len(self.past) > KEPT:
            self.forgotten_until = self.past.pop(0).until
        self.runs = after
        self.epoch += 1
        return beside

    def _returned(self, sequence: int, time: int) -> tuple[int, ...]:
        """Where the count of the epoch before goes on, far above this one's, let this one go on from there; return as `_begin` does."""
        before, highest = self.past[-1].runs if self.past else None, self.runs.highest
        if before is None or before.highest is None or highest is None:
            return ()
        known, its = before.highest, before.last_times[-1]
        if not (sequence > highest + FAR and highest < known < sequence <= known + FAR):
            return ()
        return (*self.runs.extend(known, known, its, its), *before.add(sequence, time))

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
        past = [[before.runs.dump(), before.until] for before in self.past]
        return [self.runs.dump(), past, self.forgotten_until, self.epoch, self.high_time, KEPT]

    def load(self, state: Sequence[Any]) -> None:
        """Take what `dump` wrote, or what it wrote when it kept one epoch besides the one that counts."""
        self.runs = Runs.load(state[0])
        self.epoch, self.high_time = state[3:5]
        if len(state) > _OLDER:
            self.past = [Past(Runs.load(runs), until) for runs, until in state[1]]
            self.forgotten_until = state[2]
        elif self.epoch:
            before = Runs.load(state[1])
            self.past = [Past(before, state[2])]
            if self.epoch > 1:
                self.forgotten_until = min(before.first_times, default=state[2]) - 1
