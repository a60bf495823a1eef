"""Tables: rendered, created, grown and checked."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from schemas import decimals
from schemas.catalogue import Event, Topic, event, stored_events
from schemas.generate import HISTORY
from sinks.clickhouse import ddl
from tests.sinks.market import START, trade
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


@pytest.mark.parametrize("one", list(stored_events().values()), ids=list(stored_events()))
def test_a_cluster_is_a_setting(one: Event) -> None:
    """With a cluster named, tables are replicated on it and spread by message key; the name that is queried stays the same."""
    local, spread = ddl.render(one, ClickHouse(cluster="main"))
    name = one.table
    assert f"tidewire.{name}_local ON CLUSTER `main`\n" in local
    path = "'/clickhouse/tables/{database}/{table}/{shard}', '{replica}'"
    assert f"ENGINE = ReplicatedReplacingMergeTree({path}" in local
    assert f"CREATE TABLE IF NOT EXISTS tidewire.{name} ON CLUSTER `main` AS tidewire.{name}_local" in spread
    assert f"Distributed(`main`, tidewire, {name}_local, cityHash64({', '.join(one.topic.key)}))" in spread


def test_creating_twice_changes_nothing(store: Tables) -> None:
    """Every table is created once; at the next start there is nothing to do."""
    for one in stored_events().values():
        assert ddl.prepare(store.client, store.settings, one) == ()
        assert ddl.prepare(store.client, store.settings, one, add_columns=False) == ()


def test_a_missing_column_is_added_or_named(store: Tables) -> None:
    """A table behind its schema is told with table, column and the ALTER to run; when columns may be added it is mended."""
    ddl.prepare(store.client, store.settings, TRADE)
    store.client.command(f"ALTER TABLE {store.settings.database}.trades DROP COLUMN replayed")
    expected = rf"{store.settings.database}\.trades lacks column replayed: run ALTER TABLE .* ADD COLUMN IF NOT EXISTS `replayed` Bool"
    with pytest.raises(Fatal, match=expected):
        ddl.prepare(store.client, store.settings, TRADE, add_columns=False)
    (statement,) = ddl.prepare(store.client, store.settings, TRADE)
    assert "`replayed` Bool DEFAULT false" in statement
    assert ddl.prepare(store.client, store.settings, TRADE) == ()


def test_a_column_of_another_type_stops_the_sink(store: Tables) -> None:
    """A price that became a float is refused before a row is written."""
    database = store.settings.database
    ddl.prepare(store.client, store.settings, event("quote"))
    store.client.command(f"ALTER TABLE {database}.quotes MODIFY COLUMN bid_price Nullable(Float64)")
    with pytest.raises(Fatal, match=rf"{database}\.quotes, column bid_price: the table has Nullable\(Float64\), the schema needs Nullable"):
        ddl.prepare(store.client, store.settings, event("quote"))
    store.client.command(f"DROP TABLE {database}.quotes SYNC")


def test_a_table_that_does_not_replace_is_refused(store: Tables) -> None:
    """A table of the same name made by somebody else would count every replay twice."""
    database = store.settings.database
    store.client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    store.client.command(f"DROP TABLE IF EXISTS {database}.quotes SYNC")
    store.client.command(f"CREATE TABLE {database}.quotes (venue String) ENGINE = MergeTree ORDER BY venue")
    with pytest.raises(Fatal, match="must be a ReplacingMergeTree"):
        ddl.prepare(store.client, store.settings, event("quote"))
    store.client.command(f"DROP TABLE {database}.quotes SYNC")


def test_a_lost_key_column_is_not_added(store: Tables) -> None:
    """A column by which a table sorts cannot be added to it afterwards: the table must be moved aside."""
    database = store.settings.database
    store.client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    store.client.command(f"DROP TABLE IF EXISTS {database}.gaps SYNC")
    store.client.command(f"CREATE TABLE {database}.gaps (venue LowCardinality(String)) ENGINE = ReplacingMergeTree ORDER BY venue")
    with pytest.raises(Fatal, match="lacks column symbol, by which it sorts"):
        ddl.prepare(store.client, store.settings, event("gap"))
    store.client.command(f"DROP TABLE {database}.gaps SYNC")


def test_an_event_without_a_table_is_named() -> None:
    """An event with no table file says which file to write."""
    strange = Event("strange", {"fields": []}, Topic("strange", (), 1, 1), ())
    with pytest.raises(Fatal, match=r"sinks/clickhouse/tables/strange\.sql"):
        ddl.render(strange, ClickHouse())


def oldest(one: Event) -> Event:
    """Return an event with the schema it was first registered with."""
    return replace(one, schema=json.loads((HISTORY / one.name / "1.avsc").read_text()))


def columns_of(store: Tables, table: str) -> dict[str, str]:
    sql = "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String}"
    return dict(store.client.query(sql, parameters={"d": store.settings.database, "t": table}).result_rows)


@pytest.mark.parametrize("one", list(stored_events().values()), ids=list(stored_events()))
def test_an_older_table_is_widened(store: Tables, one: Event) -> None:
    """A table made from an event's first schema, without what its file makes of others, has every column after the next start."""
    store.client.command(f"DROP TABLE IF EXISTS {store.settings.database}.{one.table} SYNC")
    (create,) = ddl.render(oldest(one), store.settings)
    made = [column for column in ddl.made_columns(one.name) if column.name != "earliest"]  # the engine's own cannot come later
    for column in made:
        assert column.definition in create
        create = create.replace(f"    {column.definition},\n", "")
    store.client.command(create)
    before = columns_of(store, one.table)
    statements = ddl.prepare(store.client, store.settings, one)
    after = columns_of(store, one.table)
    assert after.keys() >= {field["name"] for field in one.fields} | {column.name for column in made}
    assert len(statements) == len(after.items() - before.items())
    assert ddl.prepare(store.client, store.settings, one) == ()


