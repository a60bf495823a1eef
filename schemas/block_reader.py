"""Blocks of messages of one event, read as columns or one by one, from the bytes as Kafka gave them: the one way to read many datums.

A block's message values are joined as they are, wire prefix and all: the schema they are read with begins with five fixed bytes for
it. That saves a cut per message, and the prefix marks where each datum begins. A last datum of ours, behind five bytes that nobody
could know before, must come out last. So a malformed datum, bytes too many behind one, or two datums in one message never shift
what comes after without being noticed: the block is refused as columns, and each message is read alone.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import polars as pl

from schemas.catalogue import Event, Schema
from schemas.codec import PREFIX, Codec, header, schema_id
from schemas.decimals import LARGEST, LARGEST_SUM, PRECISION, SUM_PRECISION, from_bytes
from schemas.encoder import zigzag
from schemas.errors import InvalidDatum

Record = dict[str, Any]
WIRE = "wire_prefix"
_LARGEST = {PRECISION: LARGEST, SUM_PRECISION: LARGEST_SUM}
_WIDEST = {PRECISION: 16, SUM_PRECISION: 32}
"""Bytes of the longest decimal, by its digits."""
_FIXED: Schema = {"name": WIRE, "type": {"type": "fixed", "name": "WirePrefix", "size": PREFIX}}


class Block(NamedTuple):
    """Messages of one partition in order: their values in wire format, and their offsets (ascending, of the same length)."""

    values: Sequence[bytes]
    offsets: Sequence[int]

    def after(self, offset: int) -> "Block":
        """Return the messages behind an offset."""
        return self if not self.offsets or self.offsets[0] > offset else self.cut(offset)[1]

    def cut(self, offset: int) -> tuple["Block", "Block"]:
        """Return the messages up to an offset, inclusive, and those behind it."""
        at = bisect_right(self.offsets, offset)
        return Block(self.values[:at], self.offsets[:at]), Block(self.values[at:], self.offsets[at:])


class Rejected(NamedTuple):
    """A message that is no datum of its event: its offset, and why, in words for the dead letter."""

    offset: int
    reason: str


def block_head(writer: Schema, *, bare: bool = False, sums_as_bytes: bool = False) -> bytes:
    """Return the head that `read_block` needs for one writer's datums.

    `bare`: times come as integers (microseconds) and enums as their place, which is cheaper than datetimes and categories.
    Sums, decimals of more digits than a column's 128 bits hold, come as decimals of 38 digits; a block in which one has more than
    16 bytes is none then. `sums_as_bytes`: they come as their unscaled bytes, whatever they hold.
    """
    fields = [
        {"name": field["name"], "type": _summed(_bare(field["type"]) if bare else field["type"], as_bytes=sums_as_bytes)}
        for field in writer["fields"]
    ]
    return header({**writer, "fields": [_FIXED, *fields]})


def sums(writer: Schema) -> list[str]:
    """Return the names of the fields whose decimals have more digits than a column holds."""
    return [field["name"] for field in writer["fields"] if _digits(field["type"]) > PRECISION]


def place(event: Event, field: str, symbol: str) -> int:
    """Return the place of an enum's symbol, by which a column of the field has it; ValueError where the field has no such symbol."""
    return _symbols(next(one["type"] for one in event.fields if one["name"] == field)).index(symbol)


def read_block(head: bytes, values: Sequence[bytes], columns: Sequence[str] | None = None) -> pl.DataFrame | None:
    """Return message values of one schema id as columns, a row each in order; all columns, or those named.

    None where there is no value, or one of them is not exactly one datum of the schema `head` was made for: then each must be read alone.
    """
    if not values:
        return None
    prefix, marker = values[0][:PREFIX], os.urandom(16)
    last = marker[:PREFIX]
    body = b"".join((*values, last, values[0][PREFIX:]))
    file = b"".join((head, marker, zigzag(len(values) + 1), zigzag(len(body)), body, marker))
    try:
        frame = pl.read_avro(BytesIO(file), columns=None if columns is None else [WIRE, *columns])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OverflowError, OSError):
        return None
    count = len(values)
    marks = frame.drop_in_place(WIRE)
    if len(frame) != count + 1 or marks[count] != last or marks[0] != prefix or marks.n_unique() != 2:
        return None
    return frame.head(count)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one writer's datums are read: as columns (head None where that is not possible), and one by one."""

    head: bytes | None
    columns: list[str]
    codec: Codec


