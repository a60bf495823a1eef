"""Tables on a cluster, made by ClickHouse's engine as far as it goes (see cluster_server.py)."""

from collections.abc import Iterator

import pytest

from local.watchdog import Watchdog
from schemas.catalogue import Event, events
from sinks.clickhouse import cluster, ddl
from tests.sinks.cluster_server import Alone, ClusterServer
from topology.settings import ClickHouse

EVENTS = list(events().values())


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


@pytest.mark.parametrize("one", EVENTS, ids=lambda one: one.name)
def test_an_identity_stays_on_one_shard(one: Event) -> None:
    """What chooses the shard is part of the identity and can't be null: two deliveries of an event never lie on two shards."""
    assert set(one.topic.key) <= set(one.identity)
    types = {field["name"]: field["type"] for field in one.fields}
    assert not [name for name in one.topic.key if isinstance(types[name], list)]
    (_, spread) = ddl.render(one, ClickHouse(cluster="main"))
    assert f"cityHash64({', '.join(one.topic.key)}))" in spread
