"""The work of one partition of one source topic: events in, gaps out. What a message's bug has half changed is begun anew."""

from collections.abc import Mapping, Sequence

import msgspec

from dialects.catalogue import all_dialects
from processors.detect_gaps.readers import Reader, Shared
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.engine.transport import Batch, Record

OFFSET = "applied"
MANY = 600
"""Blocks of fewer messages are looked at one by one: to ask columns costs as much as so many of them."""


class DetectGaps:
    """The gaps of one partition of one source topic (processors.engine.partition.PartitionTask)."""

    def __init__(self, messages: Messages, reader: Reader, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._reader = reader
        self._shared = shared
        self._applied: int = msgspec.msgpack.decode(entries[OFFSET]) if OFFSET in entries else -1

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Look at a batch and publish the gaps it shows or closes."""
        if not batch:
            return None
        self._reader.begin(batch[-1].timestamp * 1000)
        if len(batch) < MANY or batch[0].offset <= self._applied or not self._reader.columns:
            return self._one_by_one(batch, batch, output)
        frame = self._messages.frame([message.value for message in batch], self._reader.columns)
        if frame is None:
            return self._one_by_one(batch, batch, output)
        frame = frame.with_row_index("row")
        begin = 0
        for alone in (*self._reader.alone(frame), len(batch)):
            if alone - begin < MANY:
                self._one_by_one(batch, batch[begin : alone + 1], output)
            else:
                rows = self._reader.settle(frame.slice(begin, alone - begin))
                self._one_by_one(batch, [*map(batch.__getitem__, rows), *batch[alone : alone + 1]], output)
            begin = alone + 1
        self._applied = batch[-1].offset
        return int(frame["received_at"][-1])

    def _one_by_one(self, batch: Batch, messages: Sequence[Record], output: Output) -> int | None:
        """Look at some messages of a batch, each by itself."""
        last: int | None = None
        if not messages:
            return None
        rows = self._messages.rows([message.value for message in messages], self._reader.fields)
        done = self._applied
        for message, row in zip(messages, rows, strict=True):
            if message.offset <= done:
                continue
            self._applied = message.offset
            if isinstance(row, Exception):
                output.refuse(batch, message.offset, str(row))
                continue
            try:
                received_at, made = self._reader.take(row)
                for gap in made:
                    output.publish("gap", gap)
                last = last if received_at is None else received_at
            except Exception as error:  # noqa: BLE001 - `fault` raises what is no message's affair
                output.fault(batch, message.offset, error, venue=_known(row[0]), event=self._messages.event.name)
                self._reader.drop(row)
        return last

    def tick(self, now: int, output: Output) -> None:
        """Announce and end what time alone decides."""
        for gap in self._reader.tick(now):
            output.publish("gap", gap)
        self._shared.open.say(self, self._reader.open())

    def dump(self) -> Mapping[str, bytes | None]:
        """Return what changed, and the offset up to which all is done."""
        return self._reader.dump() | {OFFSET: msgspec.msgpack.encode(self._applied)}


def _known(venue: str) -> str:
    """Return a venue as a label of a metric: a name of ours, never a text from outside."""
    return venue if venue in all_dialects() else ""
