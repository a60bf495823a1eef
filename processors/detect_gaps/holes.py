"""The holes of one stream: held for a while in case what is missing comes late, announced, and ended. Pure.

A hole waits `reorder` microseconds after it was seen, by the receipt time of what follows or by the clock. What comes late but before
that was only out of order, and nothing is announced. After that the gap is in the ledger and ends in one of these ways:

- filled: the last of what was missing has come, or a snapshot made up for it;
- unfillable, closed: the backfill said so on the topic of gaps (`forget`), or the venue's count began again, or the hole turned out to be
  none;
- closed by age or number: nobody said anything for MOST_AGE, or more than MOST_OPEN holes of one stream are open. This word is weak
  (topology/gap_versions.py): an end that the backfill has told stays the truth.

What ended is forgotten: a trade that fills it later changes nothing, and the ledger keeps the last word.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from topology.gap_versions import certain, weak_end

Cause = Literal["ours", "wire", "venue_reset", "reconnect", "silence", "unknown", "fault", "snapshot"]
State = Literal["open", "filled", "unfillable", "closed"]

MOST_AGE = 86_400_000_000
"""A hole open for longer is given up (microseconds)."""
AHEAD = 60_000_000
"""A hole seen so much later than now was seen by a clock that has been set back since (microseconds)."""
MOST_OPEN = 256
"""Holes of one stream that are waited for; of more, the oldest is given up."""
MOST_PARTS = 256
"""Stretches in which one hole may be missing; what would part it further is not noted, and the hole ends otherwise."""


class Hole(msgspec.Struct, array_like=True):
    """Sequences missing, both ends inclusive; None where the venue's ids do not say which. Times in microseconds since 1970 UTC.

    `missing` is what has not come yet, `first` and `last` what was missing when it was announced.
    """

    first: int | None
    last: int | None
    cause: Cause
    from_time: int | None
    to_time: int | None
    connection_id: str
    detected_at: int
    count_began: int | None = None
    """When the count of the stream began, where it has begun again: ids before and after are not the same."""
    repair: str = ""
    """What has made up for it already, though it must still be told."""
    missing: list[tuple[int, int]] = []

    def close(self, first: int, last: int) -> bool:
        """Take sequences out of what is missing; return whether any was."""
        left: list[tuple[int, int]] = []
        for begin, end in self.missing:
            if last < begin or first > end:
                left.append((begin, end))
                continue
            if begin < first:
                left.append((begin, first - 1))
            if end > last:
                left.append((last + 1, end))
        if left == self.missing or len(left) > MOST_PARTS:
            return False
        self.missing = left
        return True


class HoleState(msgspec.Struct, array_like=True):
    """A state of a hole that is to be told; `version` as in topology/gap_versions.py, `reason` how it ended."""

    hole: Hole
    state: State
    version: int
    reason: str | None = None


@dataclass(slots=True)
class Holes:
    """The holes of one stream, each list in the order in which they were found."""

    waiting: list[Hole] = field(default_factory=list)
    """Seen, not yet announced."""
    open: list[Hole] = field(default_factory=list)
    """Announced, not yet ended."""

    def __bool__(self) -> bool:
        return bool(self.waiting or self.open)

    def add(self, hole: Hole) -> list[HoleState]:
        """Take a hole just seen; where too many wait, the oldest is announced at once."""
        if hole.first is not None and hole.last is not None:
            hole.missing = [(hole.first, hole.last)]
        self.waiting.append(hole)
        return self._announce(self.waiting.pop(0)) if len(self.waiting) > MOST_OPEN else []

    def fill(self, first: int, last: int, at: int, connection_id: str) -> list[HoleState]:
        """Take sequences that have come late."""
        told: list[HoleState] = []
        for hole in [hole for hole in self.waiting if hole.close(first, last) and not hole.missing]:
            self.waiting.remove(hole)
        for hole in [hole for hole in self.open if hole.close(first, last) and not hole.missing]:
            self.open.remove(hole)
            told.append(HoleState(hole, "filled", certain(hole.detected_at, at), f"filled from {connection_id}"))
        return told

    def cover(self, last: int, at: int, repair: str) -> list[HoleState]:
        """End every hole up to a sequence, and those of unknown range: a snapshot makes up for what was missing before it."""
        told: list[HoleState] = []
        for hole in [hole for hole in self.waiting if hole.last is None or hole.last <= last]:
            if not hole.repair:
                self.waiting.remove(hole)
                told += [HoleState(hole, "open", hole.detected_at), HoleState(hole, "filled", certain(hole.detected_at, at), repair)]
        for hole in [hole for hole in self.open if hole.last is None or hole.last <= last]:
            self.open.remove(hole)
            told.append(HoleState(hole, "filled", certain(hole.detected_at, at), repair))
        return told

    def ripen(self, at: int, reorder: int) -> list[HoleState]:
        """Announce the holes that nothing has filled for long enough."""
        told: list[HoleState] = []
        while self.waiting and at >= self.waiting[0].detected_at + reorder:
            told += self._announce(self.waiting.pop(0))
        return told

    def overtaken(self, now: int) -> list[HoleState]:
        """Announce the holes that were seen in what is the future now: nothing is left to read, and their time may be hours away."""
        told: list[HoleState] = []
        while self.waiting and self.waiting[0].detected_at > now + AHEAD:
            told += self._announce(self.waiting.pop(0))
        return told

    def expire(self, at: int) -> list[HoleState]:
        """Give up the holes that have been open for too long."""
        told: list[HoleState] = []
        while self.open and at >= self.open[0].detected_at + MOST_AGE:
            hole = self.open.pop(0)
            told.append(HoleState(hole, "closed", weak_end(hole.detected_at), f"not seen filled within {MOST_AGE // 3_600_000_000} hours"))
        return told

    def withdraw(self, above: int, at: int, reason: str) -> list[HoleState]:
        """Take back the holes that reach above a sequence; those that were announced are closed."""
        return self._end(lambda hole: hole.last is not None and hole.last > above, at, reason, announce=False)

    def end_all(self, at: int, reason: str) -> list[HoleState]:
        """Announce what waits and close everything: what comes now has other numbers."""
        return self._end(lambda _: True, at, reason, announce=True)

    def forget(self, ended: Iterable[Hole]) -> None:
        """Forget holes whose end somebody else has told."""
        gone = {id(hole) for hole in ended}
        self.open = [hole for hole in self.open if id(hole) not in gone]

    def _end(self, which: Callable[[Hole], bool], at: int, reason: str, *, announce: bool) -> list[HoleState]:
        told: list[HoleState] = []
        for hole in filter(which, self.waiting):
            if announce:
                told += [HoleState(hole, "open", hole.detected_at), HoleState(hole, "closed", certain(hole.detected_at, at), reason)]
        told += [HoleState(hole, "closed", certain(hole.detected_at, at), reason) for hole in filter(which, self.open)]
        self.waiting = [hole for hole in self.waiting if not which(hole)]
        self.open = [hole for hole in self.open if not which(hole)]
        return told

    def _announce(self, hole: Hole) -> list[HoleState]:
        """Say that a hole is open: one gap for each stretch of what is really missing, where some came late."""
        told: list[HoleState] = []
        for part in _parts(hole):
            told.append(HoleState(part, "open", part.detected_at))
            if part.repair:
                told.append(HoleState(part, "filled", certain(part.detected_at, 0), part.repair))
            else:
                self.open.append(part)
        while len(self.open) > MOST_OPEN:
            oldest = self.open.pop(0)
            told.append(HoleState(oldest, "closed", weak_end(oldest.detected_at), f"more than {MOST_OPEN} holes of this stream are open"))
        return told


def _parts(hole: Hole) -> list[Hole]:
    if not hole.missing:
        return [hole]
    return [msgspec.structs.replace(hole, first=first, last=last, missing=[(first, last)]) for first, last in hole.missing]
