"""`python -m processors.normalise`: raw frames of every venue → trades, book deltas, quotes, instruments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import Block, NormalisedEvent, Normaliser, RefusedFrame
from processors.engine.messages import COLUMNS_FROM, Messages
from processors.engine.output import Output
from processors.engine.stage import NewTask, main
from processors.engine.transport import Batch
from schemas.catalogue import event
from schemas.errors import InvalidDatum
from topology.errors import Reject
from topology.registry import Registry
from topology.settings import Settings

FIELDS = ("venue", "origin", "connection_id", "connection_sequence", "received_at", "kind", "request", "payload")
RECEIVED_AT = FIELDS.index("received_at")


class Normalise:
    """The normaliser of one raw partition."""

    def __init__(self, messages: Messages, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._core = Normaliser(all_dialects(), entries)
        self._last: int | None = None

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Publish the events of a batch of frames."""
        values = [record.value for record in batch]
        made: Iterator[NormalisedEvent | RefusedFrame | Block]
        if (columns := self._columns(values)) is not None:
            self._last = columns[RECEIVED_AT][-1]
            made = self._core.apply_block([record.offset for record in batch], columns)
        else:
            made = self._core.apply(self._frames(batch, values))
        for one in made:
            if isinstance(one, RefusedFrame):
                if one.fault is not None:
                    output.fault(batch, one.offset, one.fault, venue=one.venue, event="frame")
                else:
                    output.refuse(batch, one.offset, one.reason)
            elif isinstance(one, Block):
                self._publish(one, batch, output)
            else:
                try:
                    output.publish(*one)
                except (InvalidDatum, Reject) as error:
                    output.refuse(batch, self._core.applied, str(error))
        return self._last

    def _columns(self, values: Sequence[bytes | None]) -> list[list[Any]] | None:
        """Return the frames of a batch as columns; None where one of them is none, or it is alone: that is faster by itself."""
        columns = self._messages.columns(values, FIELDS)
        if columns is not None or not 1 < len(values) < COLUMNS_FROM:
            return columns
        rows = list(self._messages.rows(values, FIELDS))
        if any(isinstance(row, Exception) for row in rows):
            return None
        return [list(column) for column in zip(*rows, strict=True)]

    @staticmethod
    def _publish(block: Block, batch: Batch, output: Output) -> None:
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

    def _frames(self, batch: Batch, values: Sequence[bytes | None]) -> Iterator[tuple[int, Frame | Exception]]:
        for record, row in zip(batch, self._messages.rows(values, FIELDS), strict=True):
            if isinstance(row, Exception):
                yield record.offset, row
            else:
                self._last = row[RECEIVED_AT]
                yield record.offset, Frame(*row)

    def tick(self, now: int, output: Output) -> None:
        """Nothing here waits for time."""

    def dump(self) -> Mapping[str, bytes | None]:
        """Return what changed: the connections heard, what their dialect remembers, the offset."""
        return self._core.dump()


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the raw topic of every dialect."""
    return tuple(event("frame").topic.of(venue) for venue in all_dialects())


def begin_of(_settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    messages = Messages(event("frame"), registry)
    return lambda _topic, _partition, entries: Normalise(messages, entries)


if __name__ == "__main__":
    main("normalise", topics_of, begin_of)
