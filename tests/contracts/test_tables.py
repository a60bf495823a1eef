"""Every event that is stored, through its codec, into its table and out again, exactly; and one row for one identity."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from local import Addresses
from schemas.catalogue import Event, stored_events
from schemas.codec import Codec
from sinks.clickhouse import ddl
from sinks.clickhouse.writer import Writer
from tests.contracts.records import records, values
from tests.examples import examples
from tests.sinks.tables import Tables, tables

EVENTS = list(stored_events().values())
NAMES = [event.name for event in EVENTS]
FRAME = {"connection_id", "connection_sequence"}
EARLIEST = {"trade", "order_delta"}
"""Events of which the earliest delivery is kept."""
QUICK = examples(8, suppress_health_check=list(HealthCheck))


@dataclass
class Store:
    """The tables, each with one writer and one codec for all examples: preparing a table costs ten times what an example does."""

    tables: Tables
    writers: dict[str, Writer] = field(default_factory=dict)
    codecs: dict[str, Codec] = field(default_factory=dict)
    flushes: Iterator[int] = field(default_factory=count)
    """The server passes over an insert whose number it has seen."""

    def codec(self, event: Event) -> Codec:
        """Return the event's codec."""
        if event.name not in self.codecs:
            self.codecs[event.name] = self.tables.codec(event)
        return self.codecs[event.name]

    def empty(self, event: Event) -> None:
        """Make the event's table at first; take out its rows later."""
        if event.name not in self.writers:
            self.writers[event.name] = self.tables.writer(event)
        else:
            self.tables.client.command(f"TRUNCATE TABLE {self.tables.settings.database}.{event.table}")

    def insert(self, event: Event, *values: bytes) -> None:
        """Insert message values as one flush; none is refused."""
        assert self.tables.insert(self.writers[event.name], event, list(values), next(self.flushes)) == []

    def rows(self, event: Event) -> list[dict[str, Any]]:
        """Return the event's rows."""
        return self.tables.rows(event)


@pytest.fixture(scope="module")
def store(stack_addresses: Addresses) -> Iterator[Store]:
    with tables(stack_addresses) as made:
        yield Store(made)


def same(row: Any) -> str:
    """Return a record in a form that compares and sorts: decimals by value and scale, lists by order."""
    return repr(sorted(row.items()))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
@QUICK
@given(data=st.data())
def test_rows_are_what_was_encoded(store: Store, event: Event, data: st.DataObject) -> None:
    """What a codec decodes from a message is what a query gives: all 38 digits, nulls, enums, empty arrays, any text."""

    def identity(record: dict[str, Any]) -> tuple[str, ...]:
        return tuple(repr(record[name]) for name in event.identity)

    sample = data.draw(st.lists(records(event), min_size=1, max_size=12, unique_by=identity))
    codec = store.codec(event)
    messages = [codec.encode(record) for record in sample]
    store.empty(event)
    store.insert(event, *messages)
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
def test_one_row_for_one_identity(store: Store, event: Event, data: st.DataObject) -> None:
    """Of two deliveries of one event one row is left, and which does not depend on the order where the table has a rule for it."""
    older, newer = older_and_newer(event, data.draw(records(event)), data.draw(records(event)))
    codec = store.codec(event)
    store.empty(event)
    ruled = "version" in newer or event.name in EARLIEST | {"dead_letter"}
    order = data.draw(st.permutations([older, newer])) if ruled and _ruled_apart(older, newer) else [older, newer]
    for record in order:
        store.insert(event, codec.encode(record))
    assert list(map(same, store.rows(event))) == [same(codec.decode(codec.encode(newer)))]


def _ruled_apart(older: dict[str, Any], newer: dict[str, Any]) -> bool:
    return any(older.get(name) != newer.get(name) for name in ("version", "received_at", "failed_at"))


@pytest.mark.parametrize("event", EVENTS, ids=NAMES)
@QUICK
@given(data=st.data())
def test_another_identity_is_another_row(store: Store, event: Event, data: st.DataObject) -> None:
    """Two events that differ in one field of the identity, and in nothing else, are two rows."""
    record = data.draw(records(event))
    name = data.draw(st.sampled_from(event.identity))
    kind = next(field["type"] for field in event.fields if field["name"] == name)
    other = record | {name: data.draw(values(kind).filter(lambda value: value != record[name]))}
    codec = store.codec(event)
    store.empty(event)
    store.insert(event, codec.encode(record), codec.encode(other))
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
