"""Audit events: one for each act, kept until Kafka has them, never a value."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from local import Addresses
from schemas.catalogue import event
from schemas.events import CredentialAudit
from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.clock import now
from topology.errors import Fatal, Retry
from topology.kafka import Publisher
from topology.registry import Registry
from topology.secrets.audit import Audit, Queue, this_author
from topology.secrets.credential import Validation
from topology.secrets.credentials import Credentials
from topology.secrets.errors import Conflict, Missing
from topology.secrets.store import Store
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import create, register


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """Give an empty queue."""
    return Queue(tmp_path / "deep" / "audit.jsonl")


def numbered(queue: Queue, provider: str = "local") -> Audit:
    """Return an audit into a queue, whose ids count up."""
    numbers = iter(range(1_000))
    return Audit(AUTHOR, "vault" if provider == "vault" else "local", queue.append, now, lambda: f"id {next(numbers)}")


def test_every_act_is_an_event_without_a_value(store: Store, queue: Queue) -> None:
    """Reads, writes, validations, revocations and refusals each leave one line that names who, what and how it ended."""
    credentials = Credentials(store, numbered(queue))
    found = credential()
    credentials.put(found, 0)
    held = credentials.read(found.identity)
    credentials.validate(held, lambda _one: Validation(at=now(), ok=True))
    with pytest.raises(Conflict):
        credentials.put(found, 0)
    with pytest.raises(Missing):
        credentials.read(credential("kraken").identity)
    credentials.revoke(found.identity, 1)
    told = [(one["credential"], one["action"], one["secret_version"], one["success"]) for one in queue.waiting()]
    path = "credentials/binance/mainnet"
    assert told == [
        (path, "write", 1, True),
        (path, "read", 1, True),
        (path, "validate", 1, True),
        (path, "write", None, False),
        ("credentials/kraken/mainnet", "read", None, False),
        (path, "revoke", 1, True),
    ]
    assert {(one["actor"], one["host"]) for one in queue.waiting()} == {("tester", "here")}
    assert "of-the-test" not in queue.path.read_text()


def test_an_unexpected_error_is_told_by_its_kind_only(queue: Queue) -> None:
    """The words of an error that is not ours may hold anything, so the audit gets its class's name."""
    audit = numbered(queue)
    with pytest.raises(ValueError, match="canary"), audit.watching("kafka", "read"):
        raise ValueError("canary")
    assert [one["error"] for one in queue.waiting()] == ["ValueError"]


class Broker:
    """What stands for a broker that is away."""

    def __init__(self, failing: bool) -> None:
        self.failing = failing
        self.published: list[bytes] = []

    def publish(self, _topic: str, _key: bytes, value: bytes) -> None:
        """Take one."""
        self.published.append(value)

    def flush(self, _timeout: float) -> None:
        """Deliver, or not."""
        if self.failing:
            raise Retry("no broker")


def test_events_wait_until_they_are_delivered(queue: Queue) -> None:
    """While the broker is away events stay, in order, new ones behind them; a line cut by a crash is left out, the rest go."""
    audit = numbered(queue)
    for _ in range(3):
        audit.say("kafka", "read", 1)

    def encode(one: object) -> bytes:
        return json.dumps(one).encode()

    with pytest.raises(Retry):
        queue.ship(Broker(failing=True), encode)
    assert len(queue.waiting()) == 3
    with queue.path.open("ab") as file:
        file.write(b'{"audit_id": "cut')
    broker = Broker(failing=False)
    assert queue.ship(broker, encode) == 3
    assert [json.loads(one)["audit_id"] for one in broker.published] == ["id 0", "id 1", "id 2"]
    assert queue.waiting() == []
    audit.say("kafka", "read", 2)
    assert [one["secret_version"] for one in queue.waiting()] == [2]


def test_events_reach_kafka(queue: Queue, stack_addresses: Addresses) -> None:
    """What was queued is on the topic, decoded through the registry as it was written."""
    kafka = Kafka(brokers=stack_addresses.kafka)
    registry = Registry(RegistrySettings(url=stack_addresses.registry))
    kind = event("credential_audit")
    create(kafka, {kind.topic.of(): kind})
    register(registry, {kind.topic.of(): kind})
    codec = registry.codec(kind.topic.of(), kind)
    numbered(queue).say("credentials/kraken/mainnet", "refuse", 4, "the exchange knows no such key")
    [written] = queue.waiting()
    with Publisher(kafka) as publisher:
        assert queue.ship(publisher, codec.encode) == 1
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "test-audit", "auto.offset.reset": "earliest"})
    consumer.subscribe([kind.topic.of()])
    while (message := consumer.poll(30)) is not None:
        record = codec.decode(message.value() or b"")
        if record["audit_id"] == written["audit_id"] and record["error"]:
            break
    consumer.close()
    assert message is not None
    assert message.key() == b"credentials/kraken/mainnet"
    assert CredentialAudit(**record) == written  # type: ignore[typeddict-item]  # as decoded


def test_an_author_is_a_stage_or_a_user() -> None:
    """A stage goes by its name, a person by the user's."""
    assert this_author("producers-kraken").name == "producers-kraken"
    assert this_author().name
    assert this_author().host
    assert issubclass(Conflict, Exception)
    assert not issubclass(Conflict, Fatal)
