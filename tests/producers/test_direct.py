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
from producers.frames import Frames
from schemas.catalogue import event
from schemas.codec import Codec, schema_id
from simulator.server import Simulator
from tests.producers.conftest import VENUES, Runs
from tests.producers.harness import Running
from tests.topics import records
from topology.clock import now
from topology.errors import Fatal
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

    def __init__(self, kafka: Kafka, registry: Registry, **overrides: Any) -> None:
        self.said: list[notices.Notice] = []
        self.told: list[str] = []
        self.has_room = True
        self.publisher = Publisher(kafka, **{"delivery.report.only.error": False} | overrides)
        self.publisher.waits = False
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

    def published(self, received_at: int, after: int, count: int, left: list[int], reason: str) -> bool:
        """Take a notice, where there is room."""
        assert received_at
        if self.has_room:
            self.said.append(notices.decode(notices.encode("published", count=count, left=left, reason=reason, after=after)))
        return self.has_room

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


def test_what_could_not_be_said_is_said_later(bench: Bench) -> None:
    """A notice that is given up, for the disk was full, is not lost with what it left: the next has all of it."""
    bad = b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT"}}'
    bench.take(TRADE % 1, bad)
    bench.settle()
    bench.has_room = False
    bench.take(TRADE % 2, bad)
    bench.settle()
    bench.has_room = True
    bench.settle()
    bench.take(bad)
    bench.settle()
    assert [(one["after"], one["count"], one["left"]) for one in bench.said] == [(0, 2, [2]), (2, 4, [4]), (4, 5, [5])]


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


@pytest.mark.parametrize("together", [True, False])
def test_a_queue_that_is_full_ends_it(kafka: Kafka, registry: Registry, *, together: bool) -> None:
    """Nothing waits for Kafka in the event loop: where its client takes no more, in number or in bytes, the rest is normalise's."""
    for bound in ({"queue.buffering.max.messages": 10}, {"queue.buffering.max.kbytes": 1, "message.max.bytes": 1_000}):
        bench = Bench(kafka, registry, **{"linger.ms": 60_000}, **bound)
        payloads = [TRADE % number for number in range(1, 101)]
        for some in [payloads] if together else [[one] for one in payloads]:
            bench.take(*some)
        assert [(one["count"], one["left"], "queue is full" in one["reason"]) for one in bench.said] == [(0, [], True)]
        assert not bench.told
        assert bench.publisher.close() > 0


async def test_what_never_opened_is_followed_by_nobody(bench: Bench) -> None:
    """A connection that can't be opened, as in an outage for days, leaves nothing behind, and at the end nothing is said of it."""
    bench.connection.stop("only the others are of interest")
    put: list[bytes] = []

    def take(_key: bytes, value: bytes, _frame: Frame | None) -> bool:
        put.append(value)
        return True

    for number in range(100):
        Frames(bench.codec, "binance", "live", "rest", f"never-{number}", take, bench.direct)
    assert not bench.direct._connections
    opened = Frames(bench.codec, "binance", "live", "rest", "opened", take, bench.direct)
    opened.notice("connected", now())
    assert list(bench.direct._connections) == [opened.key]
    opened.notice("closed", now())
    await bench.direct.finish(0)
    assert {bench.codec.decode(value)["connection_id"] for value in put} == {"opened"}


async def test_without_the_schemas_of_events_frames_are_captured(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the registry refuses the schema of an event, a person must act, and is told; no frame is lost meanwhile."""

    def refuse(*_arguments: object) -> None:
        raise Fatal("the registry refuses this schema as incompatible with those before")

    monkeypatch.setattr(EventPublisher, "know", refuse)
    async with producer("binance") as running:
        await simulator.step(50)
        await running.until(lambda: bool(running.published.all("message")))
        assert running.stage.faults.red()
        await running.stop()
    assert running.published.notices("published") == []
