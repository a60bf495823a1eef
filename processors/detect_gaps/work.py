"""The work of one partition of one source topic: events in, gaps out. What a message's bug has half changed is begun anew."""

from collections.abc import Mapping

import msgspec

from dialects.catalogue import all_dialects
from processors.detect_gaps.readers import Reader, Shared
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.engine.transport import Batch

OFFSET = "applied"


class DetectGaps:
    """The gaps of one partition of one source topic (processors.engine.partition.PartitionTask)."""

    def __init__(self, messages: Messages, reader: Reader, shared: Shared, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._reader = reader
        self._shared = shared
        self._applied: int = msgspec.msgpack.decode(entries[OFFSET]) if OFFSET in entries else -1

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Look at a batch and publish the gaps it shows or closes."""
        last: int | None = None
        if batch:
            self._reader.begin(batch[-1].timestamp * 1000)
        rows = self._messages.rows([message.value for message in batch], self._reader.fields)
        for message, row in zip(batch, rows, strict=True):
            if message.offset <= self._applied:
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
