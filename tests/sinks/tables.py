"""What the sink's tests share: a database of their own, and messages as a consumer gives them."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import Message

from local import Addresses
from schemas.catalogue import Event
from schemas.codec import Codec
from sinks.clickhouse.writer import Writer
from topology.clickhouse import connect
from topology.faults import Faults
from topology.registry import Registry
from topology.settings import ClickHouse
from topology.settings import Registry as RegistrySettings


@dataclass(frozen=True)
class Tables:
    """A database of one test module, with a registry to name schemas by."""

    settings: ClickHouse
    client: Any
    registry: Registry
    run: str

    def topic(self, event: Event) -> str:
        """Return a topic of this run for an event."""
        return f"{event.table}-{self.run}"

    def codec(self, event: Event) -> Codec:
        """Return the codec of an event on its topic of this run."""
        return self.registry.codec(self.topic(event), event)

    def writer(self, *events: Event, client: Callable[[], Any] | None = None, emptied: bool = True) -> Writer:
        """Return a writer into the tables of some events, which are created and, unless they shall keep what they have, emptied."""
        topics = {self.topic(event): event for event in events}
        writer = Writer(self.settings, self.registry, topics, 0.5, client or partial(connect, self.settings), Faults("tests"))
        assert writer.prepare_all()[1] == {}
        for event in events if emptied else ():
            self.client.command(f"TRUNCATE TABLE {self.settings.database}.{event.table}")
        return writer

    def messages(self, event: Event, values: Iterable[bytes], first: int = 0) -> list[Any]:
        """Return values as messages of partition 0 of the event's topic, with offsets from `first`."""
        topic = self.topic(event)
        return [Message(topic=topic, partition=0, offset=first + i, key=b"k", value=value) for i, value in enumerate(values)]

    def insert(self, writer: Writer, event: Event, values: list[bytes], flush: int = 0) -> list[tuple[Any, str]]:
        """Insert message values of one schema id; return the refused with the reason."""
        return writer.insert(self.topic(event), values[0][:5], self.messages(event, values), flush)

    def rows(self, event: Event, final: str = "FINAL") -> list[dict[str, Any]]:
        """Return an event's rows as its codec would decode them: times in microseconds, decimals exact."""

        def column(field: Mapping[str, Any]) -> str:
            kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
            if any(isinstance(kind, dict) and kind.get("logicalType") == "timestamp-micros" for kind in kinds):
                return f"toUnixTimestamp64Micro(`{field['name']}`) AS `{field['name']}_`"
            binary = "bytes" in kinds
            return f"hex(`{field['name']}`)" if binary else f"`{field['name']}`"

        sql = f"SELECT {', '.join(map(column, event.fields))} FROM {self.settings.database}.{event.table} {final}"
        names = [field["name"] for field in event.fields]
        binaries = {field["name"] for field in event.fields if field["type"] == "bytes" or "bytes" in field["type"]}
        found = [dict(zip(names, row, strict=True)) for row in self.client.query(sql).result_rows]
        for row in found:
            for name in binaries:
                row[name] = None if row[name] is None else bytes.fromhex(row[name])
        return found


@contextmanager
def tables(addresses: Addresses) -> Iterator[Tables]:
    """Give a database of one's own, dropped at the end."""
    run = secrets.token_hex(4)
    settings = ClickHouse(url=addresses.clickhouse, password_file=addresses.clickhouse_password_file, database=f"sink_{run}", ttl_days={})
    client = connect(settings)
    try:
        yield Tables(settings, client, Registry(RegistrySettings(url=addresses.registry)), run)
    finally:
        client.command(f"DROP DATABASE IF EXISTS {settings.database}")
        client.close()
