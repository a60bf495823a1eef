"""A producer beside a simulated venue, both in this process, and what it has published on a real broker."""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from dialects import notices
from dialects.catalogue import dialect
from producers.connection import Connection
from producers.stage import Stage
from schemas.catalogue import event
from schemas.codec import Codec
from simulator import wire
from simulator.server import Simulator
from topology.kafka import connection
from topology.settings import Kafka, Producer, Registry, Settings, Venue

WAIT_SECONDS = 40.0
QUICK = {"backoff_first": 0.05, "backoff_most": 0.5, "confirm_seconds": 2.0}


def ends_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Return where each partition of a topic ends. A topic that was just made has a leader a moment later: it is waited for."""
    found: list[TopicPartition] = []
    until = time.monotonic() + WAIT_SECONDS
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        while True:
            try:
                found.append(TopicPartition(topic, number, consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]))
                break
            except KafkaException as error:
                if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > until:
                    raise
    return found


class Published:
    """Read a topic from now on; keep the frames of one producer, by connection and in order of publication."""

    def __init__(self, kafka: Kafka, topic: str, mark: str) -> None:
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._codec = Codec(event("frame"), 0)
        self._mark = mark
        self._consumer = Consumer(
            connection(kafka) | {"group.id": f"test-{secrets.token_hex(4)}", "enable.auto.commit": False, "fetch.wait.max.ms": 20}
        )
        self._consumer.assign(ends_of(self._consumer, topic))

    def poll(self) -> None:
        """Take what has come."""
        for message in self._consumer.consume(10_000, 0.05):
            if message.error() is not None:
                continue
            record = self._codec.decode(message.value() or b"")
            if self._mark in record["connection_id"]:
                self.frames[record["connection_id"]].append(record)

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of a kind, connection after connection."""
        return [record for records in self.frames.values() for record in records if record["kind"] == kind]

    def notices(self, *kinds: str) -> list[notices.Notice]:
        """Return the notices of these kinds, in order for each connection."""
        return [notice for record in self.all("notice") if (notice := notices.decode(record["payload"]))["notice"] in kinds]

    def unbroken(self) -> bool:
        """Whether every connection's counter goes from 1 by one: nothing lost, doubled or overtaken."""
        return all([one["connection_sequence"] for one in records] == list(range(1, len(records) + 1)) for records in self.frames.values())

    def data(self, name: str = "e") -> list[dict[str, Any]]:
        """Return the payloads of pushed Binance frames that hold an event, decoded."""
        payloads = (json.loads(record["payload"]) for record in self.all("message"))
        return [payload["data"] for payload in payloads if name in payload.get("data", {})]


class Running:
    """`async with`: a producer of one venue runs; `stop` ends it as SIGTERM would.

    Without `channels` it carries all that are pushed to anybody.
    """

    def __init__(
        self,
        simulator: Simulator,
        venue: str,
        kafka: Kafka,
        registry: Registry,
        state_dir: Path,
        *,
        symbols: tuple[str, ...] = (),
        channels: tuple[str, ...] = (),
        **producer: Any,
    ) -> None:
        self.simulator = simulator
        self.venue = venue
        self.mark = secrets.token_hex(4)
        own = Venue(
            symbols=symbols or tuple(one.instrument.wire_symbol for one in simulator.venues[venue].listings.values()),
            channels=channels or tuple(name for name, channel in dialect(venue).channels.items() if not (channel.every or channel.private)),
            websocket=simulator.addresses[f"{venue}_ws"],
            rest=simulator.addresses[f"{venue}_rest"],
            origin="simulated",
        )
        self.settings = Settings(
            state_dir=state_dir, kafka=kafka, registry=registry, venues={venue: own}, producer=Producer(**(QUICK | producer))
        )
        self.stage = Stage(self.settings, venue, noise=self._noise)
        self.published = Published(kafka, f"raw.{venue}", self.mark)
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _noise(self) -> str:
        return f"{self.mark}{secrets.token_hex(2)}"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.stage.run(self._stop))
        await self.until(lambda: self.stage.status() == "")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()
        self.published.close()

    async def stop(self) -> None:
        """End the producer and read what it still published."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait_for(self._task, WAIT_SECONDS)

    @property
    def connections(self) -> list[Connection]:
        """The open connections of all feeds."""
        return [one for feed in self.stage.feeds for one in feed._connections]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Read what is published until a condition holds; TimeoutError where it does not."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                if self._task is not None and self._task.done():
                    self._task.result()
                await asyncio.to_thread(self.published.poll)

    async def drained(self) -> None:
        """Stand the market still and wait until all that the venue wrote on the open connections is published."""
        await self.simulator.pause()
        written = sum(one.frames for one in self.simulator.venues[self.venue].connections.values())
        await self.until(
            lambda: sum(record["kind"] == "message" for one in self.connections for record in self.published.frames[one.id]) >= written
        )


class Tap:
    """Everything the simulated venue wrote, by connection, in order: the frames' payloads as on the wire."""

    def __init__(self) -> None:
        self.sent: dict[int, list[bytes]] = defaultdict(list)
        self._enqueue = wire.Connection.enqueue
        self._listening = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        tap = self

        def enqueue(connection: wire.Connection, frame: bytes) -> None:
            tap.sent[connection.number].append(payload(frame))
            tap._enqueue(connection, frame)

        self._listening.setattr(wire.Connection, "enqueue", enqueue)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listening.undo()


def payload(frame: bytes) -> bytes:
    """Return the payload of an unmasked websocket frame (RFC 6455, section 5.2)."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]
