"""Raw frames of one partition → events, by each venue's dialect. Pure but for the memory it keeps per connection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from dialects.contract import UNREADABLE, Dialect, Frame, Made, Shape
from schemas.errors import InvalidDatum

HEADER = Frame._fields[:5]
"""What an event takes over from its frame."""
MOST_CONNECTIONS = 64
"""Connections remembered per partition; who has been silent longest has long been closed."""


@dataclass(slots=True)
class Connection:
    """What is remembered of one connection: its count of frames, those lost so far, and the dialect's own memory."""

    last: int = 0
    lost: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    heard: int = -1
    """The offset of its newest frame: who has been silent longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame nobody could read: its offset and why."""

    offset: int
    reason: str


@dataclass(slots=True)
class Block:
    """Events of one shape: the offset and place of each one's frame among the columns `frames`, and what was decoded of it."""

    shape: Shape
    frames: Sequence[list[Any]]
    offsets: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    decoded: list[Any] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def columns(self) -> dict[str, Any]:
        """Return the columns of the events' records; InvalidDatum where one of them has no meaning."""
        try:
            columns = self.shape.columns(self.decoded)
        except InvalidDatum as error:
            raise InvalidDatum(f"{self.frames[0][self.rows[0]]}: {error}") from error
        whole = len(self.rows) == len(self.frames[0])
        for name, column in zip(HEADER, self.frames, strict=False):
            columns[name] = column if whole else [column[row] for row in self.rows]
        columns["frame_index"] = 0
        columns["frames_lost"] = self.lost if any(self.lost) else 0
        return columns

    def parts(self) -> Iterator[tuple[int, "Block"]]:
        """Yield each event as a block of its own, with its frame's offset."""
        for offset, row, decoded, lost in zip(self.offsets, self.rows, self.decoded, self.lost, strict=True):
            yield offset, Block(self.shape, self.frames, [offset], [row], [decoded], [lost])


class Normaliser:
    """The state of one source partition. `applied` is the last offset whose events have been made."""

    def __init__(self, dialects: Mapping[str, Dialect], state: bytes | None = None) -> None:
        self._dialects = dialects
        self.applied = -1
        self.connections: dict[str, Connection] = {}
        if state:
            document = orjson.loads(state)
            self.applied = document["applied"]
            self.connections = {name: Connection(*one) for name, one in document["connections"].items()}

    def dump(self) -> bytes:
        """Return the state as bytes, for the table."""
        connections = {name: (one.last, one.lost, one.memory, one.heard) for name, one in self.connections.items()}
        return orjson.dumps({"applied": self.applied, "connections": connections})

    def apply(self, frames: Iterable[tuple[int, Frame | Exception]]) -> Iterator[Made | Refused]:
        """Yield the events of frames given as (offset, frame), in order, and those refused; offsets already applied are passed over.

        `frames_lost` of each event is the number of frames its connection's counter has jumped over so far: our own loss.
        A frame seen before (its counter does not grow) is read again: every event has an identity, so readers know it.
        """
        for offset, frame in frames:
            if offset <= self.applied:
                continue
            self.applied = offset
            if not isinstance(frame, Frame):
                yield Refused(offset, str(frame))
                continue
            connection = self._connection(frame.connection_id, frame.connection_sequence, offset)
            if frame.kind != "notice":
                yield from self._read(offset, frame, connection)

    def apply_block(self, offsets: Sequence[int], frames: Sequence[list[Any]]) -> Iterator[Made | Refused | Block]:
        """Yield what `apply` would of frames given as columns (Frame's fields, in its order), alike events together as blocks.

        The events of one name keep their order.
        """
        gathering: dict[str, Block] = {}
        shapes = {venue: one.shape for venue, one in self._dialects.items()}
        connections, applied = self.connections, self.applied
        for row, (offset, venue, _, connection_id, sequence, _, kind, _, payload) in enumerate(zip(offsets, *frames, strict=True)):
            if offset <= applied:
                continue
            connection = connections.get(connection_id)
            if connection is not None and connection.last + 1 == sequence:
                connection.last = sequence
                connection.heard = offset
            else:
                connection = self._connection(connection_id, sequence, offset)
            if kind == "message" and venue in shapes:
                shape = shapes[venue](payload)
                if shape is not None:
                    try:
                        decoded = shape.decode(payload)
                    except UNREADABLE:
                        shape = None  # `read` says below what is wrong with it
                    else:
                        block = gathering.get(shape.event)
                        if block is None or block.shape is not shape:
                            if block is not None:
                                yield block
                            block = gathering[shape.event] = Block(shape, frames)
                        block.offsets.append(offset)
                        block.rows.append(row)
                        block.decoded.append(decoded)
                        block.lost.append(connection.lost)
                        continue
            if kind != "notice":
                for made in self._read(offset, Frame(*(column[row] for column in frames)), connection):
                    if isinstance(made, Made) and made.event in gathering:
                        yield gathering.pop(made.event)
                    self.applied = offset
                    yield made
        self.applied = max(applied, offsets[-1]) if offsets else applied
        yield from gathering.values()

    def _read(self, offset: int, frame: Frame, connection: Connection) -> Iterator[Made | Refused]:
        dialect = self._dialects.get(frame.venue)
        if dialect is None:
            yield Refused(offset, f"no dialect for venue {frame.venue!r}")
            return
        if connection.lost:
            frame = frame._replace(frames_lost=connection.lost)
        try:
            yield from list(dialect.read(frame, connection.memory))
        except InvalidDatum as error:
            yield Refused(offset, str(error))

    def _connection(self, connection_id: str, sequence: int, offset: int) -> Connection:
        connection = self.connections.get(connection_id)
        if connection is None:
            if len(self.connections) >= MOST_CONNECTIONS:
                del self.connections[min(self.connections, key=lambda name: self.connections[name].heard)]
            connection = self.connections[connection_id] = Connection(last=sequence - 1)
        connection.heard = offset
        ahead = sequence - connection.last
        if ahead > 0:
            connection.lost += ahead - 1
            connection.last = sequence
        return connection
