"""Holes in one counted stream: found, held for a while in case what is missing comes late, announced, and closed again. Pure.

A hole is announced `reorder` microseconds after it was seen, by the receipt time of what follows or by the clock. What comes
late but before that was only out of order, and nothing is announced. After that the gap is in the ledger, and what comes
closes it when the last of it is there.
"""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

Cause = Literal["ours", "wire", "venue_reset", "reconnect"]


class Seen(msgspec.Struct, array_like=True):
    """One event of a counted stream, as much of it as matters here. Times in microseconds."""

    first: int
    last: int
    connection_id: str
    frames_lost: int
    received_at: int
    time: int | None = None
    """The venue's time of the event."""
    live: bool = True
    """False for what the venue sends again or was asked for: its old numbers are no new count."""


class Hole(msgspec.Struct, array_like=True):
    """Sequences missing, both ends inclusive. `missing` is what has not come yet, `first` and `last` what was missing at first."""

    first: int
    last: int
    cause: Cause
    from_time: int | None
    to_time: int | None
    connection_id: str
    detected_at: int
    announced: bool = False
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
        touched = left != self.missing
        self.missing = left
        return touched


class Change(msgspec.Struct, array_like=True):
    """What is to be told of a hole: its state and when (microseconds), and by what it was closed."""

    hole: Hole
    state: Literal["open", "filled", "unfillable"]
    at: int
    repair: str | None = None


@dataclass(slots=True)
class Counted:
    """One stream whose events the venue counts by one."""

    last: Seen | None = None
    holes: list[Hole] = field(default_factory=list)
    base: int = 0
    """The first sequence ever seen: what came before it was never ours to miss."""

    def see(self, one: Seen, reorder: int) -> list[Change]:
        """Take one event, in the order of arrival; return what is to be told."""
        changes = self.ripen(one.received_at, reorder)
        last = self.last
        if last is None:
            self.last, self.base = one, one.first
        elif one.first > last.last + 1:
            self._open(last, one)
            self.last = one
        elif one.last > last.last and one.first <= last.last + 1:
            self.last = one
        elif one.last <= last.last:
            changes += self._late(one, last)
        return changes

    def covered(self, last: int, at: int, repair: str) -> list[Change]:
        """Close every hole up to a sequence at once: a snapshot makes up for what was missing before it."""
        changes: list[Change] = []
        for hole in [hole for hole in self.holes if hole.last <= last]:
            if not hole.announced:
                changes.append(Change(hole, "open", hole.detected_at))
            hole.missing = []
            self.holes.remove(hole)
            changes.append(Change(hole, "filled", max(at, hole.detected_at + 1), repair))
        return changes

    def ripen(self, at: int, reorder: int) -> list[Change]:
        """Announce the holes that nothing has closed for long enough."""
        changes: list[Change] = []
        for hole in self.holes:
            if not hole.announced and at >= hole.detected_at + reorder:
                hole.announced = True
                changes += [Change(part, "open", part.detected_at) for part in self._parted(hole)]
        return changes

    def _parted(self, hole: Hole) -> list[Hole]:
        """Cut a hole, some of which came late, into what is really missing: one gap for each stretch."""
        stretches = hole.missing
        hole.first, hole.last = stretches[0]
        hole.missing = [stretches[0]]
        parts = [hole]
        for first, last in stretches[1:]:
            part = msgspec.structs.replace(hole, first=first, last=last, missing=[(first, last)])
            self.holes.append(part)
            parts.append(part)
        return parts

    def _open(self, last: Seen, one: Seen) -> None:
        first, end = last.last + 1, one.first - 1
        if one.connection_id != last.connection_id:
            cause: Cause = "reconnect"
        else:
            cause = "ours" if one.frames_lost > last.frames_lost else "wire"
        hole = Hole(first, end, cause, last.time, one.time, one.connection_id, one.received_at, missing=[(first, end)])
        self.holes.append(hole)

    def _late(self, one: Seen, last: Seen) -> list[Change]:
        changes: list[Change] = []
        touched = False
        for hole in list(self.holes):
            if hole.close(one.first, one.last):
                touched = True
                if not hole.missing:
                    self.holes.remove(hole)
                    if hole.announced:
                        repair = f"filled from {one.connection_id}"
                        changes.append(Change(hole, "filled", max(one.received_at, hole.detected_at + 1), repair))
        if not touched and one.live and _begun_again(one, last):
            hole = Hole(one.first, one.first, "venue_reset", last.time, one.time, one.connection_id, one.received_at, announced=True)
            changes += [Change(hole, "open", one.received_at)]
            changes += [Change(hole, "unfillable", one.received_at + 1, "the venue began its numbers again")]
            self.last, self.base, self.holes = one, one.first, []
        return changes


RESET_AFTER = 1_000_000
"""A number seen before is a new event only where its time is later than all by more than this (microseconds)."""


def _begun_again(one: Seen, last: Seen) -> bool:
    """Whether a number not above the last is a new count: a duplicate's time has passed already."""
    return one.time is not None and last.time is not None and one.time > last.time + RESET_AFTER and one.connection_id != last.connection_id
