"""Avro fields as ClickHouse columns."""

import re
from typing import Any

import pytest

from schemas.catalogue import event, events
from sinks.clickhouse.columns import columns, unfit
from topology.errors import Fatal

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 18}


def schema(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("time", {"type": "long", "logicalType": "timestamp-micros"}, "DateTime64(6, 'UTC')"),
        ("time", ["null", {"type": "long", "logicalType": "timestamp-micros"}], "Nullable(DateTime64(6, 'UTC'))"),
        ("price", DECIMAL, "Decimal(38, 18)"),
        ("prices", {"type": "array", "items": DECIMAL}, "Array(Decimal(38, 18))"),
        ("venue", "string", "LowCardinality(String)"),
        ("connection_id", ["null", "string"], "LowCardinality(Nullable(String))"),
        ("trade_id", "string", "String"),
        ("side", {"type": "enum", "name": "Side", "symbols": ["buy"]}, "LowCardinality(String)"),
        ("replayed", "boolean", "Bool"),
        ("count", "int", "Int32"),
        ("sequence", ["null", "long"], "Nullable(Int64)"),
        ("payload", "bytes", "String"),
    ],
)
def test_types(name: str, kind: Any, expected: str) -> None:
    """Each Avro type of ours has one column type."""
    assert columns(schema({"name": name, "type": kind}))[0].type == expected


@pytest.mark.parametrize("kind", ["double", "float", {"type": "map", "values": "long"}, ["null", "int", "long"], ["long", "int"]])
def test_types_without_a_column(kind: Any) -> None:
    """A type no table may hold (a float among them) stops the sink and names the field."""
    with pytest.raises(Fatal, match="field x"):
        columns(schema({"name": "x", "type": kind}))


def test_comments_are_the_docs() -> None:
    """A column says what its field means, whatever quotes that takes."""
    (column,) = columns(schema({"name": "x", "type": "long", "doc": "the venue's \\ id"}))
    assert r"COMMENT 'the venue\'s \\ id'" in column.definition


def test_every_default_has_an_expression() -> None:
    """A row older than a field reads as an Avro reader would read it."""
    defaults = {column.name: column.default for column in columns(event("trade").schema)}
    assert defaults["side"] == "'unknown'"
    assert defaults["replayed"] == "false"
    assert defaults["frames_lost"] == "0"
    assert defaults["event_time"] == defaults["price"] == ""


def test_a_schema_fits_itself() -> None:
    """Every event's own schema fits its table."""
    assert not [one.name for one in events().values() if unfit(one.schema, one.schema)]


@pytest.mark.parametrize(
    ("writer", "reason"),
    [
        (schema({"name": "a", "type": "int"}), ""),
        (schema({"name": "a", "type": "long"}, {"name": "newer", "type": "string"}), ""),
        (schema({"name": "b", "type": "long"}), "lacks a"),
        (schema({"name": "a", "type": "string"}), "a as String"),
        (schema({"name": "a", "type": ["null", "long"]}), r"a as Nullable\(Int64\)"),
        (schema({"name": "a", "type": "long"}, name="Other"), "of Other"),
        (schema({"name": "a", "type": "double"}), "no column type"),
    ],
)
def test_writers_that_do_not_fit(writer: dict[str, Any], reason: str) -> None:
    """A writer's schema fits when each of our fields is there, or has a default, and is read without loss."""
    ours = schema({"name": "a", "type": "long"}, {"name": "b", "type": ["null", "long"], "default": None})
    found = unfit(ours, writer)
    if reason:
        assert re.search(reason, found)
    else:
        assert not found