class Reader:
    """Reads the named fields of one event, whatever version of its schema wrote them.

    Decimals are counts of 10⁻¹⁸ (columns: Int128 behind a Decimal; rows: int), alone or in lists, times microseconds, enums their
    place among the event's own symbols. `writer_of` gives the schema registered under an id (LookupError where there is none).
    """

    def __init__(self, event: Event, fields: Sequence[str], writer_of: Callable[[int], Schema]) -> None:
        self.event = event
        self.fields = tuple(fields)
        self._kinds = {field["name"]: field for field in event.fields}
        self._writer_of = writer_of
        self._layouts: dict[bytes, _Layout | str] = {}
        """By the prefix of a schema id; or why nobody can read what was written with it."""
        self._decimals = tuple((name, digits) for name in fields if (digits := _digits(self._kinds[name]["type"])))
        self._lists = tuple(name for name in fields if _is_list(self._kinds[name]["type"]))
        self._enums = {name: _symbols(self._kinds[name]["type"]) for name in fields if _symbols(self._kinds[name]["type"])}
        self._places = [(name, {symbol: place for place, symbol in enumerate(symbols)}) for name, symbols in self._enums.items()]

    def frames(self, block: Block, smallest: int = 1) -> Iterator[tuple[Block, pl.DataFrame | None]]:
        """Yield a block in order as stretches of one schema id, each with its columns.

        The columns are None where a stretch must be read as rows: it is shorter than `smallest`, or holds a malformed datum.
        """
        frame = self.frame(block.values) if len(block.values) >= smallest else None
        if frame is not None or len(block.values) < smallest:
            yield block, frame
            return
        prefixes = [value[:PREFIX] for value in block.values]
        begin = 0
        for at in range(1, len(prefixes) + 1):
            if at == len(prefixes) or prefixes[at] != prefixes[begin]:
                stretch = Block(block.values[begin:at], block.offsets[begin:at])
                whole = at - begin == len(prefixes)  # tried already
                yield stretch, None if whole or at - begin < smallest else self.frame(stretch.values)
                begin = at

    def frame(self, values: Sequence[bytes]) -> pl.DataFrame | None:
        """Return messages of one schema id as columns; None where they can't be read so and must be read as rows."""
        if not values:
            return None
        try:
            layout = self._layout(values[0][:PREFIX])
        except InvalidDatum:
            return None
        if layout.head is None:
            return None
        frame = read_block(layout.head, values, layout.columns)
        missing = [] if frame is None else [name for name in self.fields if name not in layout.columns]
        return frame.with_columns(pl.lit(self._default(name)).alias(name) for name in missing) if frame is not None and missing else frame

    def rows(self, block: Block) -> tuple[list[Record], list[int], list[Rejected]]:
        """Return messages as records with their offsets, and those that are no datum of the event."""
        records: list[Record] = []
        offsets: list[int] = []
        rejected: list[Rejected] = []
        for value, offset in zip(block.values, block.offsets, strict=True):
            try:
                records.append(self.row(value))
                offsets.append(offset)
            except InvalidDatum as error:
                rejected.append(Rejected(offset, str(error)))
        return records, offsets, rejected

    def row(self, value: bytes) -> Record:
        """Return one message as a record of all its fields; InvalidDatum where it is no datum of the event."""
        record = self._layout(value[:PREFIX]).codec.decode(value)
        try:
            for name, digits in self._decimals:
                value = record[name]
                if value is not None:
                    record[name] = _number(value, digits)
            for name in self._lists:
                record[name] = [_number(one, PRECISION) for one in record[name]]
            for name, places in self._places:
                record[name] = places[record[name]]
        except (ValueError, KeyError) as error:
            raise InvalidDatum(f"not a datum of {self.event.name}: {error}") from error
        return record

    def symbols(self, field: str) -> list[str]:
        """Return an enum field's symbols, in the order that `frame` and `rows` count them by; none for another field."""
        return self._enums.get(field, [])

    def _layout(self, prefix: bytes) -> _Layout:
        found = self._layouts.get(prefix)
        if isinstance(found, str):
            raise InvalidDatum(found)
        if found is None:
            number = schema_id(prefix)
            try:
                writer = self._writer_of(number)
            except LookupError as error:
                raise InvalidDatum(str(error) or f"no schema is registered under id {number}") from error
            try:
                found = self._layouts[prefix] = self._lay_out(number, writer)
            except Exception as error:
                reason = self._layouts[prefix] = f"schema id {number} cannot be read as {self.event.name}: {error or type(error).__name__}"
                raise InvalidDatum(reason) from error
        return found

    def _lay_out(self, number: int, writer: Schema) -> _Layout:
        kinds = {field["name"]: field["type"] for field in writer["fields"]}
        same = all(_symbols(kinds[name]) == symbols[: len(_symbols(kinds[name]))] for name, symbols in self._enums.items() if name in kinds)
        head = block_head(writer, bare=True) if same and not set(sums(writer)).intersection(self.fields) else None
        codec = Codec(self.event, number, None if writer == self.event.schema else writer, bytes)
        return _Layout(head, [name for name in self.fields if name in kinds], codec)

    def _default(self, name: str) -> Any:
        default = self._kinds[name].get("default")
        return self._enums[name].index(default) if name in self._enums and default is not None else default


def _number(data: bytes, precision: int) -> int:
    if len(data) > _WIDEST[precision]:
        raise ValueError(f"a decimal of {len(data)} bytes has more than {precision} digits")
    number = from_bytes(data)
    if not -_LARGEST[precision] <= number <= _LARGEST[precision]:
        raise ValueError(f"{number} has more than {precision} digits")
    return number


def _summed(kind: Any, *, as_bytes: bool) -> Any:
    """Return a sum's type as bytes, or as a decimal of as many digits as a column has; other types as they are."""
    if isinstance(kind, list):
        return [_summed(one, as_bytes=as_bytes) for one in kind]
    if isinstance(kind, dict) and _digits(kind) > PRECISION:
        return kind["type"] if as_bytes else {**kind, "precision": PRECISION}
    return kind


def _bare(kind: Any) -> Any:
    """Enums as their place and times as integers: both are the same bytes."""
    if isinstance(kind, list):
        return [_bare(one) for one in kind]
    if isinstance(kind, dict) and kind.get("type") == "enum":
        return "int"
    if isinstance(kind, dict) and kind.get("logicalType") == "timestamp-micros":
        return kind["type"]
    return kind


def _digits(kind: Any) -> int:
    """How many digits a decimal type has, 0 for another type; of a union, its decimal's."""
    if isinstance(kind, list):
        return max(map(_digits, kind))
    return int(kind["precision"]) if isinstance(kind, dict) and kind.get("logicalType") == "decimal" else 0


def _is_list(kind: Any) -> bool:
    return isinstance(kind, dict) and kind.get("type") == "array" and _digits(kind["items"]) > 0


def _symbols(kind: Any) -> list[str]:
    return list(kind["symbols"]) if isinstance(kind, dict) and kind.get("type") == "enum" else []
