"""A block of messages of one event as records or columns, whatever schema versions they were written with."""

import io
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import polars

from schemas.catalogue import Event
from schemas.codec import Codec, schema_id
from schemas.errors import InvalidDatum
from topology.errors import Reject
from topology.registry import Registry

COLUMNS_FROM = 40
"""Blocks of fewer messages are decoded one by one: a call of polars costs as much as 40 datums."""


class Messages:
    """Read the messages of one event, asking the registry once for each schema id met; decimals as `numbers` (schemas.codec)."""

    def __init__(self, event: Event, registry: Registry, numbers: type[Decimal | bytes] = Decimal) -> None:
        self.event = event
        self._numbers = numbers
        self._registry = registry
        self._codecs: dict[int, Codec] = {}

    def codec(self, number: int) -> Codec:
        """Return the codec that reads a schema id; Reject where the registry does not know it, or it is another event's."""
        if number not in self._codecs:
            writer = self._registry.writer_schema(number)
            if writer.get("name") != self.event.schema["name"]:
                raise Reject(f"schema id {number} is a {writer.get('name')}, not a {self.event.schema['name']}")
            self._codecs[number] = Codec(self.event, number, writer, self._numbers)
        return self._codecs[number]

    def records(self, values: Sequence[bytes | None]) -> Iterator[dict[str, Any] | InvalidDatum | Reject]:
        """Yield each message's record, or why it has none, in order."""
        for value in values:
            try:
                if value is None:
                    yield Reject("an empty message: these topics hold no tombstones")
                    continue
                yield self.codec(schema_id(value)).decode(value)
            except (InvalidDatum, Reject) as error:
                yield error

    def rows(self, values: Sequence[bytes | None], names: Sequence[str]) -> Iterator[tuple[Any, ...] | InvalidDatum | Reject]:
        """Yield each message's fields `names` as a tuple, or why it has none, in order; by columns where the block is large.

        Times are integers in microseconds, enums text. A datum that breaks a block of columns is found one by one.
        """
        for number, group in groupby(values, _id_of):
            block = list(group)
            try:
                codec = self.codec(number)
                if len(block) >= COLUMNS_FROM and codec.writer["fields"] == self.event.schema["fields"]:
                    yield from _columns(codec, [value for value in block if value is not None], names)
                    continue
            except (InvalidDatum, Reject, polars.exceptions.PolarsError):
                """One datum spoils the block: say which, below."""
            for record in self.records(block):
                yield tuple(record[name] for name in names) if isinstance(record, dict) else record


def _id_of(value: bytes | None) -> int:
    return -1 if value is None or len(value) < 5 else int.from_bytes(value[1:5], "big")


def _columns(codec: Codec, values: Sequence[bytes], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    frame = polars.read_avro(io.BytesIO(codec.container(values)), columns=list(names))
    columns = []
    for name in names:
        column = frame[name]
        if isinstance(column.dtype, polars.Datetime):
            column = column.cast(polars.Int64)
        elif isinstance(column.dtype, polars.Categorical | polars.Enum):
            column = column.cast(polars.String)
        columns.append(column.to_list())
    return zip(*columns, strict=True)
