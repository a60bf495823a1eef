"""Events published beside their frames: the same as normalise makes, each after its frame, and said to be published once they are."""

import time
from collections import defaultdict
from typing import Any

import pytest
from confluent_kafka import KafkaError

from dialects import notices
from dialects.catalogue import all_dialects, dialect
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from processors.normalise.published import Published as Said
from producers.direct import CLOSE_SECONDS, MOST_LEFT, Direct, DirectConnection
from schemas.catalogue import event
from schemas.codec import Codec, schema_id
from simulator.server import Simulator
from tests.producers.conftest import VENUES, Runs
from tests.producers.harness import Running
from tests.topics import records
from topology.clock import now
from topology.event_publisher import EventPublisher
from topology.kafka import Publisher
from topology.registry import Registry as SchemaRegistry
from topology.settings import Kafka, Registry

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1700000000000,"s":"BTCUSDT","t":%d,"p":"1.5","q":"2","T":1700000000000,'
    b'"m":true,"M":true}}'
)


def events_of(running: Running, kafka: Kafka, venue: str) -> dict[tuple[str, bytes], list[bytes]]:
    """Return the values of a producer's events, by name and key, in their order on the topic."""
    found = defaultdict(list)
    topics = {event(name).topic.of(): event(name) for name in dialect(venue).events()}
    for message in records(kafka.brokers, *topics):
        one = topics[message.topic()]
        if running.mark in Codec(one, schema_id(message.value())).decode(message.value())["connection_id"]:
            found[one.name, message.key()].append(message.value())
    return dict(found)


def normalised(running: Running, registry: Registry) -> dict[tuple[str, bytes], list[bytes]]:
    """Return what a normaliser makes of the frames on the raw topic, encoded and keyed, in order."""
    found, codecs = defaultdict(list), SchemaRegistry(registry)
    for frames in running.published.frames.values():
        core = Normaliser(all_dialects())
        for number, record in enumerate(frames):
            for made in core.apply([(number, Frame(**record))]):
                assert isinstance(made, NormalisedEvent)
                topic = event(made.name).topic
                found[made.name, topic.key_of(made.record)].append(codecs.codec(topic.of(), event(made.name)).encode(made.record))
    return dict(found)


@pytest.mark.parametrize("venue", VENUES)
async def test_events_are_those_that_normalise_makes(
    venue: str, simulator: Simulator, producer: Runs, kafka: Kafka, registry: Registry
) -> None:
    """Byte for byte, key by key, in order, and each of a frame that is on the raw topic; with nobody running who reads frames."""
    async with producer(venue) as running:
        await simulator.step(300)
        await running.drained()
        last = max(one["connection_sequence"] for one in running.published.all("message"))
        await running.until(lambda: any(one["count"] >= last for one in running.published.notices("published")))
        await running.stop()
        await running.until(lambda: bool(running.published.notices("closed")))
    wanted = normalised(running, registry)
    assert wanted
    assert events_of(running, kafka, venue) == wanted


async def test_what_is_said_to_be_published_is(simulator: Simulator, producer: Runs, kafka: Kafka) -> None:
    """Whoever reads frames learns of each, in the order of the log, whether its events are there: nothing is claimed that is not."""
    async with producer("binance") as running:
        for _ in range(5):
            await simulator.step(100)
            await running.drained()
        await running.stop()
        await running.until(lambda: bool(running.published.notices("closed")))
    published = {
        Codec(event("trade"), schema_id(message.value())).decode(message.value())["connection_sequence"]
        for message in records(kafka.brokers, event("trade").topic.of())
        if running.mark in Codec(event("trade"), schema_id(message.value())).decode(message.value())["connection_id"]
    }
    ((connection, frames),) = running.published.frames.items()
    said = Said({})
    said.look([list(column) for column in zip(*(Frame(**one) for one in frames), strict=True)])
    trades = {one["connection_sequence"] for one in frames if b'"e":"trade"' in one["payload"]}
    theirs = {number for number in trades if said.marks[connection].is_theirs(number)}
    assert theirs
    assert theirs <= published
    assert {number for number in trades if said.marks[connection].is_theirs(number) is None} == set()


async def test_normalise_makes_them_all_where_the_settings_say_so(simulator: Simulator, producer: Runs, kafka: Kafka) -> None:
    """Without direct events a producer publishes frames alone, and says nothing of events."""
    async with producer("binance", direct_events=False) as running:
        await simulator.step(50)
        await running.drained()
        await running.stop()
        await running.until(lambda: bool(running.published.notices("closed")))
    assert running.published.notices("published") == []
    assert events_of(running, kafka, "binance") == {}


