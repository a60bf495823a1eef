"""Outboxes as tests run them, a broker that may be frozen and killed, and what it has stored."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from local import LocalStack
from local.kafka import Kafka as Broker
from producers.outbox import Outbox
from producers.sealing import Sealing
from producers.spill import Spill
from tests import waiting
from tests.topics import records
from topology.kafka import Publisher, connection
from topology.settings import Kafka

PATIENCE = 0.3
until = partial(waiting.until, patience=60)
KEYS = [b"venue|%d" % number for number in range(5)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start a broker that may be frozen and killed."""
    stack = LocalStack(tmp_path_factory.mktemp("broker"))
    stack.start(("kafka",))
    try:
        yield stack.kafka
    finally:
        stack.stop()


@pytest.fixture
def topic(broker: Broker) -> str:
    """Make a topic of four partitions."""
    name = f"raw.{secrets.token_hex(4)}"
    admin = AdminClient(connection(Kafka(brokers=broker.address)))
    admin.create_topics([NewTopic(name, 4, 1)])[name].result()
    return name


@contextlib.contextmanager
def frozen(broker: Broker) -> Iterator[None]:
    """Stop the broker's process where it is; it goes on afterwards."""
    os.killpg(broker.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(broker.child.pid, signal.SIGCONT)


@asynccontextmanager
async def outbox(
    broker: Broker,
    topic: str,
    root: Path,
    *,
    most_bytes: int = 100_000_000,
    when_full: Any = "drop",
    refused: Any = None,
    sealing: Sealing | None = None,
    farewell: float = 30,
) -> AsyncIterator[Outbox]:
    """Run an outbox; what it was given is delivered at the end."""
    spill = Spill(root, f"{time.time_ns()}", most_bytes, segment_bytes=64 * 1024, sealing=sealing)
    made = Outbox(
        lambda overrides: Publisher(Kafka(brokers=broker.address), **overrides),
        topic,
        "venue",
        spill,
        spill_after=PATIENCE,
        when_full=when_full,
        refused=refused or (lambda *_: None),
        clock=time.monotonic,
    )
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.close(farewell)


def size_of(root: Path) -> int:
    """Return the bytes in spill files."""
    return sum(path.stat().st_size for path in root.glob("*/*.spill"))


def message(number: int) -> tuple[bytes, bytes]:
    """Return one of the messages of a run."""
    return KEYS[number % len(KEYS)], b"%08d" % number + b"x" * 200


def put(made: Outbox, numbers: range) -> list[int]:
    """Put messages; return the numbers that were taken."""
    return [number for number in numbers if made.put(*message(number))]


def stored(broker: Broker, topic: str) -> dict[bytes, list[int]]:
    """Return the numbers in a topic by key, in order."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for one in records(broker.address, topic):
        found[one.key()].append(int(one.value()[:8]))
    return found


def in_order(numbers: list[int]) -> dict[bytes, list[int]]:
    """Return numbers as they must be stored."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for number in numbers:
        found[message(number)[0]].append(number)
    return found


LEFT = """
import asyncio, contextlib, sys
from pathlib import Path
from tests.producers.outboxes import outbox, put, until
from tests.producers.sealed import keyed

class Broker:
    address = sys.argv[1]

async def main():
    with keyed() if sys.argv[4] == "sealed" else contextlib.nullcontext() as keys:
        async with outbox(Broker, sys.argv[2], Path(sys.argv[3]), sealing=keys) as made:
            put(made, range(2000))
            await until(lambda: made.spilling)
            put(made, range(2000, 5000))
            print("ready", flush=True)
            await asyncio.sleep(600)

asyncio.run(main())
"""


async def leave_by_kill(broker: Broker, topic: str, folder: Path, *, sealed: bool = False) -> None:
    """Let a producer spill messages 0 to 4999 while the broker is away, and kill it with signal 9."""
    with frozen(broker):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LEFT, broker.address, topic, str(folder), "sealed" if sealed else "plain"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        said = b""
        async with asyncio.timeout(60):
            while said != b"ready\n":  # its warnings come before
                said = await child.stdout.readline()
                assert said, "the producer ended before it was ready"
        child.kill()
        await child.wait()
