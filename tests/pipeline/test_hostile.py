"""A million hostile frames and messages through a running pipeline: what is good beside them arrives whole, and each of them is told.

Half of them come through the simulated exchanges' websockets: from a venue that says little else, and between the good frames of two
honest ones. The other half is put straight onto every topic. TIDEWIRE_TEST_HOSTILE says how many, TIDEWIRE_TEST_SEED of which seed.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer

from schemas.catalogue import event
from schemas.codec import Codec
from simulator.server import Simulator
from simulator.wire import Connection
from tests.pipeline.harness import PRODUCERS, STAGES, settings
from tests.pipeline.hostile import GIANTS, Frames, Hostile, Messages, answers
from tests.pipeline.ordeal import SLOW, Ordeal, Record, ordeal
from tests.pipeline.supervised import SupervisedPipeline
from tests.waiting import until
from topology.kafka import connection
from topology.lag import Offsets
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import all_topics

COUNT = int(os.environ.get("TIDEWIRE_TEST_HOSTILE", "1000000"))
SEED = int(os.environ.get("TIDEWIRE_TEST_SEED", "1"))
HOSTILE, HONEST = "bybit_spot", PRODUCERS
HONEST_SHARE = 0.1
"""Of the hostile frames, those that come between the good ones of honest venues: they say nothing in the venue's form."""
AT_ONCE = 200
BACKLOG = 1 << 20
SECONDS = 1_800
"""For all of a million to be read."""
MOST_BYTES = 1_500_000_000
"""Of memory that a stage may hold."""


def websocket_frame(data: bytes, *, text: bool) -> bytes:
    """Return a whole unmasked frame (RFC 6455, section 5.2); what calls itself text need not be any."""
    head, length = (0x81 if text else 0x82), len(data)
    if length < 126:
        return bytes((head, length)) + data
    if length < 65_536:
        return bytes((head, 126)) + length.to_bytes(2, "big") + data
    return bytes((head, 127)) + length.to_bytes(8, "big") + data


@dataclass
class Sent:
    """What was sent: how many of each kind, and where those are that nobody can read."""

    kinds: Counter[str] = field(default_factory=Counter)
    frames_refused: Counter[str] = field(default_factory=Counter)
    """By venue, through its websocket."""
    places: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    """Partitions and offsets of what was put straight onto a topic and must be refused, by topic."""
    direct: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    """Those of all that was put straight onto a raw topic."""


async def pour(simulator: Simulator, count: int, chance: random.Random, sent: Sent) -> None:
    """Send frames to whoever listens at the venues."""
    makers = {venue: Frames(venue, [other for other in (HOSTILE, *HONEST) if other != venue], chance) for venue in (HOSTILE, *HONEST)}
    giant_at = chance.randrange(count)
    said = answers(chance)
    for number in range(count):
        venue = HOSTILE if chance.random() > HONEST_SHARE else chance.choice(HONEST)
        if number == giant_at:
            venue = HOSTILE
            one = makers[venue].giant(chance.choice(GIANTS))
        elif venue != HOSTILE:
            one = makers[venue].unreadable()
        elif chance.random() < 0.02:
            one = Hostile("answer", next(said).encode(), False)
        else:
            one = makers[venue].any()
        heard = await hearer(simulator, venue)
        heard.enqueue(websocket_frame(one.data or b"", text=chance.random() < 0.9))
        sent.kinds[f"frame: {one.kind}"] += 1
        sent.frames_refused[venue] += one.refused
        if number % AT_ONCE == 0:
            simulator.venues[venue].flush()
            await until(lambda: heard.backlog() <= BACKLOG, SECONDS)  # noqa: B023 - it is awaited here
            await asyncio.sleep(0)
    for told in simulator.venues.values():
        told.flush()


async def hearer(simulator: Simulator, venue: str) -> Connection:
    """Return a connection of a venue, once there is one."""
    connections = simulator.venues[venue].connections
    if not connections:
        await until(lambda: connections)
    return next(reversed(connections.values()))


