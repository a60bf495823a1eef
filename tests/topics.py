"""What is on topics: every record from the first one to the last there is while it is read."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from topology.kafka import connection
from topology.settings import Kafka

PATIENCE = 60.0


def records(brokers: str, *topics: str) -> Iterator[Any]:
    """Yield each record of topics, in the order of each partition; of all topics where none is named.

    What the client reports meanwhile and mends itself (a leader that is not known yet) ends nothing; AssertionError where a partition's
    end does not come within a minute.
    """
    group = f"reading-{secrets.token_hex(4)}"
    consumer = Consumer(connection(Kafka(brokers=brokers)) | {"group.id": group, "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        places = [TopicPartition(topic, number, 0) for topic, number in sorted(_partitions(consumer, topics))]
        consumer.assign(places)
        left = {(place.topic, place.partition) for place in places}
        until = time.monotonic() + PATIENCE
        while left:
            for message in consumer.consume(10_000, 1):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard((message.topic(), message.partition()))
                else:
                    assert not error.fatal(), error
            assert not left or time.monotonic() < until, f"the ends of {sorted(left)} were not reached"
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topics: tuple[str, ...]) -> list[tuple[str, int]]:
    found: dict[str, Any] = {}
    for topic in topics:
        found |= consumer.list_topics(topic, timeout=30).topics
    about = found if topics else consumer.list_topics(timeout=30).topics
    return [(topic, number) for topic, one in about.items() for number in one.partitions]
