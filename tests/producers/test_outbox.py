"""The way to Kafka while the broker freezes, dies, comes back, or never does. On a broker of this module's own."""

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from local.kafka import Kafka as Broker
from producers.outbox import Outbox
from producers.spill import Spill
from tests.producers.outboxes import (
    KEYS,
    PATIENCE,
    broker,
    frozen,
    in_order,
    leave_by_kill,
    message,
    outbox,
    put,
    size_of,
    stored,
    topic,
    until,
)
from topology.errors import Fatal
from topology.kafka import Publisher
from topology.settings import Kafka

__all__ = ["broker", "topic"]


async def test_a_broker_that_freezes_loses_and_doubles_nothing(broker: Broker, topic: str, tmp_path: Path) -> None:
    """What comes while the broker says nothing goes to disk, and arrives once and in order when it speaks again."""
    async with outbox(broker, topic, tmp_path) as made:
        put(made, range(1000))
        await until(lambda: made.undelivered == 0)
        with frozen(broker):
            put(made, range(1000, 2000))
            await until(lambda: made.spilling)
            put(made, range(2000, 9000))
            assert size_of(tmp_path) > 0
        put(made, range(9000, 10_000))
        await until(lambda: not made.spilling)
        put(made, range(10_000, 11_000))
    assert stored(broker, topic) == in_order(list(range(11_000)))
    assert size_of(tmp_path) == 0


async def test_a_broker_killed_and_restarted_loses_and_doubles_nothing(broker: Broker, topic: str, tmp_path: Path) -> None:
    """Messages keep coming while the broker is killed with signal 9 and started again: each arrives once, in order."""
    async with outbox(broker, topic, tmp_path) as made:
        put(made, range(3000))
        await asyncio.to_thread(broker.kill)
        put(made, range(3000, 6000))
        await until(lambda: made.spilling)
        restarting = asyncio.create_task(asyncio.to_thread(broker.start))
        number = 6000
        while not restarting.done():
            put(made, range(number, number + 10))
            number += 10
            await asyncio.sleep(0.01)
        await restarting
        await until(lambda: not made.spilling and made.undelivered == 0)
        put(made, range(number, number + 1000))
    assert stored(broker, topic) == in_order(list(range(number + 1000)))


async def test_at_the_bound_messages_are_dropped_and_the_rest_arrives(broker: Broker, topic: str, tmp_path: Path) -> None:
    """The disk's share is kept; what finds no room is refused to the caller, and everything taken arrives in order."""
    async with outbox(broker, topic, tmp_path, most_bytes=300_000) as made:
        with frozen(broker):
            taken = put(made, range(100))
            await until(lambda: made.spilling)
            taken += put(made, range(100, 3000))
            assert len(taken) < 3000
            assert size_of(tmp_path) <= 300_000
        await until(lambda: not made.spilling)
        taken += put(made, range(3000, 3100))
        assert taken[-100:] == list(range(3000, 3100))
    assert stored(broker, topic) == in_order(taken)


async def test_at_the_bound_a_producer_may_stop_instead(broker: Broker, topic: str, tmp_path: Path) -> None:
    """With `stop`, the first message without room fails the outbox and names the setting."""
    async with outbox(broker, topic, tmp_path, most_bytes=50_000, when_full="stop") as made:
        with frozen(broker):
            put(made, range(10))
            await until(lambda: made.spilling)
            put(made, range(10, 1000))
            with pytest.raises(Fatal, match=r"producer\.spill_bytes"):
                await made.failure


async def test_what_is_not_delivered_at_the_end_is_sent_by_the_next(broker: Broker, topic: str, tmp_path: Path) -> None:
    """A producer that stops while the broker is away leaves its messages on disk; the next sends them before its own."""
    spill = Spill(tmp_path, "1", 100_000_000)
    first = Outbox(
        lambda overrides: Publisher(Kafka(brokers="127.0.0.1:1"), **overrides),
        topic,
        "venue",
        spill,
        spill_after=PATIENCE,
        when_full="drop",
        refused=lambda *_: None,
        clock=time.monotonic,
    )
    put(first, range(500))
    assert not await first.close(0.1)
    async with outbox(broker, topic, tmp_path) as made:
        assert made.spilling
        put(made, range(500, 1000))
    assert stored(broker, topic) == in_order(list(range(1000)))
    assert size_of(tmp_path) == 0


async def test_a_producer_killed_while_the_broker_is_away_loses_nothing_on_disk(broker: Broker, topic: str, tmp_path: Path) -> None:
    """After kill -9, the next producer sends all that was on disk, in order; some may come twice, from the first to the last of them."""
    await leave_by_kill(broker, topic, tmp_path)
    async with outbox(broker, topic, tmp_path):
        pass
    for key, numbers in stored(broker, topic).items():
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == in_order(list(range(5000)))[key]