class Bench:
    """One connection's events, its frames handed over by the test; `said` is what it tells of them."""

    key = b"binance|c"
    connection_id = "c"
    count = 0

    def __init__(self, kafka: Kafka, registry: Registry) -> None:
        self.said: list[notices.Notice] = []
        self.told: list[str] = []
        self.publisher = Publisher(kafka, **{"delivery.report.only.error": False})
        schemas = SchemaRegistry(registry)
        codec = schemas.codec("raw.binance", event("frame"))
        publishing = EventPublisher(self.publisher, schemas, "test")
        self.time = time.monotonic()
        self.direct = Direct(
            dialect("binance"), publishing, self.publisher, codec, "test", tell=self._tell, now=now, clock=lambda: self.time
        )
        self.connection: DirectConnection = self.direct.follow(self)
        self.codec = codec
        self.last: list[int] = []
        """At each last word, how much was said before it."""

    def _tell(self, error: BaseException, _part: str) -> str:
        self.told.append(repr(error))
        return repr(error)

    def published(self, received_at: int, count: int, left: list[int], reason: str) -> None:
        """Take a notice."""
        assert received_at
        self.said.append(notices.decode(notices.encode("published", count=count, left=left, reason=reason)))

    def take(self, *payloads: bytes, stored: bool = False) -> None:
        """Hand frames over that Kafka has, as they come together; `stored`: they were on disk."""
        for payload in payloads:
            self.count += 1
            frame = Frame("binance", "live", "c", self.count, now(), "message", None, payload)
            value = self.codec.encode(frame._asdict()) if stored else b""
            self.direct.take(self.key, value, None if stored else frame)
        self.direct.flush()

    def settle(self) -> None:
        """Wait until Kafka has all events, and let the connection say so."""
        self.publisher.flush()
        self.time += 1
        self.direct.tick()


@pytest.fixture
def bench(kafka: Kafka, registry: Registry) -> Any:
    """Return one connection's events."""
    made = Bench(kafka, registry)
    yield made
    made.publisher.close()


@pytest.mark.parametrize("together", [True, False])
def test_a_frame_that_cannot_be_read_is_left(bench: Bench, *, together: bool) -> None:
    """Its number is said, whether it came alone or among others, and all around it is published."""
    payloads = (
        TRADE % 1,
        b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}',
        TRADE % 2,
        (TRADE % 3).replace(b'"1.5"', b'"-1"'),
    )
    if together:
        bench.take(*payloads)
    else:
        for payload in payloads:
            bench.take(payload)
    bench.settle()
    assert [(one["count"], one["left"], one["reason"]) for one in bench.said] == [(4, [2, 4], "")]


def test_frames_from_disk_are_read_as_well(bench: Bench) -> None:
    """A frame that was on disk while the broker was away comes as bytes alone: its events follow it all the same."""
    bench.take(TRADE % 1, TRADE % 2, stored=True)
    bench.settle()
    assert [one["count"] for one in bench.said] == [2]


def test_bytes_that_are_no_frame_end_it(bench: Bench) -> None:
    """What comes from disk and can't be read is normalise's, and so is what follows it."""
    bench.direct.take(bench.key, b"no datum", None)
    bench.take(TRADE % 1)
    bench.settle()
    assert [(one["count"], "a fault of ours" in one["reason"]) for one in bench.said] == [(0, True)]


def test_nothing_is_said_before_it_is_delivered(bench: Bench) -> None:
    """What is on its way is not claimed, and what brought nothing new is not said again."""
    bench.take(TRADE % 1)
    bench.time += 1
    bench.settle()
    bench.settle()
    assert [one["count"] for one in bench.said] == [1]


def test_what_kafka_refuses_ends_it(bench: Bench) -> None:
    """Where Kafka gives an event back, nothing is claimed from there on, and normalise is told at once."""
    bench.take(TRADE % 1)
    (queued,) = bench.connection._queued
    queued.failed = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED).str()
    bench.settle()
    (said,) = bench.said
    assert (said["count"], said["left"]) == (0, [])
    assert "Kafka refuses events" in said["reason"]
    bench.take(TRADE % 2)
    bench.settle()
    assert len(bench.said) == 1


def test_too_much_that_cannot_be_read_ends_it(bench: Bench) -> None:
    """The list of what is left is bounded: beyond, all is."""
    bench.take(*[b"no frame of any kind"] * (MOST_LEFT + 1))
    assert ["could not be read" in one["reason"] for one in bench.said] == [True]


def test_a_fault_of_ours_ends_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails beside the reading of frames is told, and normalise goes on with the connection."""
    monkeypatch.setattr(bench.connection._normaliser, "apply", None)
    bench.take(TRADE % 1)
    assert bench.told
    assert ["a fault of ours" in one["reason"] for one in bench.said] == [True]


def test_the_end_of_a_connection_is_said(bench: Bench) -> None:
    """The last word comes once all events are delivered, after what is said of them, and nothing follows it."""
    bench.take(TRADE % 1)
    bench.settle()
    bench.take(TRADE % 2)
    bench.connection.close(lambda: bench.last.append(len(bench.said)))
    assert bench.last == []
    bench.settle()
    assert [(one["count"], one["reason"]) for one in bench.said] == [(1, ""), (2, "the connection has ended")]
    assert bench.last == [2]
    bench.settle()
    assert (len(bench.said), len(bench.last)) == (2, 1)


def test_the_end_of_a_connection_does_not_wait_for_ever(bench: Bench) -> None:
    """What Kafka has not acknowledged after a while is left to normalise, and the last word is said."""
    bench.take(TRADE % 1)
    bench.settle()
    bench.count += 1  # a frame that the broker has not
    bench.connection.close(lambda: bench.last.append(len(bench.said)))
    bench.settle()
    assert bench.last == []
    bench.time += CLOSE_SECONDS
    bench.settle()
    assert [(one["count"], one["reason"]) for one in bench.said] == [(1, ""), (1, "the connection has ended")]
    assert bench.last == [2]


def test_what_has_ended_already_is_closed_at_once(bench: Bench) -> None:
    """Nothing is waited for where the events are normalise's."""
    bench.connection.stop("a reason")
    bench.connection.close(lambda: bench.last.append(len(bench.said)))
    assert bench.last == [1]
