"""An encoder written for one schema: four times as fast as walking the schema for each record (BENCHMARKS.md).

The leading text fields of an event (venue, symbol, origin, connection) hardly change from one event to the next, so their
bytes are remembered as one prefix; the rest is one join. The result is byte for byte what fastavro writes (a test compares).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import repeat
from typing import Any, cast

from schemas.catalogue import Schema
from schemas.decimals import PRECISION, count_of, to_bytes
from schemas.errors import InvalidDatum

LONGEST_MEMORY = 65_536
LONGEST_HEAD = 512
"""Bytes of a prefix that is remembered: names from outside may have any length."""
_HIGH = tuple(bytes(((n & 0x7F) | 0x80, (n >> 7) | 0x80)) for n in range(1 << 14))
LOW = tuple(bytes((n,)) if n < 0x80 else bytes(((n & 0x7F) | 0x80, n >> 7)) for n in range(1 << 14))

_UNSCALED = {bytes}

Encode = Callable[[Mapping[str, Any]], bytes]
EncodeRows = Callable[[Mapping[str, Any], int], list[bytes]]


def zigzag(number: int) -> bytes:
    """Return a long as Avro writes it (https://avro.apache.org/docs/1.12.0/specification/#binary-encoding): 14 bits at a time."""
    n = (number << 1) ^ (number >> 63)
    if n < 1 << 14:
        return LOW[n]
    if n < 1 << 28:
        return _HIGH[n & 0x3FFF] + LOW[n >> 14]
    if n < 1 << 42:
        return _HIGH[n & 0x3FFF] + _HIGH[n >> 14 & 0x3FFF] + LOW[n >> 28]
    if n < 1 << 56:
        return _HIGH[n & 0x3FFF] + _HIGH[n >> 14 & 0x3FFF] + _HIGH[n >> 28 & 0x3FFF] + LOW[n >> 42]
    if n < 1 << 64:
        return _HIGH[n & 0x3FFF] + _HIGH[n >> 14 & 0x3FFF] + _HIGH[n >> 28 & 0x3FFF] + _HIGH[n >> 42 & 0x3FFF] + _last(n >> 56)
    raise InvalidDatum(f"{number} does not fit 64 bits")


def _last(n: int) -> bytes:
    return LOW[n]


def counted(data: bytes) -> bytes:
    """Return bytes behind their length."""
    return zigzag(len(data)) + data


def number(value: Any, precision: int = PRECISION) -> bytes:
    """Return a decimal of 18 decimals behind its length: unscaled bytes as they are, a Decimal exactly or InvalidDatum."""
    if type(value) is bytes:
        return LOW[len(value) << 1] + value
    if not isinstance(value, Decimal) or not value.is_finite():
        raise InvalidDatum(f"{value!r} is neither a finite Decimal nor unscaled bytes: prices never pass through a float")
    return counted(to_bytes(count_of(value, precision)))


def numbers(values: list[Any]) -> bytes:
    """Return an array of decimals: one block and its end."""
    if not values:
        return b"\0"
    if set(map(type, values)) == _UNSCALED:
        return b"".join((zigzag(len(values)), *[LOW[len(value) << 1] + value for value in values], b"\0"))
    return b"".join((zigzag(len(values)), *map(number, values), b"\0"))


def array(values: list[Any], item: Callable[[Any], bytes]) -> bytes:
    """Return an array of what `item` encodes: one block and its end."""
    if not values:
        return b"\0"
    return b"".join((zigzag(len(values)), *map(item, values), b"\0"))


def compile_encoder(schema: Schema, prefix: bytes) -> Encode:
    """Return a function from a record to `prefix` and its datum. Raises InvalidDatum where a record does not fit.

    A field left out is a KeyError turned InvalidDatum: defaults are for readers of older data, not for writers.
    """
    fields = schema["fields"]
    taken = [f"        {_local(index)} = record[{field['name']!r}]" for index, field in enumerate(fields)]
    return cast("Encode", _compiled(schema, prefix, "record", [*taken, *_datum(schema, "        ", "return {}")]))


def compile_rows_encoder(schema: Schema, prefix: bytes) -> EncodeRows:
    """Return a function from columns and their length to what `compile_encoder` makes of each of their records, in order.

    A column that is a list holds one value per record; anything else is the value of every record.
    """
    fields = schema["fields"]
    columns = ", ".join(f"columns[{field['name']!r}]" for field in fields)
    lines = [
        f"        parts = [one if isinstance(one, list) else repeat(one, count) for one in ({columns},)]",
        "        if wrong := [len(one) for one in parts if type(one) is list and len(one) != count]:",
        f"            raise InvalidDatum('a column has %d values for %d records of {schema['name']}' % (wrong[0], count))",
        "        made = []",
        f"        for {''.join(f'{_local(index)}, ' for index in range(len(fields)))} in zip(*parts):",
        *_datum(schema, "            ", "made.append({})"),
        "        return made",
    ]
    return cast("EncodeRows", _compiled(schema, prefix, "columns, count", lines))


def _datum(schema: Schema, indent: str, give: str) -> list[str]:
    """Return lines that `give` the datum of the local values."""
    fields = schema["fields"]
    leading = 0
    while leading < len(fields) and _is_text(fields[leading]["type"]):
        leading += 1
    names = _names()
    parts = [_expression(field["type"], _local(index), names, index) for index, field in enumerate(fields)]
    key = f"({''.join(f'{_local(i)}, ' for i in range(leading))})"
    lines = [
        f"head = remembered.get({key})",
        "if head is None:",
        f"    if len(remembered) > {LONGEST_MEMORY}: remembered.clear()",
        f"    head = prefix + b''.join(({''.join(f'{part}, ' for part in parts[:leading])}))",
        f"    if len(head) <= {LONGEST_HEAD}: remembered[{key}] = head",
        give.format(f"b''.join((head, {''.join(f'{part}, ' for part in parts[leading:])}))"),
    ]
    return [indent + line for line in lines]


def _compiled(schema: Schema, prefix: bytes, arguments: str, lines: list[str]) -> object:
    """Return a function of these lines, in which every error of a value's type or kind is InvalidDatum."""
    names = _names()
    for index, field in enumerate(schema["fields"]):
        _expression(field["type"], _local(index), names, index)
    text = [
        f"def encode({arguments}):",
        "    try:",
        *lines,
        "    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:",
        f"        raise InvalidDatum('does not fit {schema['name']}: %s %s' % (type(error).__name__, error)) from error",
    ]
    scope: dict[str, Any] = {**names, "prefix": prefix, "remembered": {}}
    exec("\n".join(text), scope)  # noqa: S102 - the text is made here from our own schema, as dataclasses does
    return scope["encode"]


def compile_value(kind: Any) -> Callable[[Any], bytes]:
    """Return a function from one field's value to its bytes; it raises InvalidDatum, KeyError, TypeError or AttributeError."""
    names = _names()
    found: Callable[[Any], bytes] = eval(f"lambda value: {_expression(kind, 'value', names, 0)}", names)  # noqa: S307 - text made here from our own schema
    return found


def _names() -> dict[str, Any]:
    return {
        "zigzag": zigzag,
        "counted": counted,
        "number": number,
        "numbers": numbers,
        "array": array,
        "LOW": LOW,
        "InvalidDatum": InvalidDatum,
        "repeat": repeat,
    }


def _local(index: int) -> str:
    return f"v{index}"


def _is_text(kind: Any) -> bool:
    return kind == "string" or (isinstance(kind, dict) and kind.get("type") == "enum")


def _expression(kind: Any, value: str, names: dict[str, Any], index: int) -> str:
    if isinstance(kind, list):
        other = next(one for one in kind if one != "null")
        null, present = (b"\0", b"\2") if kind[0] == "null" else (b"\2", b"\0")
        return f"({null!r} if {value} is None else {present!r} + {_expression(other, value, names, index)})"
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            names[f"symbols{index}"] = {symbol: zigzag(place) for place, symbol in enumerate(kind["symbols"])}
            return f"symbols{index}[{value}]"
        if kind["type"] == "array":
            if isinstance(kind["items"], dict) and kind["items"].get("logicalType") == "decimal":
                return f"numbers({value})"
            names[f"item{index}"] = compile_value(kind["items"])
            return f"array({value}, item{index})"
        if kind.get("logicalType") == "decimal":
            return f"number({value})" if kind["precision"] == PRECISION else f"number({value}, {kind['precision']})"
        kind = kind["type"]
    return {
        "string": f"counted({value}.encode())",
        "bytes": f"counted({value})",
        "long": f"zigzag({value})",
        "int": f"zigzag({value})",
        "boolean": f"(b'\\1' if {value} else b'\\0')",
    }[kind]
