"""A cluster of ClickHouse servers (`clickhouse.cluster`): how a table lies on it, and how what is said to one server reaches all.

Rows of a table are kept in <table>_local: on every shard its own, on each replica of a shard the same. <table> is a Distributed one over
those; it is written and read through any server. Its sharding key is the message key, which is part of every identity: two deliveries of
an event meet on one shard, where ReplacingMergeTree makes one row of them, and FINAL is right without asking another shard.
"""

import re
from typing import Any

from schemas.catalogue import Event
from topology.errors import Fatal, Retry
from topology.settings import ClickHouse

KEEPER_PATH = "/clickhouse/tables/{database}/{table}/{shard}"
"""Where the replicas of a shard find each other: by names that a server added later has as well. ClickHouse's own default has the table's
UUID in it, of which IF NOT EXISTS on a new server makes another, and its table would be alone. The server's own macros fill it in."""
DDL_SECONDS = 30
DDL_SETTINGS = {"distributed_ddl_task_timeout": DDL_SECONDS, "distributed_ddl_output_mode": "null_status_on_timeout"}
"""A server that is away does what was said as soon as it is back; for it nobody waits longer than this."""
ASKED_SETTINGS = {"skip_unavailable_shards": 1, "connections_with_failover_max_tries": 1}
"""Of questions to all servers: one that is away is left out, after one try of a second."""
_ENGINE = re.compile(r"^ENGINE = ReplacingMergeTree(?:\((\w+)\))?$", re.MULTILINE)


def local_table(event: Event) -> str:
    """Return the name of the table that holds a shard's rows of an event."""
    return f"{event.table}_local"


def clause(settings: ClickHouse) -> str:
    """Return what makes a statement one for all servers, with a blank before it; empty where there is one server."""
    return f" ON CLUSTER `{settings.cluster}`" if settings.cluster else ""


def replicated(create: str) -> str:
    """Return a CREATE TABLE with its ReplacingMergeTree replicated; ValueError where it has none."""

    def engine(found: re.Match[str]) -> str:
        version = f", {found[1]}" if found[1] else ""
        return f"ENGINE = ReplicatedReplacingMergeTree('{KEEPER_PATH}', '{{replica}}'{version})"

    text, times = _ENGINE.subn(engine, create)
    if times != 1:
        raise ValueError("a table file must have one line `ENGINE = ReplacingMergeTree` or `ENGINE = ReplacingMergeTree(column)`")
    return text


def spread(settings: ClickHouse, event: Event) -> str:
    """Return the statement that makes the table which is written and read, over those of the shards."""
    full = f"{settings.database}.{event.table}"
    return (
        f"CREATE TABLE IF NOT EXISTS {full}{clause(settings)} AS {settings.database}.{local_table(event)}\n"
        f"ENGINE = Distributed(`{settings.cluster}`, {settings.database}, {local_table(event)}, cityHash64({', '.join(event.topic.key)}))"
    )


def say(client: Any, settings: ClickHouse, statement: str) -> None:
    """Run a statement that changes tables; on a cluster on all servers, with DDL_SECONDS for those that do not answer."""
    client.command(statement, settings=DDL_SETTINGS if settings.cluster else None)


def ensure_known(client: Any, settings: ClickHouse) -> None:
    """Raise Fatal where the server knows no such cluster, or one whose replicas would each be written by us."""
    answer = client.query("SELECT * FROM system.clusters WHERE cluster = {name:String}", parameters={"name": settings.cluster})
    if not answer.result_rows:
        raise Fatal(f"clickhouse.cluster is {settings.cluster!r}, and the server knows no such cluster (remote_servers, system.clusters)")
    replicates = [row.get("internal_replication", 1) for row in answer.named_results()]
    if not all(replicates):
        raise Fatal(
            f"cluster {settings.cluster} (clickhouse.cluster) has a shard without internal_replication: rows would be written to each "
            "replica and replicated as well; set <internal_replication>true</internal_replication> for each shard of remote_servers"
        )


def is_everywhere(client: Any, settings: ClickHouse, *tables: str) -> bool:
    """Return whether every server that answers has the database and these tables of it: then nothing need be said to any.

    So a sink starts, and waits for nobody, while a server is away; and one that was added gets its tables when a sink starts.
    """
    every = f"clusterAllReplicas(`{settings.cluster}`, system."
    sql = (
        f"SELECT (SELECT count() FROM {every}one)), "  # noqa: S608 - the names are settings
        f"(SELECT count() FROM {every}databases) WHERE name = {{database:String}}), "
        f"(SELECT count() FROM {every}tables) WHERE database = {{database:String}} AND name IN {{tables:Array(String)}})"
    )
    parameters = {"database": settings.database, "tables": list(tables)}
    ((servers, databases, found),) = client.query(sql, parameters=parameters, settings=ASKED_SETTINGS).result_rows
    return bool(int(databases) == int(servers) and int(found) == int(servers) * len(tables))


def ensure_spread(client: Any, settings: ClickHouse, event: Event) -> None:
    """Raise Fatal where a table of these names was not made for a cluster; Retry where this server has not made it yet."""
    wanted = {local_table(event): "Replicated", event.table: "Distributed"}
    answer = client.query(
        "SELECT name, engine FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}",
        parameters={"database": settings.database, "names": list(wanted)},
    )
    found = dict(answer.result_rows)
    for table, engine in wanted.items():
        full = f"{settings.database}.{table}"
        if table not in found:
            raise Retry(f"table {full} is not there yet, {DDL_SECONDS} s after all servers of {settings.cluster} were told to make it")
        if not found[table].startswith(engine):
            raise Fatal(
                f"table {full} is {found[table]}, and on a cluster (clickhouse.cluster) it must be {engine}…: move it aside, "
                "and read its rows back in once the sink has made the new one"
            )
