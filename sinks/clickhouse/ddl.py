"""The tables: rendered from tables/<event>.sql, created where they are missing, and checked before a row is written.

A table file says what an Avro schema cannot: engine, sorting, partition, how long rows are kept, and columns that are made of others
(MATERIALIZED, ALIAS). All other columns come from the schema.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from schemas.catalogue import Event, Schema
from sinks.clickhouse import cluster
from sinks.clickhouse.columns import SUMMED, columns
from topology.errors import Fatal
from topology.settings import ClickHouse

TABLES = Path(__file__).parent / "tables"
SPANS = {"month": "toYYYYMM", "week": "toMonday", "day": "toYYYYMMDD"}
_TTL = re.compile(r"^TTL .*\n", re.MULTILINE)
_BODY = re.compile(r"^\{columns\},?\n(.*)^\)\nENGINE", re.MULTILINE | re.DOTALL)
_MADE = re.compile(r"`(\w+)` (.*?) (?:MATERIALIZED|ALIAS) ", re.DOTALL)


class Wanted(Protocol):
    """A column that a table must have: of the schema (columns.Column), or of the table file."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type(self) -> str:
        """Its type, as system.columns spells it."""

    @property
    def definition(self) -> str:
        """The column as ALTER TABLE ADD COLUMN takes it."""


@dataclass(frozen=True, slots=True)
class MadeColumn:
    """A column that a table file makes of others."""

    name: str
    type: str
    definition: str


@cache
def template(event: str) -> str:
    """Return an event's table file; Fatal names the file to write where there is none."""
    path = TABLES / f"{event}.sql"
    try:
        return path.read_text()
    except FileNotFoundError:
        raise Fatal(f"event {event} has no table: write sinks/clickhouse/tables/{event}.sql, or name it in sink.skip") from None


def made_columns(event: str) -> tuple[MadeColumn, ...]:
    """Return the columns that an event's table file has beside those of the schema."""
    body = _BODY.search(template(event))
    parts = _parts(body[1]) if body else ()
    return tuple(MadeColumn(made[1], made[2], part) for part in parts if (made := _MADE.match(part)))


def _parts(sql: str) -> Iterable[str]:
    """Split at the commas outside brackets and quotes."""
    depth, quoted, begin = 0, False, 0
    for place, character in enumerate(sql):
        if character == "'" and sql[place - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == "," and depth == 0:
                yield sql[begin:place].strip()
                begin = place + 1
    yield sql[begin:].strip()


def render(event: Event, settings: ClickHouse) -> tuple[str, ...]:
    """Return the statements that create an event's table: one, or on a cluster two (see cluster.py)."""
    text = template(event.name)
    days = settings.ttl_days.get(event.name, 0)
    text = text if days else _TTL.sub("", text)
    create = text.format(
        table=f"{settings.database}.{cluster.local_table(event) if settings.cluster else event.table}",
        columns=",\n".join(f"    {column.definition}" for column in columns(event.schema)),
        partition=SPANS[settings.partition_by],
        ttl=days,
        on_cluster=cluster.clause(settings),
    )
    return (cluster.replicated(create), cluster.spread(settings, event)) if settings.cluster else (create,)


def compare(table: str, wanted: Iterable[Wanted], present: Mapping[str, str], on_cluster: str = "") -> dict[str, str]:
    """Return the ALTERs that add the columns a table lacks and widen its sums, by column; Fatal where one has another type, naming both.

    `present` is the table's columns: type by name, as system.columns spells it.
    """
    alterations: dict[str, str] = {}
    for column in wanted:
        found = present.get(column.name)
        if found is None:
            alterations[column.name] = f"ALTER TABLE {table}{on_cluster} ADD COLUMN IF NOT EXISTS {column.definition}"
        elif (found, column.type) == SUMMED:
            alterations[column.name] = f"ALTER TABLE {table}{on_cluster} MODIFY COLUMN `{column.name}` {column.type}"
        elif found != column.type:
            raise Fatal(
                f"table {table}, column {column.name}: the table has {found}, the schema needs {column.type}; "
                f"ALTER TABLE {table}{on_cluster} MODIFY COLUMN `{column.name}` {column.type}, or move the table aside"
            )
    return alterations


def create_database(client: Any, settings: ClickHouse) -> None:
    """Create the database where it is missing; Fatal where `clickhouse.cluster` can't be used."""
    if settings.cluster:
        cluster.ensure_known(client, settings)
        if cluster.is_everywhere(client, settings):
            return
    cluster.say(client, settings, f"CREATE DATABASE IF NOT EXISTS {settings.database}{cluster.clause(settings)}")


def prepare(client: Any, settings: ClickHouse, event: Event, *, add_columns: bool = True) -> tuple[str, ...]:
    """Create an event's table (and the database) where it is missing, and add to an older one what schema and table file have grown.

    Return the statements that changed a table that was there. Fatal where a column has the wrong type, where one is missing and
    `add_columns` is off or the column is part of the sorting key (it names table, column and statement), and where a table of that name
    does not replace rows of equal identity, or was not made for a cluster and is to be on one.
    """
    create_database(client, settings)
    if not (settings.cluster and cluster.is_everywhere(client, settings, cluster.local_table(event), event.table)):
        for statement in render(event, settings):
            cluster.say(client, settings, statement)
    if settings.cluster:
        cluster.ensure_spread(client, settings, event)
    _check_engine(client, settings, event)
    wanted: tuple[Wanted, ...] = (*columns(event.schema), *made_columns(event.name))
    return _add(client, settings, event, wanted, add_columns=add_columns)


def extend(client: Any, settings: ClickHouse, event: Event, writer: Schema, *, add_columns: bool = True) -> tuple[str, ...]:
    """Give an event's table the columns of a newer schema than ours and return the statements; raises as `prepare` does.

    ClickHouse would leave the fields it has no column for out, without a word.
    """
    known = {field["name"] for field in event.fields}
    newer = tuple(column for column in columns(writer) if column.name not in known)
    return _add(client, settings, event, newer, add_columns=add_columns) if newer else ()


def _add(client: Any, settings: ClickHouse, event: Event, wanted: Iterable[Wanted], *, add_columns: bool) -> tuple[str, ...]:
    statements: list[str] = []
    for table in (cluster.local_table(event), event.table) if settings.cluster else (event.table,):
        full = f"{settings.database}.{table}"
        for column, statement in compare(full, wanted, _present(client, settings.database, table), cluster.clause(settings)).items():
            if column in event.identity:
                raise Fatal(f"table {full} lacks column {column}, by which it sorts: move the table aside")
            if not add_columns:
                raise Fatal(f"table {full} {'is too narrow at' if ' MODIFY ' in statement else 'lacks'} column {column}: run {statement}")
            cluster.say(client, settings, statement)
            statements.append(statement)
    return tuple(statements)


def _present(client: Any, database: str, table: str) -> dict[str, str]:
    answer = client.query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String}",
        parameters={"database": database, "table": table},
    )
    return dict(answer.result_rows)


def _check_engine(client: Any, settings: ClickHouse, event: Event) -> None:
    table = cluster.local_table(event) if settings.cluster else event.table
    answer = client.query(
        "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        parameters={"database": settings.database, "table": table},
    )
    engine = answer.result_rows[0][0] if answer.result_rows else "missing"
    if "ReplacingMergeTree" not in engine:
        raise Fatal(f"table {settings.database}.{table} is {engine}; it must be a ReplacingMergeTree: move it aside")
