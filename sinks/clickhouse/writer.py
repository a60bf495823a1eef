"""Message bytes into tables: one insert a group, and no record made of a message on the way."""

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import urllib3.exceptions
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.catalogue import Event
from schemas.codec import PREFIX
from sinks.clickhouse import ddl, named
from sinks.clickhouse.batch import Message
from sinks.clickhouse.bisect import insert_all
from sinks.clickhouse.block import FORMAT, Blocks
from sinks.clickhouse.columns import unfit
from topology.clickhouse_reactions import Refused, reaction
from topology.errors import Fatal, Reject, TidewireError
from topology.faults import Faults, reason_of
from topology.losses import venue_of
from topology.metrics import insert_seconds
from topology.registry import Registry
from topology.settings import ClickHouse

SETTINGS = {
    "async_insert": 0,  # an answer must mean that the rows are in, for offsets are committed on it
    "input_format_null_as_default": 0,  # a null where none may be is an error, not a zero
    "input_format_arrow_allow_missing_columns": 1,  # fields younger than the message take their column's default
    "max_insert_threads": 1,  # one insert, one part a partition
    "min_insert_block_size_rows": 100_000_000,  # all rows of an insert are parsed before the first is in
    "min_insert_block_size_bytes": 4_000_000_000,
    "max_partitions_per_insert_block": 0,  # a backfill may span more months than the default of 100
    "distributed_foreground_insert": 1,  # on a cluster too, an answer means that the rows are in
}
T = TypeVar("T")
LEAST_REFUSED = 1_000
"""So many rows of one insert may be refused whatever its size; see insert_all."""
FEW = 20
"""So many rows that our code fails on may each be to blame; where a block begins with more of them, the code is."""


