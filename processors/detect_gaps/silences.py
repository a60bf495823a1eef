"""Streams that say nothing: a gap from the notice that says so until one that says how it ended. Pure.

A silence is of a stream, not of a connection: the one that ends it is often on another raw partition than the one that told it. So
`resumed` carries all that closes the gap (dialects/notices.py), and what is kept here is for the count of open gaps, and for notices
that carry less. Where nobody says more of a silence for ORPHANED after its connection has gone, it is closed, by a word that is weak.
"""

from collections.abc import Callable, Container, Iterator

import msgspec

from dialects.contract import Origin
from dialects.notices import Notice
from processors.detect_gaps.gaps import StreamName, silence_gap
from schemas.events import Gap
from topology.gap_versions import certain, weak_end

ORPHANED = 3_600_000_000
"""So long after its connection closed, or was last heard, a silence is over as far as anybody can say (microseconds)."""
KEY = "silences"
MOST_OPEN = 10_000
"""Silences of a partition that are kept: each connection of a venue tells its own of each stream. Of more, the oldest is given up, so that
all of them are one entry of the state that Kafka takes."""


class Silence(msgspec.Struct, array_like=True):
    """A stream that says nothing: since when, when that was told, and on which connection. Microseconds."""

    stream: StreamName
    since: int
    detected_at: int
    connection_id: str
    left: int | None = None
    """When its connection closed."""
    reason: str = ""
    """What was said of it beside how long it lasts."""

    @property
    def gap(self) -> Gap:
        """Its gap, open."""
        gap = silence_gap(self.stream, self.since, None, self.detected_at, self.connection_id)
        gap["repair"] = self.reason or None
        return gap


class Silences:
    """The silences told on one raw partition."""

    def __init__(self, data: bytes = b"") -> None:
        self._open: list[Silence] = msgspec.msgpack.decode(data, type=list[Silence]) if data else []
        self._changed = False

    def notice(self, venue: str, connection_id: str, origin: Origin, at: int, notice: Notice) -> list[Gap]:
        """Take a notice; return the gaps it opens or closes."""
        kind = notice["notice"]
        made: list[Gap] = []
        if kind == "closed":
            for one in self._open:
                if one.connection_id == connection_id:
                    one.left, self._changed = at, True
        elif kind in {"silent", "resumed"}:
            for channel, symbol in notice["streams"]:
                stream = StreamName(venue, symbol, channel, origin)
                made += self._silent(stream, connection_id, at, notice) if kind == "silent" else self._resumed(stream, at, notice)
        return made

    def _silent(self, stream: StreamName, connection_id: str, at: int, notice: Notice) -> list[Gap]:
        if any(one.stream.text == stream.text and one.connection_id == connection_id for one in self._open):
            return []
        since = notice["since"]
        one = Silence(stream, at if since is None else since, at, connection_id, reason=notice["reason"])
        self._open.append(one)
        self._changed = True
        over = [_given_up(self._open.pop(0), at, f"more than {MOST_OPEN} streams are silent")] if len(self._open) > MOST_OPEN else []
        return [one.gap, *over]

    def _resumed(self, stream: StreamName, at: int, notice: Notice) -> list[Gap]:
        mine = [one for one in self._open if one.stream.text == stream.text]
        gaps = {one.since: one.gap for one in mine}
        since, told_at = notice["since"], notice["detected_at"]
        if since is not None and since not in gaps and told_at is not None:
            gaps[since] = silence_gap(stream, since, None, told_at, notice["previous"] or "")
        if mine:
            self._open = [one for one in self._open if one.stream.text != stream.text]
            self._changed = True
        reason = notice["reason"]
        repair = reason or "the stream speaks again; what its sequence shows as missed is a gap of its own"
        return [_ended(gap, at, "closed" if reason else "filled", repair) for gap in gaps.values()]

    def tick(self, at: int, heard: Callable[[str], int | None], ended: Container[str]) -> list[Gap]:
        """Forget silences whose gap id is in `ended`, and close those of connections that have gone. `heard`: when one was, if known."""
        made: list[Gap] = []
        left: list[Silence] = []
        for one in self._open:
            last = one.left if one.left is not None else heard(one.connection_id)
            if one.gap["gap_id"] in ended:
                continue
            if at > (one.detected_at if last is None else last) + ORPHANED:
                until = one.detected_at if last is None else last
                made.append(_given_up(one, until, "its connection has gone and nothing more was said of it"))
                continue
            left.append(one)
        if len(left) < len(self._open):
            self._open, self._changed = left, True
        return made

    def open(self) -> Iterator[tuple[str, str]]:
        """Yield venue and channel of each silence that lasts."""
        for one in self._open:
            yield one.stream.venue, one.stream.channel

    def dump(self) -> dict[str, bytes | None]:
        """Return the state where it has changed since the last dump."""
        changed, self._changed = self._changed, False
        return {KEY: msgspec.msgpack.encode(self._open)} if changed else {}


def _given_up(one: Silence, until: int, why: str) -> Gap:
    gap = one.gap
    gap["state"], gap["repair"] = "closed", why
    gap["to_time"], gap["version"] = max(until, one.since), weak_end(gap["version"])
    return gap


def _ended(gap: Gap, at: int, state: str, repair: str) -> Gap:
    ended = gap.copy()
    ended["state"] = "closed" if state == "closed" else "filled"
    ended["to_time"], ended["repair"], ended["version"] = at, repair, certain(gap["version"], at)
    return ended
