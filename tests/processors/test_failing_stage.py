"""A stage that fails keeps nothing of what it was at: started again it does that whole."""

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from local import Addresses
from schemas.catalogue import event
from tests.uncounted import uncounted
from topology.errors import FATAL_CODE
from topology.kafka import Publisher, connection
from topology.lag import Offsets
from topology.settings import Kafka

PATIENCE = 60.0
STAGE = """
import sys
from processors.engine import stage
from topology.errors import Fatal, Retry

name, topic, where = sys.argv[1:]

class Counting:
    # Takes the numbers of its topic; knows the last that it has begun, as a normaliser does.
    def __init__(self, entries):
        self.begun = int(entries.get("begun", b"-1"))

    def apply(self, batch, output):
        for message in batch:
            if message.offset <= self.begun:
                continue
            self.begun = message.offset
            if where == "apply" and message.value == b"bad":
                raise Retry("bad apply")
            if where == "person" and message.value == b"bad":
                raise Fatal("bad person")
            print("did", message.value.decode(), flush=True)
        output.bad = any(message.value == b"bad" for message in batch)

    def tick(self, now, output):
        if where == "tick" and getattr(output, "bad", False):
            raise Retry("bad tick")

    def dump(self):
        return {"begun": str(self.begun).encode()}

class Output(stage.Output):
    def flush(self):
        super().flush()
        if where == "flush" and self.bad:
            self.bad = False  # a failed delivery is told once
            raise Retry("bad flush")

stage.Output = Output
stage.main(name, lambda settings: (topic,), lambda settings, registry: lambda topic, partition, entries: Counting(entries))
"""


@pytest.mark.timeout(150)
@pytest.mark.parametrize("where", ["apply", "tick", "flush", "person"])
def test_what_failed_is_done_again(stack_addresses: Addresses, tmp_path: Path, where: str) -> None:
    """Where work, the clock's work or delivery can't be done, the stage ends; its next run does what was not acknowledged.

    The last line of its output says why, and its code whether a person must act.
    """
    kafka, partitions = Kafka(brokers=stack_addresses.kafka), event("trade").topic.partitions
    name, topic = f"failing-{uuid.uuid4().hex[:8]}", f"numbers-{uuid.uuid4().hex[:8]}"
    admin = AdminClient(connection(kafka))
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
    with Publisher(kafka) as publisher:
        for value in (b"one", b"bad", b"two"):
            publisher.publish(topic, b"key", value)
    environment = {
        **os.environ,
        "TIDEWIRE_STATE_DIR": str(tmp_path),
        "TIDEWIRE_KAFKA__BROKERS": stack_addresses.kafka,
        "TIDEWIRE_REGISTRY__URL": stack_addresses.registry,
    }

    def started(where: str, environment: Mapping[str, str] = environment) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", STAGE, name, topic, where]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def acknowledged() -> int:
        offsets = Offsets(kafka)
        try:
            return sum(offsets.committed(f"tidewire.{name}", [(topic, number) for number in range(partitions)]).values())
        finally:
            offsets.close()

    with started(where) as first:
        try:
            said, _ = first.communicate(timeout=PATIENCE)
        finally:
            first.kill()
    assert first.returncode == (FATAL_CODE if where == "person" else 1), said
    assert said.splitlines()[-1] == f"{name}: bad {where}"
    assert acknowledged() == 0
    with started("nowhere", uncounted(environment)) as second:
        try:
            assert second.stdout is not None
            lines = []
            while "did two" not in lines:
                lines.append(second.stdout.readline().strip())
                assert second.poll() is None, lines
            second.terminate()
            second.communicate(timeout=PATIENCE)
        finally:
            second.kill()
    assert [line for line in lines if line.startswith("did ")] == ["did one", "did bad", "did two"]
    assert second.returncode == 0
    assert acknowledged() == 3
