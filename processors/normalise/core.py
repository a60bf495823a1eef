"""Raw frames of one partition → events, by each venue's dialect. Pure but for the memory it keeps per connection."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dialects.dialect import Dialect, Frame, Made
from schemas.errors import InvalidDatum

MOST_CONNECTIONS = 64
"""Connections remembered per partition, newest kept: an older one has long been closed."""


@dataclass(slots=True)
class Connection:
    """What is remembered of one connection: its last frame, the frames lost so far, and the dialect's own memory."""

    last: int = 0
    lost: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame nobody could read: its offset and why."""

    offset: int
    reason: str


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
        connections = {name: (one.last, one.lost, one.memory) for name, one in self.connections.items()}
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
            connection = self._connection(frame)
            if frame.kind == "notice":
                continue
            dialect = self._dialects.get(frame.venue)
            if dialect is None:
                yield Refused(offset, f"no dialect for venue {frame.venue!r}")
                continue
            if connection.lost:
                frame = frame._replace(frames_lost=connection.lost)  # noqa: PLW2901 - the frame as the dialect shall see it
            try:
                yield from list(dialect.read(frame, connection.memory))
            except InvalidDatum as error:
                yield Refused(offset, str(error))

    def _connection(self, frame: Frame) -> Connection:
        connection = self.connections.get(frame.connection_id)
        if connection is None:
            if len(self.connections) >= MOST_CONNECTIONS:
                del self.connections[next(iter(self.connections))]
            connection = self.connections[frame.connection_id] = Connection(last=frame.connection_sequence - 1)
        ahead = frame.connection_sequence - connection.last
        if ahead > 0:
            connection.lost += ahead - 1
            connection.last = frame.connection_sequence
        return connection
