"""The topic of gaps as the backfill reads it: what is gone before it was read is told, and a topic that is away is waited for."""

import asyncio
import json
import secrets
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from local import Addresses
from producers import gaps
from producers.gaps import GapReader, Place
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.events import Gap
from tests.damaged import SPOILS, blocks
from tests.waiting import until
from topology import registry as registries
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.kafka import Publisher, connection
from topology.settings import Kafka, Registry

VENUE = "binance"


class Reading:
    """A topic of gaps of its own, and what a reader takes and tells of it."""

    def __init__(self, kafka: Kafka, registry: Registry) -> None:
        self.taken: list[str] = []
        self.lost: list[Gap] = []
        self.topic = f"gaps-{secrets.token_hex(4)}"
        self.admin = AdminClient(connection(kafka))
        self._group = secrets.token_hex(4)
        self._kafka = kafka
        self._registry = registries.Registry(registry)
        self._publisher = Publisher(kafka)
        self._letters = DeadLetters(self._publisher, self._registry, "test", now)
        self._codec = self._registry.codec("gaps", event("gap"))

    def make_topic(self) -> None:
        """Make the topic, of one partition."""
        self.admin.create_topics([NewTopic(self.topic, 1, 1)])[self.topic].result()

    def write(self, *names: str) -> None:
        """Publish gaps of these ids."""
        for name in names:
            record = Gap(
                venue=self._group,
                symbol="S",
                origin="live",
                gap_id=name,
                channel="trade",
                from_sequence=1,
                to_sequence=2,
                from_time=None,
                to_time=None,
                cause="wire",
                detected_at=1,
                state="open",
                repair=None,
                connection_id=None,
                version=1,
            )
            self._publisher.publish(self.topic, b"S", self._codec.encode(record))
        self._publisher.flush(20)

    @asynccontextmanager
    async def reader(
        self, registry: Registry | None = None, assigned: Callable[[], frozenset[int]] | None = None
    ) -> AsyncIterator[GapReader]:
        """Read; what is taken is done at once. `registry` where it is not that of the tests, `assigned` where symbols are shared."""
        found = registries.Registry(registry) if registry else self._registry
        made = GapReader(self._kafka, found, self._letters, self._group, self.lost.append, now, assigned=assigned)
        made._topic = self.topic

        def take(batch: list[tuple[Place, Gap]]) -> None:
            for place, gap in batch:
                self.taken.append(gap["gap_id"])
                made.done(place)

        made.start(take)
        try:
            yield made
            assert not made.failure.done()
        finally:
            await made.close()


@pytest.fixture
def reading(kafka: Kafka, registry: Registry) -> Iterator[Reading]:
    """Return a topic that is not there yet."""
    made = Reading(kafka, registry)
    yield made
    made._publisher.close()


async def test_a_topic_that_is_away_is_waited_for(reading: Reading) -> None:
    """An unknown topic may only be so for a moment: the reader goes on looking, and reads it from its start once it is there."""
    async with reading.reader() as reader:
        await asyncio.sleep(0)
        await until(lambda: reader._thread is not None and reader._thread.is_alive())
        reading.make_topic()
        reading.write("a", "b")
        await until(lambda: reading.taken == ["a", "b"])
    assert reading.lost == []


async def test_where_symbols_are_shared_it_reads_what_is_ours(reading: Reading) -> None:
    """A partition is read while it is ours, from where whoever had it before has got."""
    reading.make_topic()
    reading.write("a", "b")
    ours = frozenset[int]()
    async with reading.reader(assigned=lambda: ours) as first, reading.reader(assigned=lambda: frozenset({0}) - ours) as second:
        await until(lambda: reading.taken == ["a", "b"])
        await until(lambda: second._progress.committable() == [] and second._following == {0})
        assert first._at == {}
        ours = frozenset({0})
        await until(lambda: (first._following, second._following) == (ours, frozenset()))
        reading.write("c")
        await until(lambda: reading.taken[-1] == "c")
        assert second._at == {}
    async with reading.reader():
        reading.write("d")
        await until(lambda: reading.taken[-1] == "d")
    assert set(reading.taken) == {"a", "b", "c", "d"}
    assert reading.lost == []


async def test_gaps_deleted_before_they_were_read_are_a_gap(reading: Reading) -> None:
    """Retention that passed the reader is told with the offsets that are gone; what is left is read."""
    reading.make_topic()
    reading.write("a", "b")
    async with reading.reader():
        await until(lambda: reading.taken == ["a", "b"])
    reading.write("c", "d", "e")
    reading.admin.delete_records([TopicPartition(reading.topic, 0, 4)])
    await until(deleted(reading, 4))
    async with reading.reader():
        await until(lambda: reading.taken == ["a", "b", "e"])
        (lost,) = reading.lost
        reading.write("f")
        await until(lambda: reading.taken[-1] == "f")
    assert (lost["channel"], lost["cause"], lost["state"]) == ("topic", "retention", "unfillable")
    assert (lost["from_sequence"], lost["to_sequence"]) == (2, 3)
    async with reading.reader():
        reading.write("g")
        await until(lambda: reading.taken[-1] == "g")
    assert reading.taken == ["a", "b", "e", "f", "g"]


