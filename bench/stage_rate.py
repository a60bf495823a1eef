"""How fast one stage works off a backlog: wall time, and events per second of its own CPU time."""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.processes import stat
from local import LocalStack
from schemas.catalogue import event
from schemas.codec import Codec
from topology.kafka import Publisher
from topology.registry import Registry
from topology.running import running
from topology.settings import ClickHouse, Kafka, Settings
from topology.settings import Registry as RegistrySettings
from topology.topics import all_topics, create, register

SAMPLE = 0.2
"""Seconds between two looks: each makes the stage write all its metrics, milliseconds of what is measured."""
LIMIT = 300.0


class Rate(NamedTuple):
    """Events per second of wall time, and per second of the stage's CPU."""

    wall: float
    core: float


class Sample(NamedTuple):
    """One look at a process: its events done, CPU seconds, resident bytes, and when."""

    done: float
    cpu: float
    memory: float
    at: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used, all threads."""
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    """A fresh local stack for one benchmark, and the environment of its stages. `partitions` as `kafka.partitions`."""

    def __init__(self, directory: Path, stack: LocalStack, partitions: int = 0) -> None:
        self.directory = directory
        self.stack = stack
        self.kafka = Kafka(brokers=stack.addresses.kafka, partitions=partitions)
        self.registry = Registry(RegistrySettings(url=stack.addresses.registry))
        self.settings = Settings(
            state_dir=directory / "state",
            kafka=self.kafka,
            registry=RegistrySettings(url=stack.addresses.registry),
            clickhouse=ClickHouse(url=stack.addresses.clickhouse, password_file=stack.addresses.clickhouse_password_file),
        )
        self.environment = os.environ | {
            "TIDEWIRE_STATE_DIR": str(self.settings.state_dir),
            "TIDEWIRE_KAFKA__BROKERS": stack.addresses.kafka,
            "TIDEWIRE_KAFKA__PARTITIONS": str(partitions),
            "TIDEWIRE_REGISTRY__URL": stack.addresses.registry,
            "TIDEWIRE_CLICKHOUSE__URL": stack.addresses.clickhouse,
            "TIDEWIRE_CLICKHOUSE__PASSWORD_FILE": stack.addresses.clickhouse_password_file,
            "TIDEWIRE_PRODUCER__DIRECT_EVENTS": "false",  # there is no producer: normalise is not to wait for others to go first
        }
        create(self.kafka, all_topics())
        register(self.registry, all_topics())

    def codec(self, name: str, topic: str = "") -> Codec:
        """Return the codec of an event on its topic."""
        return self.registry.codec(topic or event(name).topic.of(), event(name))

    def server(self, name: str) -> int:
        """Return the process number of the stack's `kafka`, `registry` or `clickhouse`."""
        (path,) = (self.directory / "stack").glob(f"{name}/{name}*.pid")
        return int(path.read_text().split()[0])

    def load(self, topic: str, messages: Iterable[tuple[bytes, bytes]]) -> int:
        """Publish (key, value) pairs and return how many they were, all delivered."""
        count = 0
        with Publisher(self.kafka) as publisher:
            for key, value in messages:
                publisher.publish(topic, key, value)
                count += 1
        return count

    def rate(self, module: str, stage: str, expected: int, metric: str = "tidewire_events_in_total", **environment: str) -> Rate:
        """Start a stage on a backlog and return its rate from its first event to `expected` events."""
        with (self.directory / f"{stage}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", *module.split()], env=self.environment | environment, stdout=log, stderr=log)
        try:
            return self._watch(process, expected, metric, stage)
        finally:
            process.terminate()
            process.wait(60)

    def _watch(self, process: subprocess.Popen[bytes], expected: int, metric: str, stage: str) -> Rate:
        began = time.monotonic()
        start: Sample | None = None
        while time.monotonic() - began < LIMIT:
            time.sleep(SAMPLE)
            if process.poll() is not None:
                raise RuntimeError(f"the stage ended with {process.returncode}:\n{self._log(stage)}")
            sample = self.sample(process.pid, metric)
            if sample is None:
                continue
            if sample.done == 0 or start is None:
                start = sample
            if sample.done >= expected:
                return Rate(expected / (sample.at - start.at), expected / (sample.cpu - start.cpu))
        raise RuntimeError(f"not done within {LIMIT:.0f} s:\n{self._log(stage)}")

    def _log(self, stage: str) -> str:
        return "\n".join((self.directory / f"{stage}.log").read_text(errors="replace").splitlines()[-20:])

    def sample(self, pid: int, metric: str) -> Sample | None:
        """Return a process's count (summed over labels), CPU seconds and memory now; None before it serves them."""
        url = next((one["url"] for one in running(self.settings.state_dir) if one["pid"] == pid), None)
        if url is None:
            return None
        at = time.monotonic()
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            text = answer.read().decode()

        def figure(name: str) -> float:
            return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))

        return Sample(figure(metric), figure("process_cpu_seconds_total"), figure("process_resident_memory_bytes"), at)


@contextmanager
def fresh(partitions: int = 0) -> Iterator[Bench]:
    """Start a local stack of its own in a temporary directory, and stop it afterwards; `partitions` of each topic, 0: as schemas say."""
    with tempfile.TemporaryDirectory(prefix="tidewire-bench-") as name:
        directory = Path(name)
        with LocalStack(directory / "stack") as stack:
            yield Bench(directory, stack, partitions)