def put(pipeline: SupervisedPipeline, count: int, chance: random.Random, sent: Sent) -> None:
    """Put messages onto every topic; returns once the broker has them."""
    addresses = pipeline.stack.addresses
    registry = Registry(RegistrySettings(url=addresses.registry))
    topics = all_topics()
    codecs: dict[str, Codec] = {topic: registry.codec(topic, one) for topic, one in topics.items()}
    makers = Messages(topics, {topic: codec.encode for topic, codec in codecs.items()}, chance)
    names, parts = list(topics), Offsets(Kafka(brokers=addresses.kafka))
    partitions = {topic: [partition for _, partition in parts.partitions([topic])] for topic in names}
    parts.close()
    producer = Producer(connection(Kafka(brokers=addresses.kafka)) | {"message.max.bytes": 16_700_000, "linger.ms": 5})

    def note(refused: bool, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        topic, place = message.topic() or "", (message.partition() or 0, message.offset() or 0)
        if refused:
            sent.places.setdefault(topic, set()).add(place)
        if topic.startswith("raw."):
            sent.direct.setdefault(topic, set()).add(place)

    for number in range(count):
        topic = names[chance.randrange(len(names))]
        one = makers.any(topic)
        if number == count // 2:
            one = Hostile("giant", codecs[topic].prefix + b"\xff" * chance.choice((15_900_000, 15_999_000)), True)
        sent.kinds[f"message: {one.kind}"] += 1
        while True:
            try:
                producer.produce(
                    topic,
                    one.data,
                    b"hostile|x",
                    chance.choice(partitions[topic]),
                    on_delivery=partial(note, one.refused),
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0


def unaccounted(pipeline: SupervisedPipeline, sent: Sent) -> Iterator[str]:
    """Yield in words what was refused by nobody, or told by nobody."""
    for topic, places in sent.places.items():
        stage = "clickhouse" if all_topics()[topic].stored else "detect_gaps"
        rows = pipeline.query(f"SELECT DISTINCT partition, offset FROM dead_letters FINAL WHERE topic = '{topic}' AND stage = '{stage}'")
        if missing := places - set(rows):
            yield f"{topic}: {len(missing)} of {len(places)} messages that nobody can read are no dead letters, at {sorted(missing)[:5]}"
    for venue, count in sent.frames_refused.items():
        topic = event("frame").topic.of(venue)
        rows = pipeline.query(
            f"SELECT DISTINCT partition, offset FROM dead_letters FINAL WHERE topic = '{topic}' AND (stage = 'normalise' OR partition < 0)"
        )
        found = sum(place not in sent.direct.get(topic, ()) for place in rows)
        if found < count:
            yield f"{topic}: {found} dead letters of {count} frames that nobody can read"


def all_are_told(pipeline: SupervisedPipeline, sent: Sent) -> bool:
    """Return True where each is a dead letter; AssertionError says which are not."""
    wrong = list(unaccounted(pipeline, sent))
    assert not wrong, "\n".join(wrong)
    return True


@contextlib.asynccontextmanager
async def flooded(trial: Ordeal, sent: Sent, memory: dict[str, list[int]]) -> AsyncIterator[None]:
    """Send all of it while the market goes on, and look how much memory each stage holds after each tenth."""
    chance = random.Random(SEED)
    for _ in range(10):
        share = COUNT // 20
        onto = asyncio.create_task(asyncio.to_thread(put, trial.pipeline, share, random.Random(chance.random()), sent))
        await pour(trial.simulator, share, random.Random(chance.random()), sent)
        await onto
        for stage in trial.pipeline.stages:
            memory.setdefault(stage, []).append(trial.pipeline.bytes_of(stage))
    yield


@pytest.mark.chaos
@pytest.mark.timeout(5_400)
async def test_good_ones_beside_a_million_hostile_ones(tmp_path: Path, record_property: Record) -> None:
    """Every good trade and candle of honest venues is right, and every message that nobody can read is told with its bytes.

    No stage ends, and memory is bounded.
    """
    print(f"seed {SEED}, {COUNT} hostile frames and messages")
    sent, memory = Sent(), dict[str, list[int]]()
    simulator = Simulator(settings(**SLOW, venues=(*HONEST, HOSTILE)))
    others = [stage for stage in STAGES if stage not in HONEST]
    async with ordeal(
        tmp_path, record_property, simulator=simulator, stages=(*HONEST, HOSTILE, *others), letters="1", seconds=SECONDS, judged=HONEST
    ) as trial:
        await trial.break_with(f"{COUNT:,} hostile frames and messages", "", flooded(trial, sent, memory), 0, recover=False)
        began = trial.blows[-1]
        await trial.caught_up(began, SECONDS)
        print(dict(sent.kinds), {stage: [size // 1_000_000 for size in sizes] for stage, sizes in memory.items()})
        await trial.pipeline.until(lambda: all_are_told(trial.pipeline, sent), "every message that nobody can read is told", SECONDS)
        assert trial.pipeline.ends == []
        assert {stage: max(sizes) for stage, sizes in memory.items() if max(sizes) > MOST_BYTES} == {}