async def test_a_topic_made_anew_is_a_gap_and_read_from_its_start(reading: Reading) -> None:
    """Offsets that are lower than what was read prove another topic: that is told, and nothing of it is skipped."""
    reading.make_topic()
    reading.write("a", "b", "c")
    async with reading.reader():
        await until(lambda: reading.taken == ["a", "b", "c"])
        reading.admin.delete_topics([reading.topic])[reading.topic].result()
        await until(lambda: reading.topic not in reading.admin.list_topics(timeout=5).topics)
        reading.make_topic()
        reading.write("new")
        await until(lambda: reading.taken[-1] == "new")
    (lost,) = reading.lost
    assert (lost["cause"], lost["state"], lost["from_sequence"]) == ("topic_reset", "unfillable", None)


async def test_a_gap_whose_schema_cannot_be_had_is_left_to_the_next_reader(reading: Reading) -> None:
    """A reader that is stopped while the registry is away has not read the gap, and commits nothing of it."""
    reading.make_topic()
    reading.write("a")
    asked = asyncio.Event()

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as away:
        host, port = away.sockets[0].getsockname()
        async with reading.reader(Registry(url=f"http://{host}:{port}")):
            await asyncio.wait_for(asked.wait(), 20)
    async with reading.reader():
        await until(lambda: reading.taken == ["a"])


async def test_what_one_message_raises_stays_with_it(reading: Reading, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another application's schema, or a bug of ours, costs the message that meets it: a dead letter, and the next is read."""
    reading.make_topic()
    for schema in ('"string"', '["null", "string"]', '{"type": "enum", "name": "Gap", "symbols": ["a"]}'):
        number = registered(registry, schema)
        reading._publisher.publish(reading.topic, b"S", b"\0" + number.to_bytes(4, "big") + b"\x0aabcde")
    reading.write("bug", "b")
    letters: list[str] = []
    monkeypatch.setattr(reading._letters, "send", lambda *arguments: letters.append(arguments[-1]))
    decode = Codec.decode

    def failing(self: Codec, value: bytes) -> dict[str, object]:
        if (found := decode(self, value))["gap_id"] == "bug":
            raise AssertionError("a bug")
        return found

    monkeypatch.setattr(Codec, "decode", failing)
    async with reading.reader():
        await until(lambda: reading.taken == ["b"])
    assert [letter.endswith("is no Avro record") for letter in letters] == [True, True, True, False]
    assert letters[3].startswith("AssertionError: a bug")


def registered(registry: Registry, schema: str) -> int:
    """Register another application's schema; return its id."""
    request = urllib.request.Request(
        f"{registry.url.rstrip('/')}/subjects/another-{secrets.token_hex(4)}-key/versions",
        json.dumps({"schema": schema}).encode(),
        {"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return int(json.load(answer)["id"])


def deleted(reading: Reading, low: int) -> Callable[[], bool]:
    """Return whether the topic begins at an offset."""
    from confluent_kafka import Consumer

    def holds() -> bool:
        looking = Consumer(connection(reading._kafka) | {"group.id": "looking"})
        try:
            return looking.get_watermark_offsets(TopicPartition(reading.topic, 0), timeout=5)[0] == low
        finally:
            looking.close()

    return holds


@pytest.mark.parametrize("spoil", ["payload", "length too large"])
async def test_a_damaged_block_of_gaps_is_a_gap(
    own_files: Addresses, registry: Registry, spoil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gaps in a block that the broker's disk has damaged are told by their offsets; those before and after are read."""
    monkeypatch.setattr(gaps, "QUIET_SECONDS", 1.0)
    reading = Reading(Kafka(brokers=own_files.kafka), registry)
    reading.make_topic()
    for number in range(12):
        reading.write(*[f"{number}-{one}-{secrets.token_hex(2000)}" for one in range(4)])
    there = blocks(own_files.kafka, reading.topic)
    SPOILS[spoil](there[5])
    async with reading.reader():
        await until(lambda: reading.lost and len(reading.taken) + len(offsets(reading.lost)) == 48)
        reading.write("after")
        await until(lambda: reading.taken[-1] == "after")
    reading._publisher.close()
    gone = offsets(reading.lost)
    assert {one["cause"] for one in reading.lost} == {"corrupt"}
    assert set(range(there[5].first, there[5].end)) <= gone
    expected = [f"{number}-{one}" for number in range(12) for one in range(4) if number * 4 + one not in gone]
    assert [name[: name.rindex("-")] for name in reading.taken[:-1]] == expected


def offsets(lost: list[Gap]) -> set[int]:
    """Return the offsets that gaps of a topic name."""
    return {offset for one in lost for offset in range(one["from_sequence"] or 0, (one["to_sequence"] or 0) + 1)}
