"""The tables: rendered from tables/<event>.sql, created where they are missing, and checked before a row is written.

A table file says what an Avro schema cannot: engine, sorting, partition, how long rows are kept. Its columns come from the schema.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schemas.catalogue import Event, Schema
from sinks.clickhouse.columns import Column, columns
from topology.errors import Fatal
from topology.settings import ClickHouse

TABLES = Path(__file__).parent / "tables"
SPANS = {"month": "toYYYYMM", "week": "toMonday", "day": "toYYYYMMDD"}
_TTL = re.compile(r"^TTL .*\n", re.MULTILINE)


@cache
def template(event: str) -> str:
    """Return an event's table file; Fatal names the file to write where there is none."""
    path = TABLES / f"{event}.sql"
    try:
        return path.read_text()
    except FileNotFoundError:
        raise Fatal(f"event {event} has no table: write sinks/clickhouse/tables/{event}.sql, or name it in sink.skip") from None


def render(event: Event, settings: ClickHouse) -> tuple[str, ...]:
    """Return the statements that create an event's table: one, or on a cluster the replicated table and the one spread over it.

    On a cluster rows are kept in <table>_local on every shard and <table> distributes them by message key, which is part of the
    identity, so that two deliveries of one event meet on one shard.
    """
    text = template(event.name)
    days = settings.ttl_days.get(event.name, 0)
    text = text if days else _TTL.sub("", text)
    name = event.table
    on_cluster = f" ON CLUSTER `{settings.cluster}`" if settings.cluster else ""
    create = text.format(
        table=f"{settings.database}.{name}{'_local' if settings.cluster else ''}",
        columns=",\n".join(f"    {column.definition}" for column in columns(event.schema)),
        partition=SPANS[settings.partition_by],
        ttl=days,
        on_cluster=on_cluster,
        replicated="Replicated" if settings.cluster else "",
    )
    if not settings.cluster:
        return (create,)
    spread = (
        f"CREATE TABLE IF NOT EXISTS {settings.database}.{name}{on_cluster} AS {settings.database}.{name}_local\n"
        f"ENGINE = Distributed(`{settings.cluster}`, {settings.database}, {name}_local, cityHash64({', '.join(event.topic.key)}))"
    )
    return create, spread


def compare(table: str, wanted: Iterable[Column], present: Mapping[str, str], on_cluster: str = "") -> dict[str, str]:
    """Return the ALTERs that add the columns a table lacks, by column; Fatal where a column has another type, naming both.

    `present` is the table's columns: type by name, as system.columns spells it.
    """
    alterations: dict[str, str] = {}
    for column in wanted:
        found = present.get(column.name)
        if found is None:
            alterations[column.name] = f"ALTER TABLE {table}{on_cluster} ADD COLUMN IF NOT EXISTS {column.definition}"
        elif found != column.type:
            raise Fatal(
                f"table {table}, column {column.name}: the table has {found}, the schema needs {column.type}; "
                f"ALTER TABLE {table}{on_cluster} MODIFY COLUMN `{column.name}` {column.type}, or move the table aside"
            )
    return alterations


def prepare(client: Any, settings: ClickHouse, events: Iterable[Event], *, add_columns: bool = True) -> tuple[str, ...]:
    """Create database and tables where they are missing, add what a grown schema brought; return the statements that changed a table.

    Fatal where a column has the wrong type, where one is missing and `add_columns` is off or the column is part of the sorting key
    (it names table, column and statement), and where a table of that name does not replace rows of equal identity.
    """
    on_cluster = f" ON CLUSTER `{settings.cluster}`" if settings.cluster else ""
    client.command(f"CREATE DATABASE IF NOT EXISTS {settings.database}{on_cluster}")
    changed: list[str] = []
    for event in events:
        for statement in render(event, settings):
            client.command(statement)
        _check_engine(client, settings, event)
        changed += _add(client, settings, event, columns(event.schema), add_columns=add_columns)
    return tuple(changed)


def extend(client: Any, settings: ClickHouse, event: Event, writer: Schema, *, add_columns: bool = True) -> tuple[str, ...]:
    """Give an event's table the columns of a newer schema than ours and return the statements; raises as `prepare` does.

    ClickHouse would leave the fields it has no column for out, without a word.
    """
    known = {field["name"] for field in event.fields}
    newer = tuple(column for column in columns(writer) if column.name not in known)
    return _add(client, settings, event, newer, add_columns=add_columns) if newer else ()


def _add(client: Any, settings: ClickHouse, event: Event, wanted: Iterable[Column], *, add_columns: bool) -> tuple[str, ...]:
    name = event.table
    on_cluster = f" ON CLUSTER `{settings.cluster}`" if settings.cluster else ""
    statements: list[str] = []
    for table in (f"{name}_local", name) if settings.cluster else (name,):
        full = f"{settings.database}.{table}"
        for column, statement in compare(full, wanted, _present(client, settings.database, table), on_cluster).items():
            if column in event.identity:
                raise Fatal(f"table {full} lacks column {column}, by which it sorts: move the table aside")
            if not add_columns:
                raise Fatal(f"table {full} lacks column {column}: run {statement}")
            client.command(statement)
            statements.append(statement)
    return tuple(statements)


def _present(client: Any, database: str, table: str) -> dict[str, str]:
    answer = client.query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        parameters={"database": database, "table": table},
    )
    return dict(answer.result_rows)


def _check_engine(client: Any, settings: ClickHouse, event: Event) -> None:
    table = f"{event.table}_local" if settings.cluster else event.table
    answer = client.query(
        "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        parameters={"database": settings.database, "table": table},
    )
    engine = answer.result_rows[0][0] if answer.result_rows else "missing"
    if "ReplacingMergeTree" not in engine:
        raise Fatal(f"table {settings.database}.{table} is {engine}; it must be a ReplacingMergeTree: move it aside")
