"""Gap events: the record of each kind of gap, with an id that is the same for all its states."""

from typing import NamedTuple

from dialects.contract import Origin
from processors.detect_gaps.holes import Cause, Hole, HoleState
from schemas.events import Gap
from topology.gap_versions import certain


class StreamName(NamedTuple):
    """One stream of events: `channel` is `trade`, `book` …, or `frame` for a connection's own count (its symbol is empty)."""

    venue: str
    symbol: str
    channel: str
    origin: Origin

    @property
    def text(self) -> str:
        """How the stream is called in gap ids and in the state."""
        return f"{self.venue}|{self.symbol}|{self.channel}"


def hole_id(stream: StreamName, hole: Hole) -> str:
    """Return the id of a hole's gap. Numbers that began again name other events: the id then says since when they count."""
    if hole.first is None:
        return f"{stream.text}|{hole.connection_id}|{hole.detected_at}"
    if stream.channel == "frame":
        return f"{stream.text}|{hole.connection_id}|{hole.first}"
    return f"{stream.text}|{hole.first}" if hole.count_began is None else f"{stream.text}|{hole.first}|{hole.count_began}"


def hole_gap(stream: StreamName, told: HoleState) -> Gap:
    """Return the gap event of a hole's state."""
    hole = told.hole
    gap = _gap(stream, hole_id(stream, hole), hole.cause, hole.from_time, hole.to_time, hole.detected_at, hole.connection_id)
    gap["from_sequence"], gap["to_sequence"] = hole.first, hole.last
    gap["state"], gap["repair"], gap["version"] = told.state, told.reason, told.version
    return gap


def over_at_once(
    stream: StreamName,
    where: str,
    cause: Cause,
    span: tuple[int | None, int | None],
    at: int,
    connection_id: str,
    *,
    filled: bool = False,
    reason: str,
) -> list[Gap]:
    """Return a gap that is over when it is found: open, then filled or unfillable. `where` ends its id; `span` are its times.

    Which sequences are missing of its stream nobody knows: it names none.
    """
    gap = _gap(stream, f"{stream.text}|{where}", cause, *span, at, connection_id)
    ended = gap.copy()
    ended["state"], ended["repair"], ended["version"] = "filled" if filled else "unfillable", reason, certain(at, at)
    return [gap, ended]


def silence_gap(stream: StreamName, since: int, until: int | None, detected_at: int, connection_id: str) -> Gap:
    """Return the gap of a silence that began at `since`, open."""
    return _gap(stream, f"{stream.text}|silence|{since}", "silence", since, until, detected_at, connection_id)


def _gap(
    stream: StreamName,
    gap_id: str,
    cause: Cause,
    from_time: int | None,
    to_time: int | None,
    detected_at: int,
    connection_id: str,
) -> Gap:
    return Gap(
        venue=stream.venue,
        symbol=stream.symbol,
        origin=stream.origin,
        gap_id=gap_id,
        channel=stream.channel,
        from_sequence=None,
        to_sequence=None,
        from_time=from_time,
        to_time=to_time,
        cause=cause,
        detected_at=detected_at,
        state="open",
        repair=None,
        connection_id=connection_id,
        version=detected_at,
    )