async def test_a_message_that_kafka_never_takes_holds_nothing_up(broker: Broker, topic: str, tmp_path: Path) -> None:
    """A message over the largest size is handed to `refused` with the reason; those around it are delivered."""
    refused: list[tuple[bytes, int, str]] = []
    async with outbox(broker, topic, tmp_path, refused=lambda key, value, reason: refused.append((key, len(value), reason))) as made:
        put(made, range(10))
        assert not made.put(KEYS[0], b"x" * 17_000_000)
        put(made, range(10, 20))
    assert [(key, size) for key, size, _ in refused] == [(KEYS[0], 17_000_000)]
    assert stored(broker, topic) == in_order(list(range(20)))


async def test_a_topic_that_is_not_there_is_a_persons_business(broker: Broker, tmp_path: Path) -> None:
    """Messages that Kafka gives back stop the producer, name what to look at, and are still on disk."""
    overrides = {"topic.metadata.propagation.max.ms": 100}
    spill = Spill(tmp_path, "1", 100_000_000)
    made = Outbox(
        lambda own: Publisher(Kafka(brokers=broker.address), **(own | overrides)),
        "raw.nowhere",
        "venue",
        spill,
        spill_after=60,
        when_full="drop",
        refused=lambda *_: None,
        clock=time.monotonic,
    )
    put(made, range(10))
    running = asyncio.create_task(made.run())
    with pytest.raises(Fatal, match=r"raw\.nowhere"):
        await asyncio.wait_for(asyncio.shield(made.failure), 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not await made.close(5)
    left = Spill(tmp_path, "2", 100_000_000)
    assert [(key, value) for _, key, value in left.read()] == [message(number) for number in range(10)]


async def test_a_client_that_takes_no_more_ends_the_process_and_not_the_connection(
    broker: Broker, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that librdkafka never recovers from is Fatal and told once; whoever puts is told that there was no room."""

    def failing(*_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._FATAL))

    async with outbox(broker, topic, tmp_path) as made:
        monkeypatch.setattr(made._publisher, "publish", failing)
        assert put(made, range(3)) == []
        with pytest.raises(Fatal, match="takes no more messages"):
            await made.failure


class FullDisk:
    """A disk that has no room while `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        write = os.write

        def refusing(file: int, data: Any) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(file, data)

        monkeypatch.setattr(os, "write", refusing)


def alone(topic: str, root: Path, name: str) -> Outbox:
    """Return an outbox that reaches no broker."""
    return Outbox(
        lambda overrides: Publisher(Kafka(brokers="127.0.0.1:1"), **overrides),
        topic,
        "venue",
        Spill(root, name, 100_000_000, segment_bytes=64 * 1024),
        spill_after=PATIENCE,
        when_full="drop",
        refused=lambda *_: None,
        clock=time.monotonic,
    )


async def beginning(made: Outbox) -> None:
    """Tick until the broker is found to be away."""
    until = time.monotonic() + 10
    while not made.spilling:
        made.tick()
        assert time.monotonic() < until
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("left", [0, 700], ids=["nothing left of an earlier run", "files of an earlier run unread"])
async def test_what_waits_in_memory_is_on_disk_when_it_stops(
    broker: Broker, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """The disk is full when the broker goes, and has room again later: all that was taken is sent by the next, once and in order."""
    disk = FullDisk(monkeypatch)
    if left:
        earlier = alone(topic, tmp_path, "0")
        assert len(put(earlier, range(left))) == left
        await earlier.close(0.1)
    made = alone(topic, tmp_path, "1")
    assert made.spilling == bool(left)
    put(made, range(left, left + 500))
    disk.full = True
    await beginning(made)
    assert len(put(made, range(left + 500, left + 1000))) == 500
    assert made.unsafe_seconds() > 0
    disk.full = False
    for start in range(left + 1000, left + 3000, 100):
        assert len(put(made, range(start, start + 100))) == 100
        made.tick()
        await asyncio.sleep(0.1)
    assert made.unsafe_seconds() == 0
    put(made, range(left + 3000, left + 3100))
    assert not await made.close(0.1)
    async with outbox(broker, topic, tmp_path) as following:
        put(following, range(left + 3100, left + 3200))
    assert stored(broker, topic) == in_order(list(range(left + 3200)))
    assert size_of(tmp_path) == 0


async def test_a_stop_right_after_the_disk_has_room_leaves_nothing_behind(
    broker: Broker, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is written at the end though the disk was full a moment ago, before what came after it."""
    disk = FullDisk(monkeypatch)
    made = alone(topic, tmp_path, "1")
    put(made, range(500))
    disk.full = True
    await beginning(made)
    put(made, range(500, 900))
    disk.full = False
    assert not await made.close(0.1)
    async with outbox(broker, topic, tmp_path):
        pass
    assert stored(broker, topic) == in_order(list(range(900)))
