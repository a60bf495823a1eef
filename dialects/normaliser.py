"""Raw frames of one partition → events, by each venue's dialect. Pure but for the memory it keeps per connection.

A dialect says an event's own fields; here the header is put around them: who spoke, the frame it came in and its place there, what was
lost before it; and what the schema holds where nothing was said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import orjson

from dialects import notices
from dialects.connections import MOST_BYTES, Connections, ConnectionState, PassingMemory
from dialects.contract import DecodedEvent, Dialect, Frame, PartlyInvalid, Shape
from dialects.memory import Memory
from schemas import bounds
from schemas.catalogue import event as event_of
from schemas.errors import InvalidDatum

HEADER = ("venue", "origin", "connection_id", "connection_sequence", "received_at")
"""What an event takes over from its frame, which begins with these."""
APPLIED = "applied"
GROWTH = 4
"""Bytes that one of a frame may become in memory at most, and more: a coin's name is kept as a DEX's and as its own."""


class NormalisedEvent(NamedTuple):
    """One event as it is published: its name and its whole record."""

    name: str
    record: dict[str, Any]


class DialectFault(Exception):
    """Our code for a venue failed on a frame. A dialect is pure: whatever it raised, the machine is not to blame."""

    @classmethod
    def of(cls, error: Exception) -> "DialectFault":
        """Return an error as such a fault, with the place where it was raised."""
        return cls(repr(error)).with_traceback(error.__traceback__)


@dataclass(frozen=True, slots=True)
class RefusedFrame:
    """A frame nobody could read: its offset and why. `fault`: our own code failed on it, which is no word on the frame."""

    offset: int
    reason: str
    venue: str = ""
    fault: DialectFault | None = field(default=None, compare=False)


@cache
def defaults_of(name: str) -> dict[str, Any]:
    """Return what the fields of an event hold where its dialect says nothing of them; to be copied."""
    return event_of(name).defaults


@dataclass(slots=True)
class Block:
    """Events of one shape, one a row. `frames` are the columns of frames; `offsets`, `rows`: each event's frame there."""

    shape: Shape
    frames: Sequence[list[Any]]
    negative_prices: bool = False
    offsets: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    decoded: list[Any] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Each event's place in its frame; empty while all are the only one of theirs."""
    lost: list[int] = field(default_factory=list)
    venue_lost: list[int] = field(default_factory=list)
    """What was lost before each event; empty while nothing was."""

    def add(self, offset: int, row: int, decoded: Sequence[Any], connection: ConnectionState) -> None:
        """Add the events of one frame."""
        count = len(decoded)
        if connection.lost or connection.venue_lost or self.lost:
            before = [0] * (len(self.rows) - len(self.lost))
            self.lost += [*before, *[connection.lost] * count]
            self.venue_lost += [*before, *[connection.venue_lost] * count]
        if count == 1 and not self.places:
            self.offsets.append(offset)
            self.rows.append(row)
            self.decoded.append(decoded[0])
            return
        self.places += [*[0] * (len(self.rows) - len(self.places)), *range(count)]
        self.offsets += [offset] * count
        self.rows += [row] * count
        self.decoded += decoded

    @property
    def venue(self) -> str:
        """The venue of its events: a raw topic is one venue's."""
        return str(self.frames[0][self.rows[0]])

    def columns(self) -> dict[str, Any]:
        """Return the columns of the events' records; InvalidDatum where one of them has no meaning, or DialectFault."""
        try:
            columns = self.shape.columns(self.decoded)
        except InvalidDatum as error:
            raise InvalidDatum(f"{self.venue}: {error}") from error
        except Exception as error:
            raise DialectFault.of(error) from error
        count = len(self.rows)
        for name, value in defaults_of(self.shape.event).items():
            columns.setdefault(name, [value] * count if isinstance(value, list) else value)
        whole = count == len(self.frames[0]) and not self.places
        for name, column in zip(HEADER, self.frames, strict=False):
            columns[name] = column if whole else [column[row] for row in self.rows]
        columns["frame_index"] = self.places or 0
        columns["frames_lost"] = self.lost or 0
        columns["venue_lost"] = self.venue_lost or 0
        try:
            bounds.check(self.shape.event, columns, negative_prices=self.negative_prices)
        except InvalidDatum as error:
            raise InvalidDatum(f"{self.venue}: {error}") from error
        return columns

    def parts(self) -> Iterator[tuple[int, "Block"]]:
        """Yield the events of each frame as a block of their own, with the frame's offset."""
        begin = 0
        for end in range(1, len(self.rows) + 1):
            if end == len(self.rows) or self.rows[end] != self.rows[begin]:
                part = slice(begin, end)
                yield (
                    self.offsets[begin],
                    Block(
                        self.shape,
                        self.frames,
                        self.negative_prices,
                        self.offsets[part],
                        self.rows[part],
                        self.decoded[part],
                        self.places[part],
                        self.lost[part],
                        self.venue_lost[part],
                    ),
                )
                begin = end


