"""The audit as `tidewire secrets history` shows it: ClickHouse's rows, and the events that still wait on this machine."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from topology.addresses import embedded, merged
from topology.clickhouse import Questions
from topology.errors import Fatal, Retry
from topology.secrets.audit import Queue
from topology.settings import Settings

COLUMNS = ("occurred_at", "credential", "action", "secret_version", "actor", "host", "provider", "success", "error")


def rows(settings: Settings, path: str, limit: int) -> tuple[Sequence[str], list[Sequence[Any]], str]:
    """Return columns, rows newest first, and a remark for people. `path` is a secret's, or the beginning of some; empty: all."""
    waiting = [one for one in Queue(settings.secrets.audit_queue).waiting() if _below(one["credential"], path)]
    found: dict[str, Sequence[Any]] = {one["audit_id"]: _local(one) for one in waiting}
    note = f"{len(waiting)} of them wait on this machine for Kafka" if waiting else ""
    located = merged(settings, embedded(settings))
    if not located.clickhouse.url:
        return COLUMNS, _newest(found, limit), "only what waits on this machine: no ClickHouse is known (clickhouse.url)"
    sql = (
        f"SELECT audit_id, {', '.join(COLUMNS)} FROM credential_audit FINAL "  # noqa: S608 - names of our own
        "WHERE {path:String} = '' OR credential = {path:String} OR startsWith(credential, concat({path:String}, '/')) "
        "ORDER BY occurred_at DESC LIMIT {limit:UInt32}"
    )
    try:
        answered = Questions(located.clickhouse).ask(sql, {"path": path, "limit": limit})[1]
    except (Retry, Fatal) as error:
        return COLUMNS, _newest(found, limit), f"only what waits on this machine: {error}"
    return COLUMNS, _newest(found | {row[0]: row[1:] for row in answered}, limit), note


def _below(credential: str, path: str) -> bool:
    return not path or credential == path or credential.startswith(f"{path}/")


def _local(one: Mapping[str, Any]) -> Sequence[Any]:
    occurred = datetime.fromtimestamp(one["occurred_at"] / 1e6, UTC).replace(tzinfo=None)
    return (occurred, *(one[name] for name in COLUMNS[1:]))


def _newest(found: Mapping[str, Sequence[Any]], limit: int) -> list[Sequence[Any]]:
    return sorted(found.values(), key=lambda row: str(row[0]), reverse=True)[:limit]
