"""The whole stack: kept addresses, kept data, one owner, no orphans."""

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local import LocalStack
from local.kafka import Kafka
from topology.errors import Fatal


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Start a broker of this module's own."""
    stack = LocalStack(tmp_path_factory.mktemp("local"))
    stack.start(["kafka"])
    yield stack
    stack.stop()


def produced(address: str, count: int) -> str:
    topic = f"t-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": address})  # a name of its own: what it does ends with it
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = Producer({"bootstrap.servers": address})
    for number in range(count):
        producer.produce(topic, str(number))
    assert producer.flush(20) == 0
    return topic


def consumed(address: str, topic: str, count: int) -> list[str]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values = [(message.value() or b"").decode() for message in consumer.consume(count, 60)]
    consumer.close()
    return values


def test_a_killed_broker_comes_back_with_its_data(stack: LocalStack) -> None:
    """After kill -9: the same address, everything that was acknowledged."""
    address = stack.addresses.kafka
    topic = produced(address, 1000)
    kafka = stack.parts["kafka"]
    assert isinstance(kafka, Kafka)
    kafka.kill()
    kafka.start()
    assert kafka.address == address
    assert consumed(address, topic, 1000) == [str(number) for number in range(1000)]


def test_a_second_owner_joins_the_running_stack(stack: LocalStack) -> None:
    """It is told the same addresses, and its stop stops nothing."""
    second = LocalStack(stack.state_dir)
    assert second.start(["kafka"]) == stack.addresses
    second.stop()
    produced(stack.addresses.kafka, 1)


def test_a_running_stack_is_not_cleared_or_extended(stack: LocalStack) -> None:
    """Neither its data nor its set of parts changes under it."""
    with pytest.raises(Fatal, match="stop it first"):
        LocalStack(stack.state_dir).fresh()
    with pytest.raises(Fatal, match="runs without clickhouse"):
        LocalStack(stack.state_dir).start(["clickhouse"])


def test_addresses_and_data_survive_a_restart_until_fresh(tmp_path: Path) -> None:
    """Stop and start: the same ports and rows. fresh(): no more than the mark and the lock files."""
    stack = LocalStack(tmp_path)
    first = stack.start(["clickhouse"])
    (tmp_path / "clickhouse" / "data" / "mark").touch()
    stack.stop()
    assert stack.start(["clickhouse"]) == first
    stack.stop()
    assert (tmp_path / "clickhouse" / "data" / "mark").exists()
    stack.fresh()
    assert {path.name for path in tmp_path.iterdir()} == {".tidewire", "stack.lock", "up.lock"}


def test_a_part_that_cannot_start_stops_the_others(tmp_path: Path) -> None:
    """Nothing is left running, and the folder is free again."""
    stack = LocalStack(tmp_path)
    (tmp_path / "clickhouse").mkdir()
    (tmp_path / "clickhouse" / "data").write_text("a file where a folder must be")
    with pytest.raises(Fatal, match="clickhouse ended with code"):
        stack.start(["clickhouse"])
    assert stack.parts == {}
    stack.fresh()


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    """A typing error is told, with the parts that there are."""
    with pytest.raises(Fatal, match="No part of the stack is called kafak; there are kafka"):
        LocalStack(tmp_path).start(["kafak"])


def test_by_hand_it_prints_its_addresses_and_stays_until_sigterm(tmp_path: Path) -> None:
    """`python -m local`: one line of JSON, then up; SIGTERM ends it and its children, with code 0."""
    command = [sys.executable, "-m", "local", "--state", str(tmp_path), "--parts", "clickhouse"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        child = int((tmp_path / "clickhouse" / "clickhouse.pid").read_text().split()[0])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert addresses["clickhouse"].startswith("http://127.0.0.1:")
    assert subprocess.run(["ps", "-p", str(child)], capture_output=True, check=False).returncode == 1
