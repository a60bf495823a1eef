"""Tables on a cluster, made and written by ClickHouse's engine as far as it goes (see cluster_server.py)."""

import re
from collections.abc import Iterator

import pytest

from local import Addresses
from local.watchdog import Watchdog
from schemas.catalogue import Event, event, stored_events
from sinks.clickhouse import cluster, ddl, named
from sinks.clickhouse.columns import columns
from sinks.clickhouse.writer import Writer
from tests.sinks.cluster_server import Alone, ClusterServer
from tests.sinks.market import trade
from tests.sinks.tables import Tables
from topology.clickhouse import Questions
from topology.errors import Fatal, Retry
from topology.faults import Faults
from topology.registry import Registry
from topology.settings import ClickHouse
from topology.settings import Registry as RegistrySettings

TRADE = event("trade")
EVENTS = list(stored_events().values())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterServer]:
    watchdog = Watchdog()
    server = ClusterServer(tmp_path_factory.mktemp("cluster"), watchdog)
    yield server
    server.stop()
    watchdog.close()


@pytest.fixture(scope="module")
def made(server: ClusterServer) -> Alone:
    """Every table of a cluster, prepared once."""
    settings = server.settings("made")
    client = Alone(settings)
    for one in EVENTS:
        assert ddl.prepare(client, settings, one) == ()
    return client


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
def test_every_table_is_made_replicated_and_spread(server: ClusterServer, made: Alone, one: Event) -> None:
    """Each event's table is a replicated one that its Keeper knows by names alone, and over it a Distributed one with the same columns."""
    rows = made.query(
        "SELECT name, engine_full FROM system.tables WHERE database = 'made' AND name IN {names:Array(String)}",
        parameters={"names": [one.table, cluster.local_table(one)]},
    ).result_rows
    engines = dict(rows)
    assert engines[cluster.local_table(one)].startswith("ReplicatedReplacingMergeTree('/clickhouse/tables/made/")
    key = ", ".join(one.topic.key)
    assert engines[one.table].startswith(f"Distributed('main', 'made', '{one.table}_local', cityHash64({key}))")
    path = made.query(f"SELECT zookeeper_path FROM system.replicas WHERE table = '{one.table}_local'").result_rows
    assert path == [(f"/clickhouse/tables/made/{one.table}_local/1",)]
    listed = made.query(f"SELECT table, name, type FROM system.columns WHERE database = 'made' AND table LIKE '{one.table}%'").result_rows
    of = {table: {row[1:] for row in listed if row[0] == table} for table in engines}
    assert of[one.table] == of[cluster.local_table(one)]


def test_nothing_is_said_to_a_cluster_that_has_its_tables(server: ClusterServer, made: Alone) -> None:
    """A sink that starts again changes nothing, and waits for no server: also while a replica is away."""
    for name in ("main", "half_away"):
        client = Alone(server.settings("made"))
        for one in EVENTS:
            if name == "main":
                assert ddl.prepare(client, server.settings("made"), one) == ()
            assert cluster.is_everywhere(client, server.settings("made", name), one.table, cluster.local_table(one))
        assert client.said == []


def test_views_lie_on_a_cluster(server: ClusterServer, made: Alone) -> None:
    """Those that name markets are made on all servers, join what a Distributed table holds, and are left alone the next time."""
    settings = server.settings("made")
    client = Alone(settings)
    statements = named.prepare(client, settings, EVENTS)
    assert list(statements) == client.said
    assert len(statements) > len(EVENTS) / 2
    assert all(cluster.clause(settings) in statement for statement in statements)
    assert client.query("SELECT canonical_name, price FROM made.trades_named").result_rows in ([], ())
    assert named.prepare(client, settings, EVENTS) == ()


