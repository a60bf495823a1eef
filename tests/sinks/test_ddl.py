"""Tables: rendered, created, grown and checked."""

import pytest

from schemas.catalogue import Event, Topic, event, events
from sinks.clickhouse import ddl
from tests.sinks.tables import Tables
from topology.errors import Fatal
from topology.settings import ClickHouse

TRADE = event("trade")


@pytest.mark.parametrize(("span", "function"), [("month", "toYYYYMM"), ("week", "toMonday"), ("day", "toYYYYMMDD")])
def test_partitions_and_retention_are_settings(span: str, function: str) -> None:
    """A setting chooses the span of a partition, another how long rows are kept; without it there is no TTL at all."""
    settings = ClickHouse.model_validate({"partition_by": span, "ttl_days": {"trade": 7}})
    (text,) = ddl.render(TRADE, settings)
    assert f"PARTITION BY {function}(event_time)" in text
    assert "+ INTERVAL 7 DAY" in text
    assert "TTL" not in ddl.render(event("quote"), settings)[0]


@pytest.mark.parametrize("one", list(events().values()), ids=list(events()))
def test_a_cluster_is_a_setting(one: Event) -> None:
    """With a cluster named, tables are replicated on it and spread by message key; the name that is queried stays the same."""
    local, spread = ddl.render(one, ClickHouse(cluster="main"))
    name = one.table
    assert f"tidewire.{name}_local ON CLUSTER `main`\n" in local
    assert "ENGINE = ReplicatedReplacingMergeTree" in local
    assert f"CREATE TABLE IF NOT EXISTS tidewire.{name} ON CLUSTER `main` AS tidewire.{name}_local" in spread
    assert f"Distributed(`main`, tidewire, {name}_local, cityHash64({', '.join(one.topic.key)}))" in spread


def test_creating_twice_changes_nothing(store: Tables) -> None:
    """Every table is created once; at the next start there is nothing to do."""
    assert ddl.prepare(store.client, store.settings, events().values()) == ()
    assert ddl.prepare(store.client, store.settings, events().values(), add_columns=False) == ()


def test_a_missing_column_is_added_or_named(store: Tables) -> None:
    """A table behind its schema is told with table, column and the ALTER to run; when columns may be added it is mended."""
    ddl.prepare(store.client, store.settings, [TRADE])
    store.client.command(f"ALTER TABLE {store.settings.database}.trades DROP COLUMN replayed")
    expected = rf"{store.settings.database}\.trades lacks column replayed: run ALTER TABLE .* ADD COLUMN IF NOT EXISTS `replayed` Bool"
    with pytest.raises(Fatal, match=expected):
        ddl.prepare(store.client, store.settings, [TRADE], add_columns=False)
    (statement,) = ddl.prepare(store.client, store.settings, [TRADE])
    assert "`replayed` Bool DEFAULT false" in statement
    assert ddl.prepare(store.client, store.settings, [TRADE]) == ()


def test_a_column_of_another_type_stops_the_sink(store: Tables) -> None:
    """A price that became a float is refused before a row is written."""
    database = store.settings.database
    ddl.prepare(store.client, store.settings, [TRADE])
    store.client.command(f"ALTER TABLE {database}.trades MODIFY COLUMN price Float64")
    with pytest.raises(Fatal, match=rf"{database}\.trades, column price: the table has Float64, the schema needs Decimal\(38, 18\)"):
        ddl.prepare(store.client, store.settings, [TRADE])
    store.client.command(f"DROP TABLE {database}.trades SYNC")


def test_a_table_that_does_not_replace_is_refused(store: Tables) -> None:
    """A table of the same name made by somebody else would count every replay twice."""
    database = store.settings.database
    store.client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    store.client.command(f"DROP TABLE IF EXISTS {database}.quotes SYNC")
    store.client.command(f"CREATE TABLE {database}.quotes (venue String) ENGINE = MergeTree ORDER BY venue")
    with pytest.raises(Fatal, match="must be a ReplacingMergeTree"):
        ddl.prepare(store.client, store.settings, [event("quote")])
    store.client.command(f"DROP TABLE {database}.quotes SYNC")


def test_a_lost_key_column_is_not_added(store: Tables) -> None:
    """A column by which a table sorts cannot be added to it afterwards: the table must be moved aside."""
    database = store.settings.database
    store.client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    store.client.command(f"DROP TABLE IF EXISTS {database}.gaps SYNC")
    store.client.command(f"CREATE TABLE {database}.gaps (venue LowCardinality(String)) ENGINE = ReplacingMergeTree ORDER BY venue")
    with pytest.raises(Fatal, match="lacks column symbol, by which it sorts"):
        ddl.prepare(store.client, store.settings, [event("gap")])
    store.client.command(f"DROP TABLE {database}.gaps SYNC")


def test_an_event_without_a_table_is_named() -> None:
    """An event with no table file says which file to write."""
    strange = Event("strange", {"fields": []}, Topic("strange", (), 1, 1), ())
    with pytest.raises(Fatal, match=r"sinks/clickhouse/tables/strange\.sql"):
        ddl.render(strange, ClickHouse())
