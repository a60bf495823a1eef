"""The normaliser of one raw partition: the events of frames whose producer does not publish them itself, and those it left out.

What is not known yet is held back, in order, until it is said (published.py): a frame that is held is not acknowledged, so it is read again
by whoever owns the partition next.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import Block, NormalisedEvent, Normaliser, RefusedFrame
from processors.engine.messages import COLUMNS_FROM, Messages
from processors.engine.output import Output
from processors.engine.transport import Batch, Record
from processors.normalise.frame_runs import FrameRuns, tell
from processors.normalise.published import Published
from schemas.errors import InvalidDatum
from topology.errors import Reject

FIELDS = ("venue", "origin", "connection_id", "connection_sequence", "received_at", "kind", "request", "payload")
CONNECTION, RECEIVED_AT, KIND, PAYLOAD = (FIELDS.index(name) for name in ("connection_id", "received_at", "kind", "payload"))
REFUSED: Final = "what a producer says of its events can't be read"
WAIT_SECONDS: Final = 3.0
"""Events of a frame of which its producer says nothing for so long are ours: it has ended, or Kafka takes nothing of it."""
MOST_HELD: Final = 50_000
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
AGAIN: Final = "again_before"
"""The entry that says before which offset: a state that is made again may have been deleted in order to publish again, so all that the log
held when that began is ours."""


class Normalise:
    """The work of `normalise` on one partition; see processors/engine/partition.py for who calls what.

    `clock`: monotonic seconds.
    """

    def __init__(self, messages: Messages, entries: Mapping[str, bytes], clock: Callable[[], float]) -> None:
        self._messages = messages
        self._core = Normaliser(all_dialects(), entries)
        self._published = Published(entries)
        self._runs = FrameRuns({venue: one.connection_sequence for venue, one in all_dialects().items() if one.counts_connection})
        self._clock = clock
        self._again_before = int(entries.get(AGAIN, b"0"))
        self._again_changed = False
        self._records: list[Record] = []
        """Those held back, and their columns."""
        self._columns: list[list[Any]] = []
        self._came: deque[tuple[int, float]] = deque()
        """The last offset of each batch of which some are, and when it came; monotonic seconds."""
        self._batch: Batch | None = None
        """Where they come from, emptied."""

    def remake(self, end: int) -> None:
        """See Remaking."""
        self._again_before, self._again_changed = end, True

    @property
    def holds_from(self) -> int | None:
        """See Holding."""
        return self._records[0].offset if self._records else None

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Publish the events of a batch of frames, and of those held before; hold those of which it is not known whose they are.

        Which frames came is published of all of them at once.
        """
        values = [record.value for record in batch]
        columns = self._columns_of(values)
        if columns is None:
            self.settle(output)
            frames = list(self._frames(batch, values))
            came = [(offset, *frame) for offset, frame in frames if isinstance(frame, Frame)]
            if came:
                offsets, *columns = (list(column) for column in zip(*came, strict=True))
                self._hear(batch, offsets, columns, output)
            self._publish(self._core.apply(frames), batch, output)
            return None
        self._hear(batch, batch.offsets, columns, output)
        again = self._again(batch)
        if 0 < again < len(batch):
            middle = batch[again].offset
            self._do(batch.part(batch.first, middle), [one[:again] for one in columns], (), output)
            batch, columns, again = batch.part(middle, batch.end), [one[again:] for one in columns], 0
        if again or not (self._published.marks or self._records):
            return self._do(batch, columns, (), output)
        self._batch = batch.part(batch.first, batch.first)
        self._records += batch
        self._columns = columns if not self._columns else [old + new for old, new in zip(self._columns, columns, strict=True)]
        self._came.append((self._records[-1].offset, self._clock()))
        return self._release(output)

    def _hear(self, batch: Batch, offsets: Sequence[int], columns: list[list[Any]], output: Output) -> None:
        """Tell which frames came, and take what they say of those before them."""
        tell(self._runs, batch, [offsets, *columns], self._core.applied, output)
        for row, reason in self._published.look(columns):
            if offsets[row] > self._core.applied:
                output.refuse(batch, offsets[row], f"{REFUSED}: {reason}")

    def _again(self, batch: Batch) -> int:
        """Return how many of a batch's frames, from its begin, are ours whoever has published them."""
        before = self._again_before
        if not before:
            return 0
        if batch.end < before:
            return len(batch)
        self._again_before, self._again_changed = 0, True
        return sum(record.offset < before for record in batch)

    def tick(self, now: int, output: Output) -> None:  # noqa: ARG002 - how long something is held is another clock's
        """Publish what has been held for too long."""
        self._release(output)

    def settle(self, output: Output) -> None:
        """Publish the events of all that is held."""
        for connection_id in dict.fromkeys(self._columns[CONNECTION] if self._columns else ()):
            if connection_id in self._published.marks:
                self._published.give_up(connection_id)
        self._release(output)

    def _release(self, output: Output) -> int | None:
        """Do what is decided of what is held, from its begin; return the time of the last frame that was ours."""
        last: int | None = None
        while self._records:
            flags = self._published.decide(self._columns)
            if flags:
                batch = self._taken(len(flags))
                columns, self._columns = [one[: len(flags)] for one in self._columns], [one[len(flags) :] for one in self._columns]
                received_at = self._do(batch, columns, flags, output)
                last = last if received_at is None else received_at
            elif self._clock() - self._came[0][1] > WAIT_SECONDS or self._too_much():
                self._published.give_up(self._columns[CONNECTION][0])
            else:
                break
        return last

    def _too_much(self) -> bool:
        return len(self._records) > MOST_HELD or sum(map(len, self._columns[PAYLOAD])) > MOST_HELD_BYTES

    def _taken(self, count: int) -> Batch:
        """Take so many records from the begin of what is held, as a batch."""
        assert self._batch is not None
        records, self._records = self._records[:count], self._records[count:]
        of = self._batch
        end = records[-1].offset + 1
        while self._came and self._came[0][0] < end:
            self._came.popleft()
        return Batch(
            records, topic=of.topic, partition=of.partition, first=records[0].offset, end=end, generation=of.generation, epoch=of.epoch
        )

    def _do(self, batch: Batch, columns: list[list[Any]], published: Sequence[bool], output: Output) -> int | None:
        alone = len(batch) == 1 and not any(published)
        made: Iterator[NormalisedEvent | RefusedFrame | Block]
        if alone:
            made = self._core.apply([(batch[0].offset, Frame(*(column[0] for column in columns)))])
        else:
            made = self._core.apply_block(batch.offsets, columns, published)
        self._publish(made, batch, output)
        self._published.forget(self._closed(columns))
        if not published:
            return int(columns[RECEIVED_AT][-1])
        ours = [row for row, theirs in enumerate(published) if not theirs and columns[KIND][row] != "notice"]
        return int(columns[RECEIVED_AT][ours[-1]]) if ours else None

    def _closed(self, columns: list[list[Any]]) -> list[str]:
        if "notice" not in columns[KIND]:
            return []
        rows = zip(columns[CONNECTION], columns[KIND], columns[PAYLOAD], strict=True)
        return [one for one, kind, payload in rows if kind == "notice" and payload.startswith(b'{"notice":"closed"')]

    def _publish(self, made: Iterator[NormalisedEvent | RefusedFrame | Block], batch: Batch, output: Output) -> None:
        for one in made:
            if isinstance(one, RefusedFrame):
                if one.fault is not None:
                    output.fault(batch, one.offset, one.fault, venue=one.venue, event="frame")
                else:
                    output.refuse(batch, one.offset, one.reason)
            elif isinstance(one, Block):
                self._publish_block(one, batch, output)
            else:
                try:
                    output.publish(*one)
                except (InvalidDatum, Reject) as error:
                    output.refuse(batch, self._core.applied, str(error))

    @staticmethod
    def _publish_block(block: Block, batch: Batch, output: Output) -> None:
        try:
            refused = output.publish_block(block.shape.event, block.columns(), len(block.rows))
        except Exception:  # noqa: BLE001 - one datum or a bug spoils the block: say which frame, below
            for offset, part in block.parts():
                with output.isolated(batch, offset, venue=block.venue, event=block.shape.event):
                    for _, reason in output.publish_block(part.shape.event, part.columns(), len(part.rows)):
                        output.refuse(batch, offset, reason)
        else:
            for row, reason in refused:
                output.refuse(batch, block.offsets[row], reason)

    def _columns_of(self, values: Sequence[bytes | None]) -> list[list[Any]] | None:
        """Return the frames of a batch as columns; None where one of them is none."""
        columns = self._messages.columns(values, FIELDS)
        if columns is not None or len(values) >= COLUMNS_FROM:
            return columns
        rows = list(self._messages.rows(values, FIELDS))
        if any(isinstance(row, Exception) for row in rows):
            return None
        return [list(column) for column in zip(*rows, strict=True)]

    def _frames(self, batch: Batch, values: Sequence[bytes | None]) -> Iterator[tuple[int, Frame | Exception]]:
        for record, row in zip(batch, self._messages.rows(values, FIELDS), strict=True):
            yield record.offset, row if isinstance(row, Exception) else Frame(*row)

    def dump(self) -> dict[str, bytes | None]:
        """Return what changed: the connections heard, what their dialect remembers, what their producers publish, the offset."""
        entries = self._core.dump() | self._published.dump()
        if self._again_changed:
            self._again_changed = False
            entries[AGAIN] = b"%d" % self._again_before if self._again_before else None
        return entries
