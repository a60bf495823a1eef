"""Kafka to ClickHouse: read, gather, insert, and only then commit.

One thread reads and gathers; two flushes at a time are inserted by others, a table each, and ended in their order. Offsets of a
flush are committed when all its rows are in or their dead letters delivered. What was in but not committed when a process died is
read and inserted again, and the tables keep one row of each identity.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from operator import methodcaller
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from schemas.catalogue import Event
from sinks.clickhouse.batch import Batch, Message, Place
from sinks.clickhouse.writer import Writer
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Fatal, Retry
from topology.kafka import Publisher, failure
from topology.log import logger
from topology.metrics import events_in, events_out, latency, retries
from topology.settings import Sink

STAGE = "sinks.clickhouse"
CHUNK = 10_000
PATIENCE = 0.5
"""Seconds a full batch waits for the flush before it until partitions are paused: pausing throws away what was fetched ahead."""
MOST_FLUSHES = 2
"""Under way at a time: the columns of one are made while ClickHouse takes the other in."""
FAREWELL = 10.0
"""Seconds the last flush may take when partitions or the process are given up."""
LONGEST_WAIT = 30.0

ERROR = methodcaller("error")
Refused = list[tuple[Message, str]]
T = TypeVar("T")


def persist(call: Callable[[], T], what: str, stop: threading.Event, say: Callable[[str], None] | None = None) -> T:
    """Return what `call` returns, trying again while it raises Retry: after its own time, then twice as long, up to 30 s.

    `say` gets the reason of each wait and "" at the end. Raises the Retry when `stop` is set.
    """
    for attempt in itertools.count():
        try:
            result = call()
        except Retry as error:
            if say:
                say(str(error))
            retries.labels(STAGE, what).inc()
            logger().warning("waiting", what=what, attempt=attempt + 1, reason=str(error))
            if stop.wait(min(error.after * 2 ** min(attempt, 10), LONGEST_WAIT)):
                raise
        else:
            if attempt:
                if say:
                    say("")
                logger().info("going on", what=what, attempts=attempt + 1)
            return result
    raise AssertionError


class Stage:
    """The sink's loop over the given topics. `waiting` says why it waits, or nothing; `paused`: it reads no more until that is over."""

    def __init__(
        self,
        consumer: Any,
        writer: Writer,
        publisher: Publisher,
        dead_letters: DeadLetters,
        topics: Mapping[str, Event],
        limits: Sink,
        stop: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
        threads: int = 4,
    ) -> None:
        self.waiting = ""
        self._consumer = consumer
        self._writer = writer
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._topics = topics
        self._limits = limits
        self._stop = stop
        self._monotonic = monotonic
        self._tables = ThreadPoolExecutor(threads, "table")
        self._numbers = itertools.count()
        self._latency = latency.labels(STAGE)
        self._pending = Batch()
        self._since = 0.0
        self._flushes: deque[tuple[Batch, list[Future[Refused]]]] = deque()
        self.paused = False

    def run(self) -> None:
        """Work until `stop` is set, then flush what is gathered. Raises Fatal, and Retry where it was stopped while it waited."""
        self._consumer.subscribe(list(self._topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        try:
            while not self._stop.is_set():
                self._turn()
            self._begin()
            self._finish_all(FAREWELL)
        finally:
            self._stop.set()
            self._tables.shutdown(wait=True, cancel_futures=True)
            self._consumer.close()

    def _turn(self) -> None:
        self._finish_all(0)
        if self._due() and len(self._flushes) < MOST_FLUSHES:
            self._begin()
        elif self._full():
            self._finish(PATIENCE)
            self._hold(len(self._flushes) == MOST_FLUSHES)
        self._read()

    def _read(self) -> None:
        if self.paused:
            messages = self._consumer.consume(1, 0.1)
        else:
            left = self._since + self._limits.flush_seconds - self._monotonic() if self._pending.rows else 0.1
            room = max(self._limits.flush_rows - self._pending.rows, 1)
            messages = self._consumer.consume(min(CHUNK, room), min(max(left, 0.001), 0.05))
        if not messages:
            return
        if not self._pending.rows:
            self._since = self._monotonic()
        self._pending.add(messages if not any(map(ERROR, messages)) else list(self._sound(messages)))

    def _sound(self, messages: Iterable[Any]) -> Iterable[Message]:
        for message in messages:
            error = failure(message)
            if error is None:
                yield message
            elif error.fatal() or error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
                raise Fatal(f"Kafka refuses {message.topic()}: {error.str()} (kafka.*)")
            else:
                retries.labels(STAGE, "kafka").inc()
                logger().warning("Kafka says", topic=message.topic(), reason=error.str())

    def _full(self) -> bool:
        return self._pending.rows >= self._limits.flush_rows or self._pending.size >= self._limits.flush_bytes

    def _due(self) -> bool:
        late = self._monotonic() >= self._since + self._limits.flush_seconds
        return self._full() or (self._pending.rows > 0 and late)

    def _hold(self, hold: bool) -> None:
        """Pause while the flush before waits for ClickHouse: polling goes on, so the group keeps us."""
        if hold != self.paused:
            self.paused = hold
            partitions = self._consumer.assignment()
            (self._consumer.pause if hold else self._consumer.resume)(partitions)

    def _begin(self) -> None:
        batch, self._pending = self._pending, Batch()
        number = next(self._numbers)
        inserts = [self._tables.submit(self._insert, *group, messages, number) for group, messages in batch.groups.items()]
        self._flushes.append((batch, inserts))

    def _insert(self, topic: str, prefix: bytes, messages: list[Message], number: int) -> Refused:
        table = self._topics[topic].table
        refused = persist(lambda: self._writer.insert(topic, prefix, messages, number), table, self._stop, self._say)
        received_at = self._writer.received_at(topic, prefix, messages[-1])
        if received_at is not None:
            self._latency.observe((now() - received_at) / 1_000_000)
        return refused

    def _say(self, reason: str) -> None:
        self.waiting = reason

    def _finish_all(self, timeout: float) -> None:
        """End the flushes under way, each within `timeout` seconds; none after one that is not done."""
        while self._finish(timeout):
            pass

    def _finish(self, timeout: float) -> bool:
        """End the oldest flush where all its inserts are done within `timeout` seconds: dead letters, commit, counts. Whether it did."""
        if not self._flushes:
            return False
        batch, inserts = self._flushes[0]
        if wait(inserts, timeout).not_done:
            return False
        refused = [*batch.refused]
        for ((topic, _), messages), one in zip(batch.groups.items(), inserts, strict=True):
            rejects = one.result()
            refused += rejects
            events_in.labels(STAGE, topic).inc(len(messages))
            events_out.labels(STAGE, self._topics[topic].table).inc(len(messages) - len(rejects))
        if refused:
            persist(lambda: self._bury(refused), "dead_letters", self._stop, self._say)
        self._dead_letters.watch(batch.rows)
        self._commit(batch.offsets)
        self._flushes.popleft()
        self._hold(False)
        return True

    def _bury(self, refused: Refused) -> None:
        for message, reason in refused:
            self._dead_letters.send(message.topic(), message.partition(), message.offset(), message.key(), message.value(), reason)
        self._publisher.flush()

    def _commit(self, offsets: Mapping[Place, int]) -> None:
        if not offsets:
            return
        try:
            self._consumer.commit(offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False)
        except KafkaException as error:
            # The rows are in: whoever reads them again, for the commit of the next flush or after a rebalance, changes nothing.
            retries.labels(STAGE, "commit").inc()
            logger().warning("offsets not committed", reason=error.args[0].str())

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        if self.paused:
            consumer.pause(partitions)

    def _revoked(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._finish_all(FAREWELL)
        self._leave(partitions)

    def _lost(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._leave(partitions)

    def _leave(self, partitions: list[TopicPartition]) -> None:
        places = [(one.topic, one.partition) for one in partitions]
        self._pending.forget(places)
        for batch, _ in self._flushes:
            for place in places:
                batch.offsets.pop(place, None)
