"""A block of messages of one event as records or columns, whatever schema versions they were written with."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, cast

import polars as pl

from schemas.block_reader import Reader
from schemas.catalogue import Event, Schema
from schemas.codec import Codec, schema_id
from schemas.errors import InvalidDatum
from topology.errors import Reject
from topology.registry import Registry, reading_codec

COLUMNS_FROM = 40
"""Blocks of fewer messages are decoded one by one: a call of polars costs as much as 40 datums."""
FARTHEST = 2**63 - 2**53
"""Numbers farther from zero are no venue's count and no time, and what a stage adds to them would not fit the 64 bits of its state."""


class Messages:
    """Read the messages of one event, asking the registry once for each schema id met; decimals as `numbers` (schemas.codec)."""

    def __init__(self, event: Event, registry: Registry, numbers: type[Decimal | bytes] = Decimal) -> None:
        self.event = event
        self._numbers = numbers
        self._registry = registry
        self._codecs: dict[int, Codec | str] = {}
        """By schema id; or why nobody can read what was written with it."""
        self._readers: dict[tuple[str, ...], Reader] = {}
        self._longs = tuple(field["name"] for field in event.fields if _is_long(field["type"]))

    def codec(self, number: int) -> Codec:
        """Return the codec that reads a schema id; Reject where the registry does not know it, or it is another event's."""
        found = self._codecs.get(number)
        if found is None:
            writer = self._registry.writer_schema(number)
            try:
                found = reading_codec(self.event, number, writer, self._numbers)
            except Reject as error:
                found = str(error)  # a schema never changes: to find that out again costs more than a good message
            self._codecs[number] = found
        if isinstance(found, str):
            raise Reject(found)
        return found

    def records(self, values: Sequence[bytes | None]) -> Iterator[dict[str, Any] | InvalidDatum | Reject]:
        """Yield each message's record, or why it has none, in order."""
        for value in values:
            try:
                if value is None:
                    yield Reject("an empty message: these topics hold no tombstones")
                    continue
                yield self._near(self.codec(schema_id(value)).decode(value))
            except (InvalidDatum, Reject) as error:
                yield error

    def rows(self, values: Sequence[bytes | None], names: Sequence[str]) -> Iterator[tuple[Any, ...] | InvalidDatum | Reject]:
        """Yield each message's fields `names` as a tuple, or why it has none, in order; by columns where the block is large.

        Times are integers in microseconds, enums text. A datum that breaks a block of columns is found one by one.
        """
        columns = self.columns(values, names)
        if columns is not None:
            yield from zip(*columns, strict=True)
            return
        for record in self.records(values):
            yield tuple(record[name] for name in names) if isinstance(record, dict) else record

    def columns(self, values: Sequence[bytes | None], names: Sequence[str]) -> list[list[Any]] | None:
        """Return the fields `names` of a block, a list of values each, in the form `rows` gives them.

        None where they must be read one by one: few messages, none, several schemas, one that is no datum of the event, or has a number
        beyond FARTHEST.
        """
        frame = self.frame(values, names)
        if frame is None:
            return None
        reader = self._reader(tuple(names))
        columns = []
        for name in names:
            column = frame[name].to_list()
            symbols = reader.symbols(name)
            columns.append([symbols[place] for place in column] if symbols else column)
        return columns

    def frame(self, values: Sequence[bytes | None], names: Sequence[str]) -> pl.DataFrame | None:
        """Return the fields `names` of a block as columns, enums as their place (block_reader.place); None as `columns` has it."""
        if len(values) < COLUMNS_FROM:
            return None
        present = [value for value in values if value is not None]
        frame = self._reader(tuple(names)).frame(present) if len(present) == len(values) else None
        return None if frame is None or any(_is_far(frame[name]) for name in names if name in self._longs) else frame

    def _near(self, record: dict[str, Any]) -> dict[str, Any]:
        for name in self._longs:
            number = record[name]
            if number is not None and not -FARTHEST <= number <= FARTHEST:
                raise InvalidDatum(f"{name} is {number}: no venue counts so far, and it is no time")
        return record

    def _reader(self, names: tuple[str, ...]) -> Reader:
        found = self._readers.get(names)
        if found is not None:
            return found

        def writer_of(number: int) -> Schema:
            try:
                return self.codec(number).writer
            except Reject as error:
                raise LookupError(str(error)) from error

        self._readers[names] = Reader(self.event, names, writer_of)
        return self._readers[names]


def _is_long(kind: Any) -> bool:
    kinds = kind if isinstance(kind, list) else [kind]
    return any((one["type"] if isinstance(one, dict) else one) == "long" for one in kinds)


def _is_far(column: pl.Series) -> bool:
    least, most = cast("int | None", column.min()), cast("int | None", column.max())
    return least is not None and most is not None and (least < -FARTHEST or most > FARTHEST)
