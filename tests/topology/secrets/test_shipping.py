"""Audit events on their way by themselves: from a stage's settings to the topic."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from local import Addresses
from schemas.catalogue import event
from schemas.events import CredentialAudit
from tests.producers.sealed import wait
from tests.topics import records
from tests.topology.secrets.secrets_made import AUTHOR
from topology.clock import now
from topology.errors import Retry
from topology.registry import Registry
from topology.secrets import shipping as module
from topology.secrets.audit import Audit, Queue
from topology.secrets.errors import Damaged
from topology.secrets.settings import Secrets
from topology.secrets.shipping import ship, shipping
from topology.settings import Kafka, Settings
from topology.settings import Registry as RegistrySettings
from topology.topics import create, register

KIND = event("credential_audit")
TOPIC = KIND.topic.of()


@pytest.fixture
def known(stack_addresses: Addresses, tmp_path: Path) -> Settings:
    """Return settings with a real broker and registry, the topic there, and an empty queue."""
    kafka, registry = Kafka(brokers=stack_addresses.kafka), RegistrySettings(url=stack_addresses.registry)
    create(kafka, {TOPIC: KIND})
    register(Registry(registry), {TOPIC: KIND})
    return Settings(state_dir=tmp_path, kafka=kafka, registry=registry, secrets=Secrets(audit_queue=tmp_path / "audit.jsonl", address=""))


def audit(settings: Settings) -> Audit:
    """Return an audit into the settings' queue."""
    return Audit(AUTHOR, "local", Queue(settings.secrets.audit_queue).append, now, lambda: uuid.uuid4().hex)


def published(settings: Settings) -> list[CredentialAudit]:
    """Return all events that are on the topic now."""
    codec = Registry(settings.registry).codec(TOPIC, KIND)
    read = records(settings.kafka.brokers, TOPIC)
    return [CredentialAudit(**codec.decode(record.value())) for record in read]  # type: ignore[typeddict-item]  # as decoded


def names_of(settings: Settings, mark: str) -> list[str]:
    """Return the secrets whose events with a mark are on the topic."""
    return sorted(one["credential"] for one in published(settings) if one["credential"].startswith(mark))


def test_events_go_at_the_start_meanwhile_and_at_the_end(known: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits when a stage starts, what comes while it runs and what came last of all reach the topic; then the queue is empty."""
    mark = uuid.uuid4().hex
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    queue = Queue(known.secrets.audit_queue)
    audit(known).say(f"{mark}/1", "read")
    with shipping(known, "test"):
        wait(lambda: queue.empty)
        audit(known).say(f"{mark}/2", "read")
        wait(lambda: queue.empty)
        monkeypatch.setattr(module, "LOOK_SECONDS", 600)
        audit(known).say(f"{mark}/3", "read")
    assert queue.empty
    assert names_of(known, mark) == [f"{mark}/{number}" for number in (1, 2, 3)]


def test_without_events_nothing_is_made(known: Settings) -> None:
    """Where no secret was read there is no queue, no lock and no connection."""
    with shipping(known, "test"):
        assert ship(known) == 0
    assert list(known.state_dir.iterdir()) == []


def test_events_stay_while_kafka_is_away(known: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker or a registry that is away, or known nowhere, loses none; the stage goes on; when they are back all goes."""
    mark = uuid.uuid4().hex
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "DELIVERY_SECONDS", 0.3)
    audit(known).say(f"{mark}/1", "read")
    nowhere = {"kafka": Kafka(brokers="127.0.0.1:9"), "registry": RegistrySettings(url="http://127.0.0.1:9")}
    for name, away in nowhere.items():
        lacking = known.model_copy(update={name: away})
        with pytest.raises(Retry):
            ship(lacking)
        with capture_logs() as said, shipping(lacking, "test"):
            pass
        assert "audit events wait on this machine" in {line["event"] for line in said}
    assert ship(known.model_copy(update={"kafka": Kafka()})) == 0
    monkeypatch.undo()
    assert ship(known) == 1
    assert names_of(known, mark) == [f"{mark}/1"]


CHILD = """
import sys
from topology.secrets import shipping as module
from topology.settings import load
from tests.topology.secrets.test_shipping import audit

module.LOOK_SECONDS = 0.05
settings = load()
with module.shipping(settings, "test"):
    for number in range(30):
        audit(settings).say(f"{sys.argv[1]}/{sys.argv[2]}-{number}", "read")
"""


def test_processes_share_the_queue(known: Settings) -> None:
    """Three processes add and ship at once: every event is on the topic, and none is left."""
    mark = uuid.uuid4().hex
    environment = {
        "TIDEWIRE_STATE_DIR": str(known.state_dir),
        "TIDEWIRE_SECRETS__AUDIT_QUEUE": str(known.secrets.audit_queue),
        "TIDEWIRE_KAFKA__BROKERS": known.kafka.brokers,
        "TIDEWIRE_REGISTRY__URL": known.registry.url,
        "HOME": str(known.state_dir),
    }
    children = [subprocess.Popen([sys.executable, "-c", CHILD, mark, str(number)], env=environment) for number in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    ship(known)
    assert Queue(known.secrets.audit_queue).empty
    assert set(names_of(known, mark)) == {f"{mark}/{process}-{number}" for process in range(3) for number in range(30)}


def test_a_line_that_a_crash_cut_is_cut_off(known: Settings) -> None:
    """The next event does not grow onto a line that was never finished; a whole line that is no event is told, and nothing dropped."""
    queue = Queue(known.secrets.audit_queue)
    audit(known).say("one", "read")
    with queue.path.open("ab") as file:
        file.write(b'{"audit_id": "cut')
    audit(known).say("two", "read")
    assert [one["credential"] for one in queue.waiting()] == ["one", "two"]
    with queue.path.open("ab") as file:
        file.write(b"no event\n")
    before = queue.path.read_bytes()
    with pytest.raises(Damaged, match="take that line out"):
        ship(known)
    assert queue.path.read_bytes() == before
