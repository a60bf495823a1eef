"""Publishing through librdkafka: in order, keyed as Java keys, nothing forgotten silently; and what is said where it can't be."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka.admin import AdminClient, NewTopic

from local import Addresses
from tests.sinks.stages import eventually
from topology.errors import Reject, Retry
from topology.kafka import Publisher, connection, consumer, ensure_reachable, failure
from topology.lag import Offsets
from topology.settings import Kafka

PATIENCE = 30.0
PARTITIONS = 4


@pytest.fixture(scope="module")
def kafka(stack_addresses: Addresses) -> Kafka:
    """Return the settings of the run's broker."""
    return Kafka(brokers=stack_addresses.kafka)


@pytest.fixture
def topic(kafka: Kafka) -> str:
    """Return a topic of four partitions that nobody else uses."""
    name = f"kafka-{uuid.uuid4().hex}"
    admin = AdminClient(connection(kafka))
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(PATIENCE)
    offsets = Offsets(kafka, PATIENCE)
    eventually(lambda: led(offsets, name), "the broker leads the topic's partitions, a moment after it lists them")
    offsets.close()
    return name


def led(offsets: Offsets, topic: str) -> bool:
    """Whether the broker answers for every partition of a topic."""
    try:
        return len(offsets.ends([(topic, number) for number in range(PARTITIONS)])) == PARTITIONS
    except Retry:
        return False


@pytest.fixture
def publisher(kafka: Kafka) -> Iterator[Publisher]:
    """Return a publisher, closed at the end."""
    with Publisher(kafka) as made:
        yield made


@pytest.fixture
def reader(kafka: Kafka, topic: str) -> Iterator[Consumer]:
    """Return a consumer of the topic, as stages have one."""
    made = consumer(kafka, f"{topic}-group", session_timeout_ms=6_000)
    made.subscribe([topic])
    yield made
    made.close()


def read(reader: Any, count: int) -> list[Any]:
    """Return so many messages."""
    found: list[Any] = []
    while len(found) < count:
        messages = reader.consume(count - len(found), PATIENCE)
        assert messages, f"{len(found)} of {count} messages came"
        assert [failure(message) for message in messages] == [None] * len(messages)
        found += messages
    return found


def test_messages_arrive_in_order_of_their_key(publisher: Publisher, topic: str, reader: Consumer) -> None:
    """What is published under one key is in one partition in the order of publishing, one by one or many at once."""
    for number in range(50):
        publisher.publish(topic, b"one" if number % 2 else b"other", b"%d" % number)
    publisher.publish_many((topic, b"one" if number % 2 else b"other", b"%d" % number) for number in range(50, 100))
    publisher.flush()
    assert len(publisher) == 0
    found = read(reader, 100)
    for key, numbers in ((b"one", range(1, 100, 2)), (b"other", range(0, 100, 2))):
        own = [message for message in found if message.key() == key]
        assert [int(message.value()) for message in own] == list(numbers)
        assert len({message.partition() for message in own}) == 1


JAVA = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
"""Key → murmur2, from the Java client's own test (org.apache.kafka.common.utils.UtilsTest.testMurmur2)."""


@pytest.mark.parametrize("key", JAVA)
def test_keys_go_where_java_clients_look(publisher: Publisher, topic: str, reader: Consumer, key: bytes) -> None:
    """The partitioner is murmur2, so that a Java client's join by key meets ours."""
    publisher.publish(topic, key, b"")
    publisher.flush()
    (message,) = read(reader, 1)
    assert message.partition() == (JAVA[key] & 0x7FFFFFFF) % PARTITIONS


def test_what_is_too_large_is_rejected_and_the_rest_flows(kafka: Kafka, publisher: Publisher, topic: str, reader: Consumer) -> None:
    """A message above message_max_bytes can never be sent: Reject, with nothing queued after or before it lost."""
    publisher.publish(topic, b"key", b"before")
    with pytest.raises(Reject, match="Kafka cannot take it"):
        publisher.publish(topic, b"key", b"x" * (kafka.message_max_bytes + 1))
    with pytest.raises(Reject, match="Kafka cannot take it"):
        publisher.publish_many([(topic, b"key", b"between"), (topic, b"key", b"x" * (kafka.message_max_bytes + 1))])
    publisher.publish(topic, b"key", b"after")
    publisher.flush()
    assert [message.value() for message in read(reader, 3)] == [b"before", b"between", b"after"]


def test_a_full_queue_makes_the_writer_wait(kafka: Kafka, topic: str, reader: Consumer) -> None:
    """Back-pressure: more messages than the queue holds are all delivered, in order."""
    with Publisher(kafka, **{"queue.buffering.max.messages": 10, "linger.ms": 0}) as publisher:
        publisher.publish_many((topic, b"key", b"%d" % number) for number in range(200))
    assert [int(message.value()) for message in read(reader, 200)] == list(range(200))


