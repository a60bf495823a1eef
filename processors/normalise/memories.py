"""What the normaliser remembers of each connection of one raw partition, and what of it changed since the last checkpoint. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from dialects.memory import Memory

MOST_CONNECTIONS = 64
"""Connections remembered per partition; who has been silent longest has long been closed."""
COUNTS = "counts"
REMEMBERED = "memory"
_SEPARATOR = "\x1f"
"""Between the parts of an entry's name: it is in no connection's id."""


@dataclass(slots=True)
class ConnectionState:
    """What is remembered of one connection: its counts of frames, and the dialect's own memory.

    `last`, `lost`: our own counter, and how many it has jumped over. `venue_last`, `venue_lost`: the same of the venue's counter.
    """

    last: int = 0
    lost: int = 0
    venue_last: int | None = None
    venue_lost: int = 0
    heard: int = -1
    """The offset of its newest frame: who has been silent longest is forgotten first."""
    memory: Memory = field(default_factory=Memory)
    written: tuple[Any, ...] | None = field(default=None, compare=False)
    """Its counts as they were last dumped."""

    def counts(self) -> tuple[Any, ...]:
        """Return all but the memory."""
        return (self.last, self.lost, self.venue_last, self.venue_lost, self.heard)

    def count_venue(self, number: int) -> None:
        """Take the venue's own number of a frame; a number not above the last is a repetition."""
        last = self.venue_last
        if last is None or number > last:
            self.venue_lost += 0 if last is None else number - last - 1
            self.venue_last = number


class Connections(dict[str, ConnectionState]):
    """The connections of one partition by id, kept as entries of the state: a checkpoint writes those that changed.

    A connection has an entry of counts, and one for each thing its dialect remembers, so that a large memory of which little
    changes is little to write.
    """

    def __init__(self, entries: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self._gone: set[str] = set()
        for name, data in sorted((entries or {}).items()):
            kind, _, rest = name.partition(_SEPARATOR)
            if kind == COUNTS:
                connection = self.setdefault(rest, ConnectionState())
                connection.last, connection.lost, connection.venue_last, connection.venue_lost, connection.heard = orjson.loads(data)
                connection.written = connection.counts()
            elif kind == REMEMBERED:
                connection_id, _, key = rest.partition(_SEPARATOR)
                dict.__setitem__(self.setdefault(connection_id, ConnectionState()).memory, key, orjson.loads(data))

    def open(self, connection_id: str, sequence: int, offset: int) -> ConnectionState:
        """Return a connection, new where it is not known, with this frame counted."""
        connection = self.get(connection_id)
        if connection is None:
            if len(self) >= MOST_CONNECTIONS:
                self.close(min(self, key=lambda name: self[name].heard))
            connection = self[connection_id] = ConnectionState(last=sequence - 1)
        connection.heard = offset
        ahead = sequence - connection.last
        if ahead > 0:
            connection.lost += ahead - 1
            connection.last = sequence
        return connection

    def close(self, connection_id: str) -> None:
        """Forget a connection: nothing follows on it."""
        connection = self.pop(connection_id, None)
        if connection is not None:
            self._gone |= {name for name, _ in _entries(connection_id, connection)}
            self._gone |= {_memory_name(connection_id, key) for key in connection.memory.changed}

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries that changed since the last dump; None deletes one."""
        entries: dict[str, bytes | None] = dict.fromkeys(self._gone)
        self._gone = set()
        for connection_id, connection in self.items():
            if connection.written != connection.counts():
                connection.written = connection.counts()
                entries[_counts_name(connection_id)] = orjson.dumps(connection.written)
            memory = connection.memory
            for key in memory.changed:
                entries[_memory_name(connection_id, key)] = orjson.dumps(memory[key]) if key in memory else None
            memory.changed.clear()
        return entries


def _counts_name(connection_id: str) -> str:
    return f"{COUNTS}{_SEPARATOR}{connection_id}"


def _memory_name(connection_id: str, key: str) -> str:
    return f"{REMEMBERED}{_SEPARATOR}{connection_id}{_SEPARATOR}{key}"


def _entries(connection_id: str, connection: ConnectionState) -> Iterator[tuple[str, Any]]:
    yield _counts_name(connection_id), connection.counts()
    for key, value in connection.memory.items():
        yield _memory_name(connection_id, key), value
