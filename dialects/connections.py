"""What the normaliser remembers of each connection of one raw partition, and what of it changed since the last checkpoint. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import orjson

from dialects.counter import Count, count
from dialects.memory import Memory

MOST_CONNECTIONS = 64
"""Connections remembered per partition; who has been silent longest has long been closed."""
MOST_BYTES = 1_000_000
"""Of one thing remembered, as it is written: a sixteenth of what a message of the changelog may have."""
COUNTS = "counts"
REMEMBERED = "memory"
MOST_LOSSES = 32
"""Losses remembered of a connection, each with the frame that came after it: the newest."""
CLOSED = -1
"""The offset that a closed connection was last heard at."""
SETTLED = Count(0)[1:]
"""Of a venue's counter beside its number, where nothing waits for the next; it is then left out of the counts as they are kept."""
_SEPARATOR = "\x1f"
"""Between the parts of an entry's name: it is in no connection's id."""


class PassingMemory(Memory):
    """A copy of a memory for one reading that is to change nothing. `used`: the reading asked it for something, or set something."""

    used: bool = False


def _noting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def noted(self: PassingMemory, *arguments: Any, **named: Any) -> Any:
        self.used = True
        return method(self, *arguments, **named)

    return noted


_ASKED = ("__getitem__", "__contains__", "__iter__", "__reversed__", "__len__", "__eq__", "__or__", "__ror__")
_ASKED_BY_NAME = ("get", "keys", "values", "items", "copy")
_SET = ("__setitem__", "__delitem__", "__ior__", "pop", "popitem", "setdefault", "update", "clear")
for _name in (*_ASKED, *_ASKED_BY_NAME, *_SET):
    setattr(PassingMemory, _name, _noting(getattr(PassingMemory, _name)))


@dataclass(slots=True)
class ConnectionState:
    """What is remembered of one connection: its counts of frames, and the dialect's own memory.

    `last`, `lost`: our own counter, and how many it has jumped over. `venue`, `venue_lost`: the same of the venue's counter.
    """

    last: int = 0
    lost: int = 0
    venue: Count | None = None
    venue_lost: int = 0
    losses: list[tuple[int, int, int]] = field(default_factory=list)
    """Of each loss the frame that came after it, and `lost` and `venue_lost` from there on; oldest first."""
    heard: int = CLOSED
    """The offset of its newest frame: who has been silent longest is forgotten first, after those that are closed."""
    memory: Memory = field(default_factory=Memory)
    written: tuple[Any, ...] | None = field(default=None, compare=False)
    """Its counts as they were last dumped."""

    def counts(self) -> tuple[Any, ...]:
        """Return all but the memory."""
        last, unsettled = (None, ()) if self.venue is None else (self.venue.last, self.venue[1:])
        after = () if unsettled in {(), SETTLED} else (unsettled,)
        return (self.last, self.lost, last, self.venue_lost, self.heard, *self.losses, *after)

    def count(self, number: int) -> bool:
        """Take our own number of a frame; False for one not above the last, which is a repetition. What is lost is merged in nothing."""
        ahead = number - self.last
        if ahead <= 0:
            return False
        self.last = number
        if ahead > 1:
            self.lost += ahead - 1
            self._note_loss()
        return True

    def count_venue(self, number: int) -> None:
        """Take the venue's own number of a frame, after our own; see dialects/counter.py for what it shows as lost."""
        before, ours = self.venue, 0
        if self.losses and self.losses[-1][0] == self.last:
            ours = self.losses[-1][1] - (self.losses[-2][1] if len(self.losses) > 1 else 0)
        self.venue, missing = count(before, number, ours)
        if missing:
            self.venue_lost += sum(last - first + 1 for first, last in missing)
            self._note_loss()
        elif self.venue.far is not None:
            self.memory.forget_merged()  # it may be a loss, as the next frame says: nothing is to be merged across it meanwhile

    def lost_before(self, number: int) -> tuple[int, int] | None:
        """Return `lost` and `venue_lost` as they were at a frame, by our own number; None where that is not remembered."""
        for first, lost, venue_lost in reversed(self.losses):
            if number >= first:
                return lost, venue_lost
        return (0, 0) if len(self.losses) < MOST_LOSSES else None

    def _note_loss(self) -> None:
        self.memory.forget_merged()
        if self.losses and self.losses[-1][0] == self.last:
            del self.losses[-1]
        self.losses = [*self.losses, (self.last, self.lost, self.venue_lost)][-MOST_LOSSES:]


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
                last, lost, venue_last, venue_lost, heard, *losses = orjson.loads(data)
                connection.last, connection.lost, connection.heard = last, lost, heard
                unsettled = losses.pop() if losses and len(losses[-1]) == len(SETTLED) else SETTLED
                connection.venue = None if venue_last is None else Count(venue_last, *unsettled)
                connection.venue_lost = venue_lost
                connection.losses = [tuple(loss) for loss in losses]
                connection.written = connection.counts()
            elif kind == REMEMBERED:
                connection_id, _, key = rest.partition(_SEPARATOR)
                dict.__setitem__(self.setdefault(connection_id, ConnectionState()).memory, key, orjson.loads(data))

    def open(self, connection_id: str, sequence: int, offset: int) -> tuple[ConnectionState, bool]:
        """Return a connection, new where it is not known, with this frame counted; and whether the frame is a repetition."""
        connection = self.get(connection_id)
        if connection is None:
            if len(self) >= MOST_CONNECTIONS:
                self._forget(min(self, key=lambda name: self[name].heard))
            connection = self[connection_id] = ConnectionState(last=sequence - 1)
        if not connection.count(sequence):
            return connection, True
        connection.heard = offset
        return connection, False

    def close(self, connection_id: str) -> None:
        """Take that a connection has ended: nothing new follows on it. Its counts tell what comes again, until others need the room."""
        connection = self[connection_id]
        connection.heard = CLOSED
        for key in list(connection.memory):
            del connection.memory[key]
        connection.memory.keep()

    def _forget(self, connection_id: str) -> None:
        connection = self.pop(connection_id)
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
                data = orjson.dumps(memory[key]) if key in memory else None
                if data is not None and len(data) > MOST_BYTES:  # grown frame by frame: begun anew rather than written for ever
                    memory.pop(key)
                    data = None
                entries[_memory_name(connection_id, key)] = data
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