class Normaliser:
    """The state of one source partition. `applied` is the last offset whose events have been made."""

    def __init__(self, dialects: Mapping[str, Dialect], entries: Mapping[str, bytes] | None = None) -> None:
        self._dialects = dialects
        entries = dict(entries or {})
        self.applied: int = orjson.loads(entries.pop(APPLIED, b"-1"))
        self.connections = Connections(entries)

    def dump(self) -> dict[str, bytes | None]:
        """Return the entries of the state that changed since the last dump; None deletes one."""
        return self.connections.dump() | {APPLIED: orjson.dumps(self.applied)}

    def apply(self, frames: Iterable[tuple[int, Frame | Exception]]) -> Iterator[NormalisedEvent | RefusedFrame]:
        """Yield the events of frames given as (offset, frame), in order, and those refused; offsets already applied are passed over.

        `frames_lost` of each event is the number of frames its connection's counter has jumped over so far: our own loss;
        `venue_lost` the same of the venue's. What a dialect merges of changes is forgotten where a frame that may have changed it was
        lost or refused.

        A frame seen before (its counter does not grow) is read again and changes nothing. Where nothing remembered has a say in it, its
        events are those of the first time, losses and all: each has an identity, so readers know it. Where something has, or where it is
        not remembered what was lost before it, it makes none, for they might be others.
        """
        for offset, frame in frames:
            if offset <= self.applied:
                continue
            self.applied = offset
            if not isinstance(frame, Frame):
                yield RefusedFrame(offset, str(frame))
                continue
            connection, again = self.connections.open(frame.connection_id, frame.connection_sequence, offset)
            if frame.kind == "notice":
                self._note(frame.connection_id, frame.payload)
            else:
                yield from self._read(offset, frame, connection, again=again)

    def apply_block(
        self, offsets: Sequence[int], frames: Sequence[list[Any]], published: Sequence[bool] = ()
    ) -> Iterator[NormalisedEvent | RefusedFrame | Block]:
        """Yield what `apply` would of frames given as columns (Frame's fields, in its order), alike events together as blocks.

        The events of one name keep their order. `published`: of each frame whether its events are published already: it is counted,
        and remembered of it is what others are read with, but nothing is yielded. Empty: of none.
        """
        gathering: dict[str, Block] = {}
        shapes = {
            venue: (one.shape, one.connection_sequence if one.counts_connection else None, one.negative_prices)
            for venue, one in self._dialects.items()
        }
        connections, applied = self.connections, self.applied
        for row, (offset, venue, _, connection_id, sequence, _, kind, _, payload) in enumerate(zip(offsets, *frames, strict=True)):
            if offset <= applied:
                continue
            connection = connections.get(connection_id)
            if connection is not None and connection.last + 1 == sequence:
                connection.last = sequence
                connection.heard = offset
                again = False
            else:
                connection, again = connections.open(connection_id, sequence, offset)
            if kind == "notice":
                self._note(connection_id, payload)
                continue
            plain = kind == "message" and venue in shapes and shapes[venue][1] is None
            if published and published[row]:
                if not (plain and _has_shape(shapes[venue][0], payload)):  # one of a shape changes nothing that is remembered
                    for _ in self._read(offset, Frame(*(column[row] for column in frames)), connection, again=again):
                        pass
                continue
            if plain and not again:
                try:
                    shape = shapes[venue][0](payload)
                    decoded = None if shape is None else shape.decode(payload, connection.memory)
                except Exception:  # noqa: BLE001 - whatever is wrong with it: `_read` meets it again below, and says what
                    shape = None
                if shape is not None and decoded is not None:
                    if not decoded:
                        continue
                    block = gathering.get(shape.event)
                    if block is None or block.shape is not shape:
                        if block is not None:
                            yield block
                        block = gathering[shape.event] = Block(shape, frames, shapes[venue][2])
                    block.add(offset, row, decoded, connection)
                    continue
            for made in self._read(offset, Frame(*(column[row] for column in frames)), connection, again=again):
                if isinstance(made, NormalisedEvent) and made.name in gathering:
                    yield gathering.pop(made.name)
                self.applied = offset
                yield made
        self.applied = max(applied, offsets[-1]) if offsets else applied
        yield from gathering.values()

    def _note(self, connection_id: str, payload: bytes) -> None:
        try:
            notice = notices.decode(payload)
        except InvalidDatum:
            return  # whoever reads notices refuses it; here it counts as a frame, and says nothing
        if notice["notice"] == "closed":
            self.connections.close(connection_id)

    def _read(self, offset: int, frame: Frame, connection: ConnectionState, *, again: bool) -> Iterator[NormalisedEvent | RefusedFrame]:
        dialect = self._dialects.get(frame.venue)
        if dialect is None:
            yield RefusedFrame(offset, f"no dialect for venue {frame.venue!r}", frame.venue)
            return
        memory = PassingMemory(connection.memory) if again else connection.memory
        lost = connection.lost_before(frame.connection_sequence) if again else None
        try:
            number = dialect.connection_sequence(frame.payload) if dialect.counts_connection and frame.kind == "message" else None
            if number is not None and not again:
                connection.count_venue(number)
            refused: RefusedFrame | None = None
            try:
                decoded = list(dialect.read(frame, memory))
            except PartlyInvalid as error:
                decoded, refused = list(error.events), RefusedFrame(offset, str(error), frame.venue)
            if not again:
                lost = connection.lost, connection.venue_lost
            _bound(memory, len(frame.payload))
            events: list[NormalisedEvent | RefusedFrame] = []
            for place, one in enumerate(decoded):
                made = _event(place, one, frame, lost or (0, 0))
                try:
                    bounds.check(made.name, made.record, negative_prices=dialect.negative_prices)
                except InvalidDatum as error:
                    if frame.kind != "reply" and dialect.shape(frame.payload) is not None:
                        raise InvalidDatum(f"{frame.venue}: {error}") from error
                    refused = refused or RefusedFrame(offset, f"{frame.venue}: {error}", frame.venue)  # of a list, each stands for itself
                    memory.let_go(one.fields)
                else:
                    events.append(made)
            if refused is not None:
                events.append(refused)
        except InvalidDatum as error:
            _refuse(frame, memory, dialect)
            yield RefusedFrame(offset, str(error), frame.venue)
        except Exception as error:  # noqa: BLE001 - a fault of one venue's dialect stays with its frame
            _refuse(frame, memory, dialect)
            yield RefusedFrame(offset, f"{frame.venue}: our reading of it failed: {error!r}", frame.venue, DialectFault.of(error))
        else:
            memory.keep()
            if lost is not None and not (isinstance(memory, PassingMemory) and memory.used):
                yield from events


