"""`python -m processors.normalise`: raw frames of every venue → trades, book deltas, quotes, instruments."""

from collections.abc import Iterator, Mapping

from dialects.catalogue import all_dialects
from dialects.dialect import Frame, Made
from processors.messages import Messages
from processors.normalise.core import Normaliser, Refused
from processors.stage import Begin, Output, main
from processors.transport import Batch
from schemas.catalogue import event
from schemas.errors import InvalidDatum
from topology.errors import Reject
from topology.registry import Registry
from topology.settings import Settings

FIELDS = ("venue", "origin", "connection_id", "connection_sequence", "received_at", "kind", "request", "payload")


class Normalise:
    """The normaliser of one raw partition."""

    def __init__(self, messages: Messages, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._core = Normaliser(all_dialects(), entries.get("state"))
        self._last: int | None = None

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Publish the events of a batch of frames."""
        made = self._core.apply(self._frames(batch))
        while True:
            try:
                output.publish_many(self._kept(made, batch, output))
            except (InvalidDatum, Reject) as error:
                output.refuse(batch, self._core.applied, str(error))
            else:
                break
        return self._last

    @staticmethod
    def _kept(made: Iterator[Made | Refused], batch: Batch, output: Output) -> Iterator[Made]:
        for one in made:
            if isinstance(one, Refused):
                output.refuse(batch, one.offset, one.reason)
            else:
                yield one

    def _frames(self, batch: Batch) -> Iterator[tuple[int, Frame | Exception]]:
        rows = self._messages.rows([record.value for record in batch], FIELDS)
        for record, row in zip(batch, rows, strict=True):
            if isinstance(row, Exception):
                yield record.offset, row
            else:
                self._last = row[4]
                yield record.offset, Frame(*row)

    def tick(self, now: int, output: Output) -> None:
        """Nothing here waits for time."""

    def dump(self) -> Mapping[str, bytes | None]:
        """Return the whole state: it is small."""
        return {"state": self._core.dump()}


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the raw topic of every dialect."""
    return tuple(event("frame").topic.of(venue) for venue in all_dialects())


def begin_of(_settings: Settings, registry: Registry) -> Begin:
    """Return how the work of a partition begins."""
    messages = Messages(event("frame"), registry)
    return lambda _topic, _partition, entries: Normalise(messages, entries)


if __name__ == "__main__":
    main("normalise", topics_of, begin_of)
