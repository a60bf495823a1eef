"""`python -m processors.detect_gaps`: frames, trades and book deltas → every gap, with its cause, and how it was closed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from dialects import notices
from dialects.catalogue import all_dialects
from processors.detect_gaps import STAGE
from processors.detect_gaps.core import Connections, Streams
from processors.detect_gaps.holes import Seen
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.engine.stage import Begin, main
from processors.engine.transport import Batch
from schemas.catalogue import event
from schemas.errors import InvalidDatum
from schemas.events import Gap
from topology import metrics
from topology.registry import Registry
from topology.settings import Settings

OFFSET = "applied"
CONNECTIONS = "connections"
FRAME = ("venue", "origin", "connection_id", "connection_sequence", "received_at", "kind", "payload")
TRADE = ("venue", "symbol", "origin", "connection_id", "received_at", "frames_lost", "event_time", "sequence", "replayed")
DELTA = (
    *("venue", "symbol", "origin", "connection_id", "received_at", "frames_lost", "event_time"),
    *("is_snapshot", "first_sequence", "last_sequence"),
)


def counts(venue: str, channel: str) -> bool:
    """Whether a venue counts the events of a channel by one, so that its own sequence shows what was missed."""
    dialect = all_dialects().get(venue)
    return dialect is not None and channel in dialect.channels and dialect.channels[channel].continuity.kind in {"counted", "ranges"}


class DetectGaps:
    """The gaps of one partition of one source topic."""

    def __init__(self, messages: Messages, fields: tuple[str, ...], reorder: int, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._fields = fields
        self._applied: int = msgspec.msgpack.decode(entries[OFFSET]) if OFFSET in entries else -1
        self._streams = Streams(reorder)
        self._streams.load({name: data for name, data in entries.items() if name not in {OFFSET, CONNECTIONS}})
        self._connections = Connections(counts)
        if CONNECTIONS in entries:
            self._connections.load(entries[CONNECTIONS])
        self._last: int | None = None
        reads: dict[tuple[str, ...], Callable[[tuple[Any, ...]], list[Gap]]] = {FRAME: self._frame, TRADE: self._trade, DELTA: self._delta}
        self._read = reads[fields]

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Look at a batch and publish the gaps it shows or closes."""
        for offset, row in self._rows(batch):
            if isinstance(row, Exception):
                output.refuse(batch, offset, str(row))
                continue
            try:
                for gap in self._read(row):
                    output.publish("gap", gap)
            except InvalidDatum as error:
                output.refuse(batch, offset, str(error))
        return self._last

    def _rows(self, batch: Batch) -> Iterator[tuple[int, tuple[Any, ...] | Exception]]:
        rows = self._messages.rows([message.value for message in batch], self._fields)
        for message, row in zip(batch, rows, strict=True):
            if message.offset > self._applied:
                self._applied = message.offset
                yield message.offset, row

    def _frame(self, row: tuple[Any, ...]) -> list[Gap]:
        venue, origin, connection_id, sequence, received_at, kind, payload = row
        self._last = received_at
        seen = Seen(sequence, sequence, connection_id, sequence, received_at, received_at)
        made = self._streams.see(venue, "", "frame", origin, seen, connection_id)
        if kind == "notice":
            notice = notices.decode(payload)
            made += self._connections.notice(venue, connection_id, origin, received_at, notice)
            if notice["notice"] == "closed":
                self._streams.forget(connection_id)
        return made

    def _trade(self, row: tuple[Any, ...]) -> list[Gap]:
        venue, symbol, origin, connection_id, received_at, frames_lost, time, sequence, replayed = row
        self._last = received_at
        if sequence is None:
            return []
        seen = Seen(sequence, sequence, connection_id, frames_lost, received_at, time, live=not replayed and origin != "rest")
        return self._streams.see(venue, symbol, "trade", origin, seen)

    def _delta(self, row: tuple[Any, ...]) -> list[Gap]:
        venue, symbol, origin, connection_id, received_at, frames_lost, time, is_snapshot, first, last = row
        self._last = received_at
        if last is None:
            return []
        if is_snapshot:
            return self._streams.covered(venue, symbol, "book", last, received_at, "snapshot")
        return self._streams.see(venue, symbol, "book", origin, Seen(first, last, connection_id, frames_lost, received_at, time))

    def tick(self, now: int, output: Output) -> None:
        """Announce what has been missing for long enough by the clock."""
        for gap in self._streams.ripen(now):
            output.publish("gap", gap)
        for (venue, channel), count in _count(self._streams.open()).items():
            metrics.open_gaps.labels(venue, channel).set(count)

    def dump(self) -> Mapping[str, bytes | None]:
        """Return the streams that changed, the connections, and the offset up to which all is done."""
        entries = self._streams.dump() | {OFFSET: msgspec.msgpack.encode(self._applied)}
        return entries | ({CONNECTIONS: self._connections.dump()} if self._fields is FRAME else {})


def _count(pairs: Iterator[tuple[str, str]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for pair in pairs:
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the raw topics of every dialect, trades and book deltas."""
    raw = tuple(event("frame").topic.of(venue) for venue in all_dialects())
    return (*raw, event("trade").topic.of(), event("book_delta").topic.of())


def begin_of(settings: Settings, registry: Registry) -> Begin:
    """Return how the work of a partition begins."""
    reorder = int(settings.gaps.reorder_seconds * 1_000_000)
    reading = {
        event("trade").topic.of(): (Messages(event("trade"), registry), TRADE),
        event("book_delta").topic.of(): (Messages(event("book_delta"), registry, bytes), DELTA),
    }
    frames = (Messages(event("frame"), registry), FRAME)

    def begin(topic: str, _partition: int, entries: Mapping[str, bytes]) -> DetectGaps:
        messages, fields = reading.get(topic, frames)
        return DetectGaps(messages, fields, reorder, entries)

    return begin


if __name__ == "__main__":
    main("detect_gaps", topics_of, begin_of, patient=STAGE.patient)
