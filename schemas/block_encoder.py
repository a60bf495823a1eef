"""An encoder of many records of one schema at once, from columns: half the time of one by one (BENCHMARKS.md).

A column that is a list holds one value per record; anything else is the value of every record. The bytes are those that
`compile_encoder` writes for the same records (a test compares).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.catalogue import Schema
from schemas.encoder import LOW, compile_rows_encoder, compile_value
from schemas.errors import InvalidDatum

EncodeBlock = Callable[[Mapping[str, Any], int], list[bytes]]
Column = Callable[[Sequence[Any]], Iterable[bytes]]
_LONGEST_VARINT = 10
_SHARED = 4
"""A text column with this many times fewer values than rows is encoded once per value."""
_SHORT = len(LOW) >> 1
FEW = 24
"""Records that are as fast one after the other."""
SMALL = 100
"""Rows of a column below which its numbers are written one by one: numpy's own cost per column is that of so many."""
_PRESENT = b"\2"
_LOW_PRESENT = tuple(_PRESENT + one for one in LOW)


def compile_block_encoder(schema: Schema, prefix: bytes) -> EncodeBlock:
    """Return a function from columns and their length to one message value per record, in order.

    It raises InvalidDatum where any value does not fit; which record it is, `compile_encoder` tells.
    """
    fields = [(field["name"], compile_value(field["type"]), _column(field["type"])) for field in schema["fields"]]
    encode_rows = compile_rows_encoder(schema, prefix)

    def encode(columns: Mapping[str, Any], count: int) -> list[bytes]:
        if count <= FEW:
            return encode_rows(columns, count)
        parts: list[Iterable[bytes]] = []
        same = prefix
        try:
            for name, one, many in fields:
                column = columns[name]
                if not isinstance(column, list):
                    same += one(column)
                    continue
                if len(column) != count:
                    raise InvalidDatum(f"{name} has {len(column)} values for {count} records of {schema['name']}")
                if same:
                    parts.append(repeat(same, count))
                    same = b""
                parts.append(many(column))
            if same:
                parts.append(repeat(same, count))
            return list(map(b"".join, zip(*parts, strict=True)))
        except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise InvalidDatum(f"does not fit {schema['name']}: {type(error).__name__} {error}") from error

    return encode


def varints(values: Sequence[int], head: bytes = b"") -> list[bytes]:
    """Return each long as Avro writes it, behind `head`; InvalidDatum where one is no 64-bit integer.

    Every number is spread over a row of ten bytes, of which the unused last ones are zero: numpy's byte strings end before
    them. Only the number 0 ends in a zero of its own.
    """
    numbers = np.array(values)
    if numbers.dtype != np.int64:
        odd = next((one for one in values if type(one) is not int or abs(one) >> 63), values[0])
        raise InvalidDatum(f"not whole numbers of 64 bits: {odd!r}")
    rest = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    rows: NDArray[np.uint8] = np.zeros((len(rest), len(head) + _LONGEST_VARINT), np.uint8)
    rows[:, : len(head)] = list(head)
    zeros = rest == 0
    for place in range(len(head), len(head) + _LONGEST_VARINT):
        more = rest >> np.uint64(7)
        goes_on = more != 0
        rows[:, place] = (rest & np.uint64(0x7F)).astype(np.uint8) | (goes_on.view(np.uint8) << 7)
        if not goes_on.any():
            break
        rest = more
    found: list[bytes] = rows.view(f"S{rows.shape[1]}").ravel().tolist()
    for index in np.flatnonzero(zeros):
        found[index] = head + b"\0"
    return found


def _column(kind: Any) -> Column:
    one = compile_value(kind)
    head, inner = b"", kind
    if isinstance(kind, list):
        head, inner = (_PRESENT if kind[0] == "null" else b"\0"), next(other for other in kind if other != "null")
    logical = inner.get("logicalType") if isinstance(inner, dict) else None
    plain = inner["type"] if isinstance(inner, dict) else inner
    if logical == "decimal" and head in {b"", _PRESENT}:
        return _decimals(_LOW_PRESENT if head else LOW, one)
    if plain in {"long", "int"}:
        return lambda values: map(one, values) if len(values) < SMALL or (head and None in values) else varints(values, head)
    if not head and plain in {"string", "enum"}:
        return lambda values: _texts(values, one, is_free=plain == "string")
    return lambda values: map(one, values)


def _decimals(lengths: Sequence[bytes], one: Callable[[Any], bytes]) -> Column:
    def column(values: Sequence[Any]) -> Iterable[bytes]:
        if set(map(type, values)) == {bytes}:
            return [lengths[len(value) << 1] + value for value in values]
        return map(one, values)

    return column


def _texts(values: Sequence[Any], one: Callable[[Any], bytes], *, is_free: bool) -> Iterable[bytes]:
    distinct = set(values)
    if is_free and len(distinct) * _SHARED > len(values):
        encoded = [value.encode() for value in values]
        return [LOW[len(value) << 1] + value for value in encoded] if max(map(len, encoded)) < _SHORT else map(one, values)
    known = {value: one(value) for value in distinct}
    return [known[value] for value in values]
