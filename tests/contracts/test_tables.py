"""Every event, through its codec, into its table and out again, exactly; and one row for one identity."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local import Addresses
from schemas.catalogue import Event, events
from sinks.clickhouse import ddl
from tests.contracts.records import records, values
from tests.sinks.tables import Tables, tables

EVENTS = list(events().values())
NAMES = [event.name for event in EVENTS]
FRAME = {"connection_id", "connection_sequence"}
EARLIEST = {"trade", "order_delta"}
"""Events of which the earliest delivery is kept."""
QUICK = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def store(stack_addresses: Addresses) -> Iterator[Tables]:
    with tables(stack_addresses) as store:
        yield store


def same(row: Any) -> str:
    """Return a record in a form that compares and sorts: decimals by value and scale, lists by order."""
    return repr(sorted(row.items()))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
@QUICK
@given(data=st.data())
def test_rows_are_what_was_encoded(store: Tables, event: Event, data: st.DataObject) -> None:
    """What a codec decodes from a message is what a query gives: all 38 digits, nulls, enums, empty arrays, any text."""

    def identity(record: dict[str, Any]) -> tuple[str, ...]:
        return tuple(repr(record[name]) for name in event.identity)

    sample = data.draw(st.lists(records(event), min_size=1, max_size=12, unique_by=identity))
    codec = store.codec(event)
    messages = [codec.encode(record) for record in sample]
    assert store.insert(store.writer(event), event, messages, flush=1) == []
    expected = sorted(map(same, map(codec.decode, messages)))
    assert sorted(map(same, store.rows(event))) == expected


def older_and_newer(event: Event, first: dict[str, Any], second: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two deliveries of one event, in the order in which the second must win: all but the identity differs."""
    kept = {name: first[name] for name in event.identity}
    fields = {field["name"] for field in event.fields}
    if set(event.identity) >= FRAME and "received_at" in fields:
        kept["received_at"] = first["received_at"]  # written with the frame that the identity names
    second |= kept
    if "version" in fields:
        first["version"], second["version"] = sorted((first["version"], second["version"]))
    elif event.name in EARLIEST:
        first["received_at"], second["received_at"] = sorted((first["received_at"], second["received_at"]), reverse=True)
    elif event.name == "dead_letter":
        first["failed_at"], second["failed_at"] = sorted((first["failed_at"], second["failed_at"]), reverse=True)
    return first, second


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
@QUICK
@given(data=st.data())
def test_one_row_for_one_identity(store: Tables, event: Event, data: st.DataObject) -> None:
    """Of two deliveries of one event one row is left, and which does not depend on the order where the table has a rule for it."""
    older, newer = older_and_newer(event, data.draw(records(event)), data.draw(records(event)))
    codec = store.codec(event)
    writer = store.writer(event)
    ruled = "version" in newer or event.name in EARLIEST | {"dead_letter"}
    order = data.draw(st.permutations([older, newer])) if ruled and _ruled_apart(older, newer) else [older, newer]
    for number, record in enumerate(order):
        assert store.insert(writer, event, [codec.encode(record)], flush=number) == []
    assert list(map(same, store.rows(event))) == [same(codec.decode(codec.encode(newer)))]


def _ruled_apart(older: dict[str, Any], newer: dict[str, Any]) -> bool:
    return any(older.get(name) != newer.get(name) for name in ("version", "received_at", "failed_at"))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
@QUICK
@given(data=st.data())
def test_another_identity_is_another_row(store: Tables, event: Event, data: st.DataObject) -> None:
    """Two events that differ in one field of the identity, and in nothing else, are two rows."""
    record = data.draw(records(event))
    name = data.draw(st.sampled_from(event.identity))
    kind = next(field["type"] for field in event.fields if field["name"] == name)
    other = record | {name: data.draw(values(kind).filter(lambda value: value != record[name]))}
    codec = store.codec(event)
    assert store.insert(store.writer(event), event, [codec.encode(record), codec.encode(other)], flush=1) == []
    assert len(store.rows(event)) == 2


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_tables_keep_by_identity(event: Event) -> None:
    """A table sorts by the whole identity and partitions by part of it: else two deliveries of one event would never meet.

    received_at counts as part of an identity that names a frame: it was written with that frame, once.
    """
    text = ddl.template(event.name)
    allowed = set(event.identity) | ({"received_at"} if set(event.identity) >= FRAME else set())
    order = re.search(r"^ORDER BY \((.*)\)$", text, re.MULTILINE)
    assert order
    assert set(event.identity) <= set(order[1].split(", ")) <= allowed
    partition = re.search(r"^PARTITION BY \{partition\}\((.*)\)$", text, re.MULTILINE)
    assert partition is None or partition[1] in allowed
    assert set(event.topic.key) <= set(event.identity)


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
def test_table_files_name_no_column_twice(event: Event) -> None:
    """Columns come from the schema: a table file has a place for them, and lists none."""
    text = ddl.template(event.name)
    assert "{columns}" in text
    assert not [field["name"] for field in event.fields if f"`{field['name']}`" in text]