def test_each_statement_names_the_cluster(server: ClusterServer) -> None:
    """Database, tables and later columns are asked of all servers, and the engine parses each."""
    settings = server.settings("said")
    client = Alone(settings)
    ddl.prepare(client, settings, TRADE)
    assert len(client.said) == 3
    clause = cluster.clause(settings)
    later = ddl.compare("said.trades_local", columns(TRADE.schema), {}, clause)
    for statement in (*client.said, *later.values()):
        assert " ON CLUSTER `main`" in statement
        client.parse(statement)


def test_a_cluster_that_cannot_be_used_is_refused(server: ClusterServer) -> None:
    """A name the server does not know, and shards that would be written on every replica by us, end the sink with the words to set."""
    for name, words in (("maine", "knows no such cluster"), ("written_twice", "internal_replication")):
        settings = server.settings("refused", name)
        with pytest.raises(Fatal, match=words):
            ddl.prepare(Alone(settings), settings, TRADE)


def test_a_table_of_one_server_is_not_taken_for_one_of_a_cluster(server: ClusterServer) -> None:
    """Where `clickhouse.cluster` is set after tables were made, or unset, the sink says so: else rows would go to one server alone."""
    clustered = server.settings("before")
    single = clustered.model_copy(update={"cluster": ""})
    ddl.prepare(Alone(single), single, TRADE)
    with pytest.raises(Fatal, match=r"before\.trades is ReplacingMergeTree, and on a cluster"):
        ddl.prepare(Alone(clustered), clustered, TRADE)
    settings = server.settings("after")
    ddl.prepare(Alone(settings), settings, TRADE)
    single = settings.model_copy(update={"cluster": ""})
    with pytest.raises(Fatal, match=r"after\.trades is Distributed; it must be a ReplacingMergeTree"):
        ddl.prepare(Alone(single), single, TRADE)
    client = Alone(settings)
    client.command("DROP TABLE after.trades SYNC")
    with pytest.raises(Retry, match=r"after\.trades is not there yet"):
        cluster.ensure_spread(client, settings, TRADE)


def test_rows_written_twice_through_the_spread_table_are_one(server: ClusterServer, stack_addresses: Addresses) -> None:
    """The sink's inserts go through the Distributed table; a retry adds nothing, and FINAL has the earliest delivery of each trade.

    Over a table that is not replicated, since a replica of chdb takes no rows.
    """
    settings = server.settings("written")
    client = Alone(settings)
    client.command("CREATE DATABASE written")
    for statement in ddl.render(TRADE, settings):
        client.command(re.sub(r"Replicated(\w+)\('.*?', '.*?', ", r"\1(", statement))
    registry = Registry(RegistrySettings(url=stack_addresses.registry))
    store = Tables(settings, client, registry, "written")
    writer = Writer(settings, registry, {store.topic(TRADE): TRADE}, 0.5, lambda: client, Faults("tests"))
    early = [trade(number) for number in range(100)]
    values = [store.codec(TRADE).encode(record) for record in early]
    for _ in range(2):
        assert store.insert(writer, TRADE, values, flush=1) == []
    assert client.query("SELECT count() FROM written.trades").result_rows == [(100,)]
    assert Questions(settings).rows()["trades"] == 100
    later = [record | {"received_at": record["received_at"] + 1_000_000} for record in early]
    assert store.insert(writer, TRADE, [store.codec(TRADE).encode(record) for record in later], flush=2) == []
    rows = {row["trade_id"]: row["received_at"] for row in store.rows(TRADE)}
    assert rows == {record["trade_id"]: record["received_at"] for record in early}
    assert client.query("SELECT count() FROM written.trades_local FINAL").result_rows == [(100,)]


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
def test_an_identity_stays_on_one_shard(one: Event) -> None:
    """What chooses the shard is part of the identity and can't be null: two deliveries of an event never lie on two shards."""
    assert set(one.topic.key) <= set(one.identity)
    types = {field["name"]: field["type"] for field in one.fields}
    assert not [name for name in one.topic.key if isinstance(types[name], list)]
    (_, spread) = ddl.render(one, ClickHouse(cluster="main"))
    assert f"cityHash64({', '.join(one.topic.key)}))" in spread
