"""One name for one market: the view `instrument_names`, and beside each table of a market's events a view `<table>_named` that joins it.

A name is `canonical_name` of the newest instrument that has one: the same at every venue. It is joined when it is asked for, so that a
name learnt later counts for older rows too. Views, and no dictionary: that would keep a password of its own on the server.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from schemas.catalogue import Event
from sinks.clickhouse import cluster
from sinks.clickhouse.columns import columns
from sinks.clickhouse.ddl import made_columns
from topology.clickhouse import NAMES
from topology.settings import ClickHouse

SOURCE: Final = "instrument"
"""The event that says names."""
SUFFIX: Final = "_named"
_MARKET: Final = {"venue", "symbol"}


def view_of(event: Event) -> str:
    """Return what the view beside an event's table is called; empty where its rows are of no market, or say their name themselves."""
    fields = {field["name"] for field in event.fields}
    return f"{event.table}{SUFFIX}" if fields >= _MARKET and "canonical_name" not in fields else ""


def views(settings: ClickHouse, events: Iterable[Event]) -> dict[str, str]:
    """Return the statements that make the views over the tables of events, by the view's name, in the order to run them.

    None where no table has the names. Each says in its comment which text made it.
    """
    those = {event.name: event for event in events}
    if SOURCE not in those:
        return {}
    found = {NAMES: _names(settings, those[SOURCE])}
    found |= {view: _named(settings, event) for event in those.values() if (view := view_of(event))}
    clause = cluster.clause(settings)
    return {
        view: f"CREATE OR REPLACE VIEW {settings.database}.{view}{clause} AS\n{select}\nCOMMENT '{_mark(select)}'"
        for view, select in found.items()
    }


def prepare(client: Any, settings: ClickHouse, events: Iterable[Event]) -> tuple[str, ...]:
    """Make the views that are missing or were made by another text; the tables are there. Return the statements that were run.

    Whatever is not of this form under such a name is replaced where it is a view, and refused by ClickHouse where it is a table.
    """
    wanted = views(settings, events)
    answer = client.query(
        "SELECT name, comment FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}",
        parameters={"database": settings.database, "names": list(wanted)},
    )
    marks = dict(answer.result_rows)
    stale = [view for view, statement in wanted.items() if not statement.endswith(f"'{marks.get(view)}'")]
    if wanted and not stale and settings.cluster and not cluster.is_everywhere(client, settings, *wanted):
        stale = list(wanted)
    for view in stale:
        cluster.say(client, settings, wanted[view])
    return tuple(wanted[view] for view in stale)


def _names(settings: ClickHouse, event: Event) -> str:
    newest = "(received_at, connection_sequence)"
    return (
        f"SELECT venue, symbol, argMax(said.canonical_name, {newest}) AS canonical_name, "  # noqa: S608 - names of settings and schemas
        f"argMax(said.kind, {newest}) AS instrument_kind "
        f"FROM {settings.database}.{event.table} AS said WHERE said.canonical_name IS NOT NULL GROUP BY venue, symbol"
    )


def _named(settings: ClickHouse, event: Event) -> str:
    names = [one.name for one in columns(event.schema)] + [one.name for one in made_columns(event.name)]
    own = ", ".join(f"event.`{name}` AS `{name}`" for name in names)
    return (
        f"SELECT named.canonical_name AS canonical_name, {own}\n"
        f"FROM {settings.database}.{event.table} AS event FINAL\n"
        f"GLOBAL ANY LEFT JOIN {settings.database}.{NAMES} AS named ON event.venue = named.venue AND event.symbol = named.symbol"
    )


def _mark(select: str) -> str:
    return f"made by Tidewire, {hashlib.sha256(select.encode()).hexdigest()[:16]}"
