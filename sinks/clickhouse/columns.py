"""An event's Avro fields as ClickHouse columns: the only place that knows both type systems.

Codecs were chosen by measurement on recorded trades (BENCHMARKS.md): differences then ZSTD(3) for what grows (times, sequences),
ZSTD(3) for the rest. DoubleDelta loses on bursty times; Delta does not take a Decimal(38,18), which is 16 bytes wide.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.catalogue import Schema
from topology.errors import Fatal

REPEATED = frozenset({"venue", "symbol", "connection_id", "interval", "channel", "stage", "topic", "base", "quote", "status"})
"""Text fields with few values over many rows: stored once each. Other text (trade ids, reasons) is stored as it is."""

GROWING = "Delta(8), ZSTD(3)"
PLAIN = "ZSTD(3)"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its ClickHouse type, what a row without it gets (an SQL expression, or ""), its codec and its meaning."""

    name: str
    type: str
    default: str
    codec: str
    comment: str

    @property
    def definition(self) -> str:
        """The column as CREATE TABLE and ALTER TABLE ADD COLUMN take it."""
        default = f" DEFAULT {self.default}" if self.default else ""
        return f"`{self.name}` {self.type}{default} COMMENT {literal(self.comment)} CODEC({self.codec})"


def columns(schema: Schema) -> tuple[Column, ...]:
    """Return the columns of a record's fields, in their order; Fatal where a type has no column."""
    return tuple(_column(field) for field in schema["fields"])


SUMMED = ("Decimal(38, 18)", "Decimal(76, 18)")
"""A sum's older type and today's: a table's column is widened so, by itself."""
WIDENED = {("Int32", "Int64"), ("String", "LowCardinality(String)"), ("LowCardinality(String)", "String"), SUMMED}
"""Pairs of an older type and today's that ClickHouse reads without loss."""


def unfit(schema: Schema, writer: Any) -> str:
    """Return why records of a writer's schema cannot be rows of a schema's table, or "" where they can.

    It must be of the same record, have every field that has no default, and no field of another type.
    """
    if not isinstance(writer, dict) or writer.get("type") != "record" or writer["name"] != schema["name"]:
        found = writer.get("name", writer.get("type")) if isinstance(writer, dict) else writer
        return f"its schema is of {found}, not of {schema['name']}"
    try:
        written = {column.name: column.type for column in columns(writer)}
    except Fatal as error:
        return str(error)
    for column, field in zip(columns(schema), schema["fields"], strict=True):
        found = written.get(column.name)
        if found is None and "default" not in field:
            return f"its schema lacks {column.name}"
        if found is not None and found != column.type and not _fits(found, column.type):
            return f"its schema has {column.name} as {found}, the table as {column.type}"
    return ""


def _fits(written: str, wanted: str) -> bool:
    pair = (_bare(written), _bare(wanted)) if "Nullable(" in wanted else (written, wanted)
    return pair in WIDENED or pair[0] == pair[1]


def _bare(kind: str) -> str:
    return kind.replace("Nullable(", "", 1)[:-1] if "Nullable(" in kind else kind


def literal(text: str) -> str:
    """Return a text as an SQL string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _column(field: Mapping[str, Any]) -> Column:
    name, kind = field["name"], field["type"]
    nullable = isinstance(kind, list)
    if nullable:
        others = [one for one in kind if one != "null"]
        if len(others) != 1 or len(others) == len(kind):
            raise Fatal(f"field {name}: a union of null and one type has a column, {json.dumps(kind)} has none")
        kind = others[0]
    plain, codec = _type(name, kind)
    if nullable and plain.startswith("Array("):
        raise Fatal(f"field {name}: ClickHouse has no nullable array; let the field default to an empty one")
    return Column(name, _nullable(plain) if nullable else plain, _default(field, kind), codec, field.get("doc", ""))


def _type(name: str, kind: Any) -> tuple[str, str]:
    if isinstance(kind, str):
        kind = {"type": kind}
    match kind:
        case {"logicalType": "timestamp-micros"}:
            return "DateTime64(6, 'UTC')", GROWING
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            return f"Decimal({precision}, {scale})", PLAIN
        case {"type": "enum"}:
            return "LowCardinality(String)", PLAIN
        case {"type": "array", "items": items}:
            return f"Array({_type(name, items)[0]})", PLAIN
        case {"type": "string"}:
            return ("LowCardinality(String)" if name in REPEATED else "String"), PLAIN
        case {"type": "bytes"}:
            return "String", PLAIN
        case {"type": "boolean"}:
            return "Bool", PLAIN
        case {"type": "int"}:
            return "Int32", PLAIN
        case {"type": "long"}:
            return "Int64", GROWING
        case _:
            raise Fatal(f"field {name}: no column type for {json.dumps(kind)}")


def _nullable(plain: str) -> str:
    if plain.startswith("LowCardinality("):
        return f"LowCardinality(Nullable({plain.removeprefix('LowCardinality(').removesuffix(')')}))"
    return f"Nullable({plain})"


def _default(field: Mapping[str, Any], kind: Any) -> str:
    """Return the Avro default as SQL: a row written before the field was there reads as an Avro reader would read it."""
    match field.get("default"):
        case None:
            return ""
        case bool(value):
            return "true" if value else "false"
        case int(value):
            return str(value)
        case str(value) if isinstance(kind, str) or kind.get("type") == "enum":
            return literal(value)
        case []:
            return "[]"
        case other:
            raise Fatal(f"field {field['name']}: no SQL for the default {other!r}")
