"""The gaps that only a book's rebuilder can tell, each open until the book is right again. Pure.

A jump in update ids is told by detect_gaps, with its cause; here it is told that a count began again, that a checksum differs, that
messages of a connection without ids were lost, that a snapshot does not join its deltas or none comes, that there are more levels than are
kept, and that our own code failed.
"""

from typing import Any, Literal, cast

from dialects.judge import SKEW
from schemas.events import BookDelta, Gap
from topology.gap_versions import certain

Cause = Literal["ours", "wire", "venue_reset", "reconnect", "fault", "snapshot"]
MOST_OPEN = 8
"""Gaps of one book that are open at a time; of more, the oldest is closed: the newer ones tell of the same book."""


def time_of(delta: BookDelta) -> int:
    """Return the venue's time of a delta; that of receipt where there is none, or receipt does not bear it out (dialects/judge.py)."""
    time, at = delta["event_time"], delta["received_at"]
    return time if time and time <= at + SKEW else at


class BookGaps:
    """The open gaps of one book, by id."""

    __slots__ = ("_open",)

    def __init__(self, gaps: list[dict[str, Any]] | None = None) -> None:
        self._open: dict[str, Gap] = {gap["gap_id"]: cast("Gap", gap) for gap in gaps or []}

    def __bool__(self) -> bool:
        return bool(self._open)

    def tell(self, delta: BookDelta, cause: Cause, since: int | None, why: str) -> list[Gap]:
        """Open a gap that ends at a delta; `since` is the time of the last one after which the book was right."""
        where = f"{delta['connection_id']}|{delta['connection_sequence']}"
        gap = Gap(
            venue=delta["venue"],
            symbol=delta["symbol"],
            origin=delta["origin"],
            gap_id=f"{delta['venue']}|{delta['symbol']}|book|{cause}|{where}",
            channel="book",
            from_sequence=None,
            to_sequence=None,
            from_time=since,
            to_time=time_of(delta),
            cause=cause,
            detected_at=delta["received_at"],
            state="open",
            repair=why,
            connection_id=delta["connection_id"],
            version=delta["received_at"],
        )
        self._open[gap["gap_id"]] = gap
        told = [gap.copy()]
        while len(self._open) > MOST_OPEN:
            told.append(_ended(self._open.pop(next(iter(self._open))), delta["received_at"], "closed", "newer gaps tell of the same book"))
        return told

    def tell_again(self, delta: BookDelta, cause: Cause, since: int | None, why: str) -> list[Gap]:
        """Say once more that a gap of this cause is open, so that it is asked for again, on this connection; open one where none is."""
        for gap in self._open.values():
            if gap["cause"] == cause:
                gap["connection_id"], gap["repair"] = delta["connection_id"], why
                gap["version"] = certain(gap["version"], delta["received_at"])
                return [gap.copy()]
        return self.tell(delta, cause, since, why)

    def has(self, cause: Cause) -> bool:
        """Whether a gap of this cause is open."""
        return any(gap["cause"] == cause for gap in self._open.values())

    def end(self, at: int, state: Literal["filled", "closed"], reason: str) -> list[Gap]:
        """End all that are open; `at` in microseconds."""
        ended = [_ended(gap, at, state, reason) for gap in self._open.values()]
        self._open.clear()
        return ended

    def dump(self) -> list[dict[str, Any]]:
        """Return the open gaps."""
        return [dict(gap) for gap in self._open.values()]


def _ended(gap: Gap, at: int, state: Literal["filled", "closed"], reason: str) -> Gap:
    ended = gap.copy()
    ended["state"], ended["repair"] = state, reason
    ended["version"] = certain(gap["version"], at)
    return ended
