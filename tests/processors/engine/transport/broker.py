"""Topics on the real broker: made, filled, cut and asked about."""

import time
import uuid
from collections.abc import Callable, Iterable
from typing import TypeVar

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.topics import records
from topology.errors import Retry
from topology.lag import Offsets
from topology.settings import Kafka

T = TypeVar("T")
PATIENCE = 20.0


def _patiently(ask: Callable[[], T]) -> T:
    """Ask until the broker has found the group's coordinator: a new group has none at first."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except Retry:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Broker:
    """A broker at `address`; every name it gives is new."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.admin = AdminClient({"bootstrap.servers": address})
        self._offsets = Offsets(Kafka(brokers=address), timeout=20)
        self._producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 1})

    def topic(self, partitions: int, name: str = "") -> str:
        """Make a topic and return its name."""
        name = name or f"transport-{uuid.uuid4().hex[:12]}"
        self.admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)
        return name

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        self.admin.delete_topics([topic])[topic].result(20)

    def fill(self, topic: str, partition: int, values: Iterable[bytes], transaction: str = "") -> None:
        """Append one record for each value, in order; all in one transaction if one is named."""
        producer = self._producer
        if transaction:
            producer = Producer({"bootstrap.servers": self.address, "transactional.id": transaction})
            producer.init_transactions(20)
            producer.begin_transaction()
        for value in values:
            producer.produce(topic, value, key=b"key", partition=partition)
        if transaction:
            producer.commit_transaction(20)
        assert producer.flush(20) == 0

    def fill_numbers(self, topic: str, partition: int, numbers: Iterable[int]) -> None:
        """Append records whose values are these numbers."""
        self.fill(topic, partition, (b"%d" % number for number in numbers))

    def cut(self, topic: str, partition: int, start: int) -> None:
        """Move the log's start, as retention does."""
        asked = TopicPartition(topic, partition, start)
        self.admin.delete_records([asked])[asked].result(20)

    def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Set what an idle group has committed."""
        _patiently(lambda: self._offsets.commit(group, {(topic, partition): offset}))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Return what a group has committed: partition to offset, those without a commit left out."""
        found = _patiently(lambda: self._offsets.committed(group, [(topic, number) for number in range(partitions)]))
        return {partition: offset for (_, partition), offset in found.items()}

    def members(self, group: str) -> int:
        """Return how many members a group has now."""
        return len(self.admin.describe_consumer_groups([group])[group].result(20).members)

    def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """Return the end offset of each partition."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "none"})
        try:
            return {number: consumer.get_watermark_offsets(TopicPartition(topic, number), 20)[1] for number in range(partitions)}
        finally:
            consumer.close()

    def read(self, topic: str) -> list[tuple[int, bytes, bytes | None]]:
        """Return every record there is now: partition, key, value."""
        return [(one.partition(), one.key(), one.value()) for one in records(self.address, topic)]
