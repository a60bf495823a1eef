"""The parts of the stack, through the clients that the rest of the project uses."""

import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from topology.stack import Addresses


def test_kafka_hands_back_what_was_produced(stack_addresses: Addresses) -> None:
    """A topic can be made, written and read; a frame of 12 MB passes."""
    topic = f"stack-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": stack_addresses.kafka})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": stack_addresses.kafka, "message.max.bytes": 16_000_000})
    frame = b"x" * 12_000_000
    producer.produce(topic, frame)
    assert producer.flush(20) == 0
    consumer = Consumer({
        "bootstrap.servers": stack_addresses.kafka, "group.id": topic, "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.subscribe([topic])
    message = consumer.consume(1, 20)[0]
    consumer.close()
    assert message.value() == frame
