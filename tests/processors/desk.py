"""A processor's work run by hand: messages in as they are fetched, and what it publishes, refuses and finds broken."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from processors.engine.messages import Messages
from processors.engine.transport import Batch
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.errors import InvalidDatum


class Fetched(NamedTuple):
    """As much of a fetched record as is looked at."""

    offset: int
    value: bytes
    key: bytes | None = None
    timestamp: int = 0
    timestamp_type: int = 0


class KnownSchemas:
    """A registry that knows the newest schema of one event."""

    def __init__(self, name: str) -> None:
        self._schema = event(name).schema

    def writer_schema(self, _number: int) -> Any:
        """Return it."""
        return self._schema


class Desk:
    """Where a work's results go: publish, refuse and fault of `Output`."""

    def __init__(self) -> None:
        self.made: list[tuple[str, Any]] = []
        self.faults: list[tuple[int, str, str]] = []
        self.refused: list[int] = []

    @property
    def gaps(self) -> list[Any]:
        """The gaps published."""
        return [record for name, record in self.made if name == "gap"]

    def publish(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep an event."""
        self.made.append((name, record))

    def refuse(self, _batch: Batch, offset: int, _reason: str) -> None:
        """Keep a refusal."""
        self.refused.append(offset)

    def fault(self, batch: Batch, offset: int, error: BaseException, *, venue: str, event: str) -> None:
        """Keep a fault."""
        if isinstance(error, InvalidDatum):
            self.refuse(batch, offset, str(error))
        else:
            self.faults.append((offset, venue, event))


def messages(name: str) -> Messages:
    """Return what reads the messages of an event."""
    return Messages(event(name), KnownSchemas(name), bytes)  # type: ignore[arg-type]


def batch(name: str, records: Sequence[Mapping[str, Any]], first: int = 0, published_at: int = 0) -> Batch:
    """Return records as a batch of their topic, from an offset on; fields left out have the schema's defaults.

    `published_at`: in microseconds, whole milliseconds.
    """
    codec = Codec(event(name), 1, event(name).schema, bytes)
    defaults = {field["name"]: field["default"] for field in event(name).fields if "default" in field}
    values = [codec.encode({**defaults, **record}) for record in records]
    fetched: list[Any] = [Fetched(offset, value, timestamp=published_at // 1000) for offset, value in enumerate(values, first)]
    return Batch(fetched, topic=event(name).topic.name, partition=0, first=first, end=first + len(fetched), generation=1)
