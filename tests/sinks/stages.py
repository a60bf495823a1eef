"""The sink as a process of its own, on topics of one test: `python -m tests.sinks.stages <json>`; see Run."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.catalogue import Event, event
from sinks.clickhouse.composition import compose, outlets_of
from sinks.clickhouse.stage import Stage
from sinks.clickhouse.writer import Writer
from tests import topics
from topology import settings
from topology.clickhouse import connect
from topology.faults import Faults
from topology.kafka import Publisher
from topology.registry import Registry
from topology.retry import Attempts, persist

PATIENCE = 60.0
FINDING_OUT = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
"""What a broker answers while it makes the topic of commits."""


@dataclass(frozen=True)
class Run:
    """What one sink works on. `kill_at` ends its process with SIGKILL instead of the commit of that number, from 1; 0: never."""

    kafka: str
    registry: str
    clickhouse: str
    database: str
    group: str
    topics: dict[str, str]
    flush_rows: int = 500
    kill_at: int = 0
    password_file: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it as a process; its end is the caller's."""
        return subprocess.Popen([sys.executable, "-m", "tests.sinks.stages", json.dumps(asdict(self))])


class Killed:
    """A consumer whose process dies when it would commit: after the inserts, before anybody knows of them."""

    def __init__(self, inner: Any, commits: int) -> None:
        self._inner = inner
        self._left = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, **arguments: Any) -> None:
        """Commit, or die."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._inner.commit(**arguments)


def stage(run: Run, stop: threading.Event) -> Stage:
    """Compose the sink of a run, as its __main__ does."""
    found = settings.Settings(
        kafka=settings.Kafka(brokers=run.kafka),
        registry=settings.Registry(url=run.registry),
        clickhouse=settings.ClickHouse(url=run.clickhouse, database=run.database, password_file=run.password_file, ttl_days={}),
        sink=settings.Sink(flush_rows=run.flush_rows, flush_seconds=0.05),
    )
    registry, faults = Registry(found.registry), Faults(run.group)
    topics: Mapping[str, Event] = {topic: event(name) for topic, name in run.topics.items()}
    writer = Writer(found.clickhouse, registry, topics, found.sink.reject_share, partial(connect, found.clickhouse), faults)
    _, unprepared = persist(writer.prepare_all, Attempts(run.group, "tables"), stop.wait)
    outlets = outlets_of(found, registry, stop, run.group)

    def killed(consumer: Any) -> Any:
        return Killed(consumer, run.kill_at) if run.kill_at else consumer

    return compose(found, writer, outlets, topics, stop, faults, unprepared, run.group, killed)


@contextmanager
def at_work(run: Run) -> Iterator[Stage]:
    """Let a sink work in a thread; it must have worked until the end."""
    stop = threading.Event()
    sink = stage(run, stop)
    thread = threading.Thread(target=sink.run, name="sink")
    thread.start()
    try:
        yield sink
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def eventually(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds; fail with `what` was waited for."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}"
        time.sleep(0.05)


def publish(brokers: str, topic: str, values: Iterable[bytes]) -> None:
    """Publish values to a topic, spread over its partitions by their number."""
    with Publisher(settings.Kafka(brokers=brokers)) as publisher:
        for number, value in enumerate(values):
            publisher.publish(topic, str(number).encode(), value)


def lag(brokers: str, group: str, topic: str, partitions: int) -> int:
    """Return how many messages of a topic a group has not committed; all of them while the broker is still finding out."""
    watcher = Consumer({"bootstrap.servers": brokers, "group.id": group})
    try:
        try:
            committed = watcher.committed([TopicPartition(topic, one) for one in range(partitions)], timeout=10)
        except KafkaException as error:
            if error.args[0].code() not in FINDING_OUT:
                raise
            committed = [TopicPartition(topic, one) for one in range(partitions)]
        total = 0
        for one in committed:
            low, high = watcher.get_watermark_offsets(TopicPartition(topic, one.partition), timeout=10)
            total += high - max(one.offset, low)
        return total
    finally:
        watcher.close()


def count(client: Any, run: Run, name: str, final: str = "FINAL") -> int:
    """Return how many rows an event's table has."""
    rows = client.query(f"SELECT count() FROM {run.database}.{event(name).table} {final}").result_rows
    return int(rows[0][0])


def dead_letters(run: Run) -> list[Any]:
    """Return the dead letters of a run."""
    codec = Registry(settings.Registry(url=run.registry)).codec("dead_letters", event("dead_letter"))
    return [
        letter for record in topics.records(run.kafka, "dead_letters") if (letter := codec.decode(record.value()))["stage"] == run.group
    ]


if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    stage(Run(**json.loads(sys.argv[1])), ended).run()