def _has_shape(shape: Callable[[bytes], Shape | None], payload: bytes) -> bool:
    try:
        return shape(payload) is not None
    except Exception:  # noqa: BLE001 - the reading of it meets it again, and says what is wrong
        return False


def _bound(memory: Memory, length: int) -> None:
    """Raise InvalidDatum where what a frame of that many bytes changed is too large to be kept: a checkpoint would fail on it for ever."""
    if length * GROWTH > MOST_BYTES:
        for name in memory.changes():
            if name in memory and (size := len(orjson.dumps(memory[name]))) > MOST_BYTES:
                raise InvalidDatum(f"{name[:64]!r} would be remembered in {size:,} bytes; {MOST_BYTES:,} are allowed")


def _refuse(frame: Frame, memory: Memory, dialect: Dialect) -> None:
    """Remember nothing of a refused frame, and forget what it may have changed: a reply states, and changes nothing."""
    memory.undo()
    if frame.kind == "message":
        try:
            names = dialect.may_have_changed(frame.payload)
        except Exception:  # noqa: BLE001 - the fault that refused the frame was told, and it may have been of anything
            names = None
        memory.forget_merged(names)


def _event(place: int, decoded: DecodedEvent, frame: Frame, lost: tuple[int, int]) -> NormalisedEvent:
    record = defaults_of(decoded.event) | decoded.fields
    record["venue"], record["origin"], record["connection_id"], record["connection_sequence"], record["received_at"] = frame[:5]
    record["frame_index"] = place
    record["frames_lost"], record["venue_lost"] = lost
    return NormalisedEvent(decoded.event, record)