class Misfit(Reject):
    """Rows on which our own code failed, in a way nobody foresaw: with `error`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(reason_of(error))
        self.error = error


class Writer:
    """Insert groups of messages; may be called from several threads, each of which gets a client of its own."""

    def __init__(
        self,
        settings: ClickHouse,
        registry: Registry,
        topics: Mapping[str, Event],
        reject_share: float,
        client: Callable[[], Any],
        faults: Faults,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._topics = topics
        self._reject_share = reject_share
        self._connect = client
        self._faults = faults
        self._run = os.urandom(8).hex()
        self._threads = threading.local()
        self._blocks: dict[tuple[str, bytes], Blocks] = {}
        self._taken: dict[tuple[str, bytes], Message] = {}  # the last message that is in, by topic and schema

    def prepare_all(self) -> tuple[list[str], dict[str, Exception]]:
        """Create and check the tables of all topics; return the statements that changed one, and by event what could not be prepared.

        Raises only what concerns every table: Retry where ClickHouse is away, Refused where it refuses us.
        """
        client = self._client()
        self._asked(partial(ddl.create_database, client, self._settings))
        statements: list[str] = []
        failed: dict[str, Exception] = {}
        for event in {event.name: event for event in self._topics.values()}.values():
            try:
                statements += self.prepare(event)
            except Refused:
                raise
            except Exception as error:  # noqa: BLE001 - one table's trouble, of whatever type, is not the others'
                failed[event.name] = error
        return statements, failed

    def prepare(self, event: Event) -> tuple[str, ...]:
        """Create and check the table of one event; return the statements that changed it. Raises Retry and Fatal."""
        return self._asked(partial(ddl.prepare, self._client(), self._settings, event))

    def name_markets(self, unprepared: Collection[str]) -> tuple[str, ...]:
        """Make the views that name markets over the tables that could be prepared; return the statements run. Raises Retry and Fatal."""
        events = {event.name: event for event in self._topics.values() if event.name not in unprepared}
        return self._asked(partial(named.prepare, self._client(), self._settings, tuple(events.values())))

    def forget(self, topic: str) -> None:
        """Forget what is known of a topic's schemas: after a fault all of it is found out again."""
        for key in [key for key in self._blocks if key[0] == topic]:
            del self._blocks[key]

    def insert(self, topic: str, prefix: bytes, messages: Sequence[Message], flush: int) -> list[tuple[Message, str]]:
        """Insert messages of one topic and schema; return the refused with the reason, all others are in.

        `prefix` is the 5 bytes which lead every message, `flush` a number that a repetition of this call shares and no other has:
        the server forgets an insert it has seen under that number. Raises Retry and Fatal, and what was raised where our own code
        fails on row after row: one that it fails on among others is refused, and counted as a fault. Where none is taken, and a row that
        was taken before is not either, no row is to blame but the table, and none is given up: Fatal.
        """
        try:
            blocks = self._of(topic, prefix)
        except Reject as error:
            return [(message, str(error)) for message in messages]
        table = f"{self._settings.database}.{self._topics[topic].table}"
        insert = partial(self._block, table, blocks, f"{self._run}/{flush}/{topic}/{prefix.hex()}")
        try:
            insert(messages)
        except Reject:
            self.prepare(self._topics[topic])  # where it is the table that does not fit, no message is to blame: Fatal says so
            most = max(LEAST_REFUSED, int(len(messages) * self._reject_share))
            sound, refused = blocks.sieve(messages)
            return refused + (self._apart(topic, sound, insert, most) if sound else [])
        self._taken[topic, prefix] = messages[-1]
        return []

    def _apart(
        self, topic: str, messages: Sequence[Message], insert: Callable[[Sequence[Message]], None], most: int
    ) -> list[tuple[Message, str]]:
        """Insert messages by halves; see insert_all. Raises what our code raised where it fails on all of them.

        A table's rules may change meanwhile: a row is given up that was refused twice, with one that the table has taken in between.
        """
        failed: list[tuple[Message, BaseException]] = []
        key = (topic, (messages[0].value() or b"")[:PREFIX])
        some_are_in = False

        def some(rows: Sequence[Message]) -> None:
            nonlocal some_are_in
            try:
                insert(rows)
            except Misfit as misfit:
                if len(rows) == 1:
                    failed.append((rows[0], misfit.error))
                    if len(failed) > FEW and not some_are_in:
                        raise misfit.error from None
                raise
            some_are_in = True
            self._taken[key] = rows[-1]

        refused = insert_all(messages, some, most)
        if failed:
            self._faults.tell(failed[-1][1], venue=venue_of(topic), event=self._topics[topic].name, times=len(failed))
        by_us = {id(message) for message, _ in failed}
        by_it = [message for message, _ in refused if id(message) not in by_us]
        if by_it:
            self._ensure_it_takes(key, insert)
        return [one for one in refused if id(one[0]) in by_us] + (insert_all(by_it, some, most) if by_it else [])

    def _ensure_it_takes(self, key: tuple[str, bytes], insert: Callable[[Sequence[Message]], None]) -> None:
        """See that the table takes a row once more that it has taken; Fatal where it does not."""
        known, table = self._taken.get(key), f"{self._settings.database}.{self._topics[key[0]].table}"
        try:
            if known is not None:
                insert([known])  # in already, and one row with it by its identity
            else:
                again = f"INSERT INTO {table} SELECT * FROM {table} LIMIT 1"  # noqa: S608 - our own table
                self._asked(partial(self._client().command, again))
        except Reject as error:
            raise Fatal(f"the table refuses every row, even one that it has taken before (was a rule added to it?): {error}") from error

    def received_at(self, topic: str, prefix: bytes, message: Message) -> int | None:
        """Return when the frame of a message that has been inserted reached us (microseconds), where it is known."""
        blocks = self._blocks.get((topic, prefix))
        return None if blocks is None else blocks.received_at(message.value() or b"")

    def _block(self, table: str, blocks: Blocks, token: str, messages: Sequence[Message]) -> None:
        first = messages[0]
        settings = SETTINGS | {"insert_deduplication_token": f"{token}/{first.partition()}/{first.offset()}/{len(messages)}"}
        try:
            body = blocks.pack([message.value() or b"" for message in messages])
        except TidewireError:
            raise
        except BaseException as error:  # a library's panic is no Exception
            raise Misfit(error) from error
        with insert_seconds.labels(table).time():
            self._asked(partial(self._client().raw_insert, table, insert_block=body, fmt=FORMAT, settings=settings))

    def _of(self, topic: str, prefix: bytes) -> Blocks:
        """Return what reads a schema id; Reject where the registry does not know it or it is no schema of this topic."""
        if (topic, prefix) not in self._blocks:
            event = self._topics[topic]
            schema_id = int.from_bytes(prefix[1:PREFIX], "big")
            schema = self._registry.writer_schema(schema_id)
            if reason := unfit(event.schema, schema):
                raise Reject(f"schema id {schema_id} does not fit {topic}: {reason}")
            self._asked(partial(ddl.extend, self._client(), self._settings, event, schema))
            self._blocks[topic, prefix] = Blocks(event, schema_id, schema)
        return self._blocks[topic, prefix]

    def _client(self) -> Any:
        if not hasattr(self._threads, "client"):
            self._threads.client = self._connect()
        return self._threads.client

    def _asked(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (ClickHouseError, OSError, urllib3.exceptions.HTTPError) as error:
            raise reaction(error) from error
