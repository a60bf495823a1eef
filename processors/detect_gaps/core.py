"""Every hole of one source partition as gap events: in the venue's sequences, in our own frame counter, in time. Pure.

State is kept by stream and survives checkpoints; the first event ever of a stream opens no gap.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from dialects.contract import Origin
from dialects.notices import Notice
from processors.detect_gaps.holes import Change, Counted, Hole, Seen
from schemas.events import Gap


class Silence(msgspec.Struct, array_like=True):
    """A stream that says nothing: since when, and when that was found. Microseconds."""

    since: int
    detected_at: int
    origin: Origin


class Saved(msgspec.Struct, array_like=True):
    """One stream's holes between two checkpoints."""

    venue: str
    symbol: str
    channel: str
    origin: Origin
    last: Seen | None
    base: int
    holes: list[Hole]


@dataclass(slots=True)
class Streams:
    """The counted streams of one partition (trades, book deltas, or the frames of connections), by name."""

    reorder: int
    counted: dict[str, tuple[Counted, str, str, str, Origin]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def see(self, venue: str, symbol: str, channel: str, origin: Origin, one: Seen, name: str = "") -> list[Gap]:
        """Take one event of a stream; return the gaps it opens or closes."""
        name = name or f"{venue}|{symbol}|{channel}"
        entry = self.counted.get(name)
        if entry is None:
            entry = self.counted[name] = (Counted(), venue, symbol, channel, origin)
        self.changed.add(name)
        changes = entry[0].see(one, self.reorder)
        return [_gap(entry, change) for change in changes] if changes else []

    def covered(self, venue: str, symbol: str, channel: str, last: int, at: int, repair: str) -> list[Gap]:
        """Close the holes of a stream up to a sequence: something made up for them."""
        name = f"{venue}|{symbol}|{channel}"
        entry = self.counted.get(name)
        if entry is None:
            return []
        self.changed.add(name)
        return [_gap(entry, change) for change in entry[0].covered(last, at, repair)]

    def ripen(self, at: int) -> list[Gap]:
        """Return the gaps of holes that have waited long enough by the clock."""
        made: list[Gap] = []
        for name, entry in self.counted.items():
            changes = entry[0].ripen(at, self.reorder)
            if changes:
                self.changed.add(name)
                made += [_gap(entry, change) for change in changes]
        return made

    def forget(self, name: str) -> None:
        """Forget a stream that has ended, unless a hole is still open."""
        entry = self.counted.get(name)
        if entry is not None and not entry[0].holes:
            del self.counted[name]
            self.changed.add(name)

    def dump(self) -> dict[str, bytes | None]:
        """Return the streams that changed since the last dump."""
        entries: dict[str, bytes | None] = {}
        for name in self.changed:
            entry = self.counted.get(name)
            entries[name] = None
            if entry is not None:
                counted, venue, symbol, channel, origin = entry
                entries[name] = msgspec.msgpack.encode(Saved(venue, symbol, channel, origin, counted.last, counted.base, counted.holes))
        self.changed.clear()
        return entries

    def load(self, entries: Mapping[str, bytes]) -> None:
        """Take the streams of a dump."""
        for name, data in entries.items():
            saved = msgspec.msgpack.decode(data, type=Saved)
            counted = Counted(saved.last, saved.holes, saved.base)
            self.counted[name] = (counted, saved.venue, saved.symbol, saved.channel, saved.origin)

    def open(self) -> Iterator[tuple[str, str]]:
        """Yield venue and channel of each gap that is open."""
        for counted, venue, _, channel, _ in self.counted.values():
            for hole in counted.holes:
                if hole.announced:
                    yield venue, channel


@dataclass(slots=True)
class Connections:
    """What notices say of the connections of one raw partition: silences, and the time without any connection."""

    counted: Callable[[str, str], bool]
    """Whether a venue counts a channel, so that its own sequence tells what was missed; given venue and channel."""
    silent: dict[str, Silence] = field(default_factory=dict)

    def notice(self, venue: str, connection_id: str, origin: Origin, at: int, notice: Notice) -> list[Gap]:
        """Take one notice; return the gaps it opens or closes."""
        made: list[Gap] = []
        kind, since = notice["notice"], notice["since"]
        for channel, symbol in notice["streams"]:
            name = f"{venue}|{symbol}|{channel}"
            if kind == "silent" and name not in self.silent:
                self.silent[name] = silence = Silence(since or at, at, origin)
                made.append(_silence(venue, symbol, channel, silence, connection_id, None))
            elif kind == "resumed" and name in self.silent:
                made.append(_silence(venue, symbol, channel, self.silent.pop(name), connection_id, at))
            elif kind == "confirmed" and since is not None and channel != "instrument" and not self.counted(venue, channel):
                made += _away(venue, symbol, channel, origin, since, connection_id, at)
        return made

    def dump(self) -> bytes:
        """Return the state as bytes."""
        return msgspec.msgpack.encode(self.silent)

    def load(self, data: bytes) -> None:
        """Take the state of a dump."""
        self.silent = msgspec.msgpack.decode(data, type=dict[str, Silence])


def _gap(entry: tuple[Counted, str, str, str, Origin], change: Change) -> Gap:
    _, venue, symbol, channel, origin = entry
    hole = change.hole
    where = f"{hole.connection_id}|{hole.first}" if channel == "frame" else str(hole.first)
    return Gap(
        venue=venue,
        symbol=symbol,
        origin=origin,
        gap_id=f"{venue}|{symbol}|{channel}|{where}",
        channel=channel,
        from_sequence=hole.first,
        to_sequence=hole.last,
        from_time=hole.from_time,
        to_time=hole.to_time,
        cause=hole.cause,
        detected_at=hole.detected_at,
        state=change.state,
        repair=change.repair,
        connection_id=hole.connection_id,
        version=change.at,
    )


def _silence(venue: str, symbol: str, channel: str, silence: Silence, connection_id: str, ended: int | None) -> Gap:
    return Gap(
        venue=venue,
        symbol=symbol,
        origin=silence.origin,
        gap_id=f"{venue}|{symbol}|{channel}|silence|{silence.since}",
        channel=channel,
        from_sequence=None,
        to_sequence=None,
        from_time=silence.since,
        to_time=ended,
        cause="silence",
        detected_at=silence.detected_at,
        state="open" if ended is None else "filled",
        repair=None if ended is None else "the stream speaks again; what its sequence shows as missed is a gap of its own",
        connection_id=connection_id,
        version=silence.detected_at if ended is None else max(ended, silence.detected_at + 1),
    )


def _away(venue: str, symbol: str, channel: str, origin: Origin, since: int, connection_id: str, at: int) -> list[Gap]:
    gap = Gap(
        venue=venue,
        symbol=symbol,
        origin=origin,
        gap_id=f"{venue}|{symbol}|{channel}|away|{since}",
        channel=channel,
        from_sequence=None,
        to_sequence=None,
        from_time=since,
        to_time=at,
        cause="reconnect",
        detected_at=at,
        state="open",
        repair=None,
        connection_id=connection_id,
        version=at,
    )
    book = channel == "book"
    repair = "the new connection's snapshot" if book else "the venue does not send again what this stream missed"
    return [gap, {**gap, "state": "filled" if book else "unfillable", "repair": repair, "version": at + 1}]