@pytest.mark.parametrize(
    ("said", "base", "quote"),
    [
        ({"price": "97000.5", "size": "1.5"}, "1.5", "145500.75"),
        ({"price": "0.000000000000000001", "size": "0.5"}, "0.5", "0"),
        ({"price": "123456789.123456789123456789", "size": "987654321.987654321987654321"}, None, "121932631356500531.591068431581771069"),
        ({"price": "10000000000", "size": "9999999999.999999999999999999"}, None, "99999999999999999999.99999999"),
        ({"price": "10000000000", "size": "10000000000"}, "10000000000", None),
        ({"price": "99999999999999999999.999999999999999999", "size": "99999999999999999999.999999999999999999"}, None, None),
        ({"price": "-37.63", "size": "2"}, "2", "-75.26"),
        # An inverse contract of 100 USD (BTCUSD_PERP, BTC-USD-SWAP): 30 contracts at 60000 are 3000 USD, or 0.05 BTC.
        ({"price": "60000", "size": "30", "size_unit": "contract", "size_base": "0.05", "size_quote": "3000"}, "0.05", "3000"),
        # An inverse contract of 1 USD whose venue counts in USD.
        ({"price": "64000", "size": "1600", "size_unit": "quote", "size_base": "0.025", "size_quote": "1600"}, "0.025", "1600"),
        ({"price": "60000", "size": "30", "size_unit": "contract"}, "none", None),
        ({"price": "60000", "size": "30", "size_unit": "unknown"}, "none", None),
    ],
)
def test_amounts_of_a_trade(store: Tables, said: dict[str, Any], base: str | None, quote: str | None) -> None:
    """base_amount and quote_amount are exact, whatever a size counts; null where nobody can say, and where 38 digits do not hold it."""
    writer = store.writer(TRADE)
    record = trade(1, **{name: value if name == "size_unit" else decimals.encode(value) for name, value in said.items()})
    assert store.insert(writer, TRADE, [store.codec(TRADE).encode(record)], flush=1) == []
    sql = f"SELECT base_amount, quote_amount FROM {store.settings.database}.trades FINAL"
    ((found_base, found_quote),) = store.client.query(sql).result_rows
    assert found_base == (None if base == "none" else Decimal(base or said["size"]))
    assert found_quote == (None if quote is None else Decimal(quote))


def test_amounts_stand_in_old_rows_too(store: Tables) -> None:
    """Rows written before a table had the columns have the amounts as well: their sizes were in base currency."""
    store.client.command(f"DROP TABLE IF EXISTS {store.settings.database}.trades SYNC")
    (create,) = ddl.render(oldest(TRADE), store.settings)
    for column in ddl.made_columns("trade")[1:]:
        create = create.replace(f"    {column.definition},\n", "")
    store.client.command(create)
    names = "venue, symbol, event_time, trade_id, price, size, received_at"
    at = f"fromUnixTimestamp64Micro({START})"
    store.client.command(
        f"INSERT INTO {store.settings.database}.trades ({names}) "
        f"SELECT 'binance', 'BTCUSDT', {at}, '1', toDecimal128('97000.5', 18), 1.5, {at}"
    )
    ddl.prepare(store.client, store.settings, TRADE)
    sql = f"SELECT base_amount, quote_amount FROM {store.settings.database}.trades FINAL"
    assert store.client.query(sql).result_rows == [(Decimal("1.5"), Decimal("145500.75"))]