def test_what_was_not_delivered_is_told_once() -> None:
    """Where the broker is away, the failure of a delivery is a Retry at the next check or flush, and then it is told."""
    with Publisher(Kafka(brokers="127.0.0.1:1"), **{"delivery.timeout.ms": 1_000, "log_level": 0}) as publisher:
        publisher.publish("topic", b"key", b"value")
        with pytest.raises(Retry, match=r"1 messages still wait for Kafka after 0 s \(kafka.brokers\)"):
            publisher.flush(0.01)
        with pytest.raises(Retry, match=r"1 messages were not delivered to Kafka: .*\(kafka.brokers\)"):
            publisher.flush(PATIENCE)
        publisher.flush(PATIENCE)


def test_closing_gives_up_what_was_not_delivered_and_says_how_much() -> None:
    """A publisher ends at once, with its threads, whatever waits: who wanted it delivered has flushed. Closed twice is closed."""
    errors: list[KafkaError] = []
    overrides = {"log_level": 0, "delivery.timeout.ms": 0, "on_delivery": lambda error, _message: errors.append(error)}
    publisher = Publisher(Kafka(brokers="127.0.0.1:1"), **overrides)
    publisher.publish_many(("topic", b"key", b"value") for _ in range(3))
    assert publisher.close() == 3
    assert [error.code() for error in errors] == [KafkaError._PURGE_QUEUE] * 3
    assert publisher.close() == 0


def test_a_block_that_ends_well_has_delivered_and_one_that_fails_gives_up() -> None:
    """Leaving a `with` block waits for delivery and tells what failed; an error inside goes on as it is, and is not waited for."""
    away = Kafka(brokers="127.0.0.1:1")

    def leave(error: type[Exception] | None = None) -> None:
        with Publisher(away, **{"delivery.timeout.ms": 500, "log_level": 0}) as publisher:
            publisher.publish("topic", b"key", b"value")
            if error is not None:
                raise error

    with pytest.raises(Retry, match="1 messages were not delivered"):
        leave()
    with pytest.raises(ZeroDivisionError):
        leave(ZeroDivisionError)


def test_a_publisher_that_nobody_closed_is_told() -> None:
    """One that is forgotten goes at once, for nothing of it holds itself, and warns: so every test that leaves one open fails."""
    publisher = Publisher(Kafka(brokers="127.0.0.1:1"), log_level=0)
    with pytest.warns(ResourceWarning, match="was never closed"):
        del publisher


def test_a_broker_that_is_nowhere_is_waited_for(kafka: Kafka) -> None:
    """A stage says at its start that there is no broker yet, and which setting names it; where there is one it says nothing."""
    ensure_reachable(kafka)
    with pytest.raises(Retry, match=r"no Kafka broker answers at '127\.0\.0\.1:1' \(kafka\.brokers\)"):
        ensure_reachable(Kafka(brokers="127.0.0.1:1"), 1.0)


def test_offsets_are_committed_by_hand(kafka: Kafka, publisher: Publisher, topic: str, reader: Consumer) -> None:
    """What is read is not acknowledged by reading it; lag is what is left, for a group that never was too, less what is said to be read."""
    publisher.publish_many((topic, b"%d" % number, b"") for number in range(40))
    publisher.flush()
    offsets = Offsets(kafka, PATIENCE)
    group = f"{topic}-group"
    assert offsets.lag(group, [topic]) == 40
    messages = read(reader, 40)
    assert offsets.lag(group, [topic]) == 40
    first = [message for message in messages if message.partition() == messages[0].partition()]
    reader.commit(message=first[-1], asynchronous=False)
    assert offsets.lag(group, [topic]) == 40 - len(first)
    assert offsets.committed(group, [(topic, first[0].partition())]) == {(topic, first[0].partition()): len(first)}
    read_to = {(topic, first[0].partition()): 0, (topic, next(one.partition() for one in messages if one not in first)): 1, ("other", 0): 9}
    assert offsets.lag(group, [topic], positions=read_to) == 40 - len(first) - 1
    assert offsets.lag(f"{topic}-nobody", [topic]) == 40
    offsets.close()


def test_places_and_ends_of_topics(kafka: Kafka, topic: str) -> None:
    """Partitions are of the topics there are; begin and end are equal where nothing is in them; one not there has none."""
    offsets = Offsets(kafka, PATIENCE)
    places = offsets.partitions([topic, "no-such-topic"])
    assert sorted(places) == [(topic, number) for number in range(PARTITIONS)]
    assert offsets.begins(places) == offsets.ends(places) == dict.fromkeys(places, 0)
    assert offsets.ends([]) == offsets.committed("group", []) == {}
    assert offsets.lag("group", ["no-such-topic"]) == 0
    offsets.close()


def test_a_broker_that_does_not_answer_is_a_retry() -> None:
    """Looking at offsets while the broker is away is a Retry that names it, and ends no process."""
    offsets = Offsets(Kafka(brokers="127.0.0.1:1"), 0.5)
    place = ("topic", 0)
    for ask in (
        lambda: offsets.partitions(["topic"]),
        lambda: offsets.ends([place]),
        lambda: offsets.begins([place]),
        lambda: offsets.committed("group", [place]),
        lambda: offsets.lag("group", ["topic"], {place: 1}),
    ):
        with pytest.raises(Retry, match=r"127\.0\.0\.1:1 \(kafka\.brokers\) did not say "):
            ask()
    offsets.close()
