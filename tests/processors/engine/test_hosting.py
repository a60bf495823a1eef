"""Several processors in one process: what fails in one is begun again there and loses nothing, and the others go on."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from local import Addresses
from local.health_pages import pages_of
from tests.uncounted import uncounted
from tests.waiting import until
from topology.errors import FATAL_CODE
from topology.kafka import Publisher, connection
from topology.lag import Offsets
from topology.settings import Kafka

PROCESS = """
import sys
from processors.engine import hosting
from topology.errors import Fatal, Retry

how, *names = sys.argv[1:]
failed = set()

class Counting:
    # Takes the numbers of its topic; knows the last that it has begun.
    def __init__(self, name, entries):
        self.name, self.begun, self.bad = name, int(entries.get("begun", b"-1")), False

    def apply(self, batch, output):
        for message in batch:
            if message.offset <= self.begun:
                continue
            self.begun = message.offset
            if message.value == b"bad":
                if how == "fatal":
                    raise Fatal("bad for a person")
                if how == "retry" and self.name not in failed:
                    failed.add(self.name)
                    raise Retry("bad for now")
                self.bad = True
            print("did", self.name, message.value.decode(), flush=True)

    def tick(self, now, output):
        pass

    def dump(self):
        if self.bad and how == "fault" and self.name not in failed:
            failed.add(self.name)
            raise KeyError("bad dump")
        return {"begun": str(self.begun).encode()}

def processor(name):
    begin = lambda settings, registry: lambda topic, partition, entries: Counting(name, entries)
    return hosting.Processor(name, lambda settings: (name,), begin, lambda settings: 0.1, False)

hosting.processor = processor
sys.exit(hosting.main(names))
"""


class Process:
    """A process that hosts two processors, each with a topic of its own name, of one partition."""

    def __init__(self, addresses: Addresses, folder: Path, how: str) -> None:
        self.kafka = Kafka(brokers=addresses.kafka)
        self.names = [f"hosted-{which}-{uuid.uuid4().hex[:8]}" for which in ("a", "b")]
        self.admin = AdminClient(connection(self.kafka))
        for made in self.admin.create_topics([NewTopic(name, 1, 1) for name in self.names]).values():
            made.result()
        self._folder = folder
        self._said = folder / "said"
        environment = uncounted(os.environ) | {
            "TIDEWIRE_STATE_DIR": str(folder),
            "TIDEWIRE_KAFKA__BROKERS": addresses.kafka,
            "TIDEWIRE_REGISTRY__URL": addresses.registry,
        }
        with self._said.open("wb") as said:
            self.child = subprocess.Popen([sys.executable, "-c", PROCESS, how, *self.names], env=environment, stdout=said, stderr=said)

    def publish(self, name: str, *values: str) -> None:
        """Append values to the topic of a processor."""
        with Publisher(self.kafka) as publisher:
            for value in values:
                publisher.publish(name, b"key", value.encode())

    def did(self, name: str) -> list[str]:
        """Return what a processor has done, in order."""
        return [line.split()[2] for line in self.said.splitlines() if line.startswith(f"did {name} ")]

    @property
    def said(self) -> str:
        """Its output."""
        return self._said.read_text()

    def acknowledged(self, name: str) -> int:
        """Return up to where a processor's group has committed."""
        offsets = Offsets(self.kafka)
        try:
            return sum(offsets.committed(f"tidewire.{name}", [(name, 0)]).values())
        finally:
            offsets.close()

    def members(self, name: str) -> int:
        """Return how many members a processor's group has."""
        group = f"tidewire.{name}"
        return len(self.admin.describe_consumer_groups([group])[group].result().members)

    def page(self, path: str) -> dict[str, Any]:
        """Return what its health page says; nothing while it has none."""
        if (url := pages_of(self._folder).get(self.child.pid)) is None:
            return {}
        try:
            with urllib.request.urlopen(url + path) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))

    def part(self, name: str) -> dict[str, str]:
        """Return how a processor is, by that page."""
        return dict(self.page("/ready").get("parts", {}).get(name, {}))


@contextmanager
def hosting(addresses: Addresses, folder: Path, how: str) -> Iterator[Process]:
    """Run such a process; it is killed where the test has not ended it."""
    process = Process(addresses, folder, how)
    try:
        yield process
    except BaseException:
        print(process.said)
        raise
    finally:
        process.child.kill()
        process.child.wait()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["retry", "fault"])
async def test_what_fails_in_one_is_done_again_there(stack_addresses: Addresses, tmp_path: Path, how: str) -> None:
    """The one that fails reads again from its last commit, alone in its group; the other goes on meanwhile; both end in order."""
    with hosting(stack_addresses, tmp_path, how) as process:
        failing, other = process.names
        process.publish(other, "one")
        process.publish(failing, "one")
        await until(lambda: process.did(other) == ["one"] and process.acknowledged(failing) == 1)
        process.publish(failing, "bad", "two")
        process.publish(other, "two")
        await until(lambda: process.acknowledged(failing) == 3 and process.acknowledged(other) == 2)
        assert process.did(other) == ["one", "two"]
        assert process.did(failing)[0] == "one"
        assert process.did(failing)[-2:] == ["bad", "two"]
        assert process.members(failing) == 1
        assert process.page("/ready")["status"] == "ready"
        assert [one["stage"] for one in process.page("/health").get("faults", [])] == ([failing] if how == "fault" else [])
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(60) == 0


@pytest.mark.timeout(180)
async def test_one_for_a_person_stays_and_is_told(stack_addresses: Addresses, tmp_path: Path) -> None:
    """The others go on; where all of them need a person the process ends so, and its last line says why."""
    with hosting(stack_addresses, tmp_path, "fatal") as process:
        failing, other = process.names
        process.publish(failing, "bad")
        await until(lambda: process.part(failing) == {"status": "failed", "reason": "bad for a person"})
        process.publish(other, "one")
        await until(lambda: process.acknowledged(other) == 1)
        process.publish(other, "bad")
        assert process.child.wait(60) == FATAL_CODE
        assert process.said.splitlines()[-1] == f"processors: {failing}: bad for a person; {other}: bad for a person"
