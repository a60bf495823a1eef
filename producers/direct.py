"""Events published by the process that hears their frames: no waiting until a processor has read those from Kafka.

A frame is with Kafka first (outbox.py), so that every event can be traced to it; its events follow at once. What makes them is the one
normaliser (dialects/normaliser.py), which the stage `normalise` has as well: that reads each frame again, and publishes the events of
those of which nobody says that they are published. It is said on the frames' own connection, by the notice `published`
(dialects/notices.py), only of what Kafka has acknowledged. So a process that is killed leaves nothing out, and what comes twice is
the same event, by identity.

    ended ◀──────────── whatever is wrong ─────────────┐  the rest of the connection is normalise's
      ▲                                                │
      │ closed                                         │
    a connection ──▶ frames are delivered ──▶ events are queued ──▶ events are delivered ──▶ notice: published up to here
                                                   │
                                                   └── a frame whose events can't be made or sent is left to normalise, which says why
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from dialects.contract import Dialect, Frame
from dialects.normaliser import Block, NormalisedEvent, Normaliser, RefusedFrame
from producers.companions import Tell
from schemas.codec import Codec
from topology import metrics
from topology.clock import now
from topology.errors import Retry
from topology.event_publisher import EventPublisher
from topology.kafka import Publisher
from topology.log import logger
from topology.registry import Registry
from topology.settings import Producer as ProducerSettings
from topology.settings import Settings

TICK_SECONDS: Final = 0.1
SAY_SECONDS: Final = 0.4
"""Between two notices of a connection: normalise holds what was not said to be published."""
BOUND_SECONDS: Final = 60.0
"""Between two looks at what is remembered of a connection: what has grown too large is begun anew, as at a checkpoint of normalise."""
CLOSE_SECONDS: Final = 2.0
"""A connection that has ended waits so long at most for its last events: what is not delivered then is left to normalise."""
MOST_WAITING: Final = 100_000
"""Events that wait for Kafka; beyond, or where their bytes fill its client's queue, a connection's are left to normalise: nothing here may
wait."""
MOST_LEFT: Final = 10_000
"""Frames left to normalise since the last notice; beyond, all of the connection's are."""
SPENT: Final = (KafkaException, Retry)
"""What no frame is to blame for: Kafka's client takes nothing more."""


class Noticing(Protocol):
    """The frames of one connection (frames.py), of which only this is needed here."""

    key: bytes
    connection_id: str
    count: int
    """The number of its newest frame."""

    def published(self, received_at: int, after: int, count: int, left: list[int], reason: str) -> bool:
        """Publish the notice; False where it was given up."""


class Direct:
    """Publish the events of a venue's connections. Lives in one event loop; `run` must run beside it.

    `now` gives microseconds since 1970 UTC, `clock` monotonic seconds. `stage`: the name its latency is told under.
    """

    def __init__(
        self,
        dialect: Dialect,
        events: EventPublisher,
        publisher: Publisher,
        codec: Codec,
        stage: str,
        *,
        tell: Tell,
        now: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        """Use `publisher`, which reports deliveries that succeed as well, for `events`; `codec` reads frames that were on disk."""
        self.dialect = dialect
        self.events = events
        self.publisher = publisher
        self.tell = tell
        self.now = now
        self.clock = clock
        self.latency = metrics.latency.labels(stage)
        self._codec = codec
        self._connections: dict[bytes, DirectConnection] = {}
        self._touched: list[DirectConnection] = []

    def follow(self, frames: Noticing) -> "DirectConnection":
        """Return what publishes the events of a new connection, from its first frame on until it has ended."""
        one = self._connections[frames.key] = DirectConnection(self, frames)
        return one

    def forget(self, key: bytes) -> None:
        """Follow a connection no longer."""
        self._connections.pop(key, None)

    def take(self, key: bytes, value: bytes, frame: Frame | None) -> None:
        """Take a frame that Kafka has; `frame`: the same as `value`, where it is at hand. The outbox calls it in the order of each key."""
        one = self._connections.get(key)
        if one is None:
            return  # of a process that has ended: nobody here knows what its connection remembers
        if frame is None:
            try:
                frame = Frame(**self._codec.decode(value))
            except Exception as error:  # noqa: BLE001 - whatever it is, the outbox must go on
                one.stop(f"a fault of ours: {self.tell(error, 'direct events')}")
                return
        if not one.rows:
            self._touched.append(one)
        one.rows.append(frame)

    def flush(self) -> None:
        """Queue the events of all frames taken. The outbox calls it once it has told of all that was delivered."""
        touched, self._touched = self._touched, []
        for one in touched:
            one.publish()

    def tick(self) -> None:
        """Take reports of deliveries, and say of each connection how far its events are."""
        self.publisher.poll(0)
        at = self.clock()
        for one in list(self._connections.values()):
            one.say(at)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()

    async def finish(self, seconds: float) -> None:
        """Wait until all that the connections have heard is published, so long at most; all of them are closed by then."""
        until = self.clock() + seconds
        while self._connections and self.clock() < until:
            self.tick()
            await asyncio.sleep(TICK_SECONDS / 10)
        for one in list(self._connections.values()):
            one.end(self.now(), "the producer has ended")


class Queued:
    """The events of some frames of a connection, up to the frame `last`, on their way to Kafka."""

    __slots__ = ("_connection", "events", "failed", "last", "made_at", "received_at", "sealed", "telling")

    def __init__(self, connection: "DirectConnection", last: Frame, *, telling: bool, made_at: int) -> None:
        self._connection = connection
        self.last = last.connection_sequence
        self.received_at = last.received_at
        self.telling = telling
        """Whether there is anything to tell of."""
        self.made_at = made_at
        self.events = 0
        self.sealed = False
        """Whether no more are added."""
        self.failed = ""

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take the report of one event."""
        self.events -= 1
        if error is not None:
            self.failed = self.failed or error.str()
        if not self.events and self.sealed:
            self._connection.advance(message.latency())


class DirectConnection:
    """The events of one connection's frames. `rows`: its frames that Kafka has, and whose events are not made yet, in order."""

    def __init__(self, around: Direct, frames: Noticing) -> None:
        self.rows: list[Frame] = []
        self._around = around
        self._frames = frames
        self._normaliser = Normaliser({around.dialect.venue: around.dialect})
        self._queued: deque[Queued] = deque()
        self._through = 0
        """The frame up to which all events are delivered."""
        self._told = 0
        """The frame up to which it was said that they are."""
        self._left: list[int] = []
        """Frames behind that one, in order, which are left to normalise."""
        self._worth_telling = False
        self._said_at = self._bounded_at = around.clock()
        self._over = False
        self._closing: tuple[float, Callable[[], None]] | None = None
        """Until when the last word waits, and what says it."""

    def begin(self, received_at: int) -> None:
        """Say that this connection's events are published here."""
        self._frames.published(received_at, 0, 0, [], "")

    def close(self, last_word: Callable[[], None]) -> None:
        """Take that no more frames come; `last_word` is called once the events of all are delivered, or after CLOSE_SECONDS."""
        if self._over:
            last_word()
        else:
            self._closing = (self._around.clock() + CLOSE_SECONDS, last_word)
            self._close_in_time()

    def _close_in_time(self) -> None:
        if self._closing is None:
            return
        until, _ = self._closing
        if self._through == self._frames.count or self._around.clock() >= until:
            self.end(self._around.now(), "the connection has ended")

    def end(self, received_at: int, reason: str) -> None:
        """Say how far its events are, and that no more follow: before the connection's own last word."""
        if self._over:
            return
        self._over = True
        self._around.forget(self._frames.key)
        self._tell(received_at, reason)
        if self._closing is not None:
            _, last_word = self._closing
            self._closing = None
            last_word()

    def publish(self) -> None:
        """Queue the events of the frames taken."""
        rows, self.rows = self.rows, []
        if self._over:
            return
        around = self._around
        if len(around.publisher) > MOST_WAITING:
            self.stop("Kafka takes events slower than they come")
            return
        telling = any(row.kind != "notice" for row in rows)
        queued = Queued(self, rows[-1], telling=telling, made_at=around.now())
        self._queued.append(queued)
        try:
            for one in self._made(rows):
                self._send(one, queued)
        except Retry as error:
            self.stop(str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, normalise meets it again and says of which frame
            self.stop(f"a fault of ours: {around.tell(error, 'direct events')}")
            return
        queued.sealed = True
        if not queued.events:
            self.advance(None)

    def _made(self, rows: list[Frame]) -> Iterable[NormalisedEvent | RefusedFrame | Block]:
        if len(rows) == 1:
            return self._normaliser.apply([(rows[0].connection_sequence, rows[0])])
        columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
        return self._normaliser.apply_block([row.connection_sequence for row in rows], columns)

    def _send(self, made: NormalisedEvent | RefusedFrame | Block, queued: Queued) -> None:
        if isinstance(made, RefusedFrame):
            self._leave(made.offset)
        elif isinstance(made, Block):
            try:
                self._send_block(made, queued)
            except SPENT:
                raise  # a part of it may be on its way
            except Exception:  # noqa: BLE001 - one datum spoils the block: leave its frame alone, below
                for number, part in made.parts():
                    try:
                        self._send_block(part, queued)
                    except SPENT:
                        raise
                    except Exception:  # noqa: BLE001 - normalise says what is wrong with it
                        self._leave(number)
        else:
            queued.events += 1
            try:
                self._around.events.publish(*made, queued.delivered)
            except SPENT:
                raise
            except Exception:  # noqa: BLE001 - normalise says what is wrong with it
                queued.events -= 1
                self._leave(self._normaliser.applied)

    def _send_block(self, block: Block, queued: Queued) -> None:
        columns, count = block.columns(), len(block.rows)
        queued.events += count
        try:
            refused = self._around.events.publish_block(block.shape.event, columns, count, queued.delivered)
        except Exception:
            queued.events -= count
            raise
        queued.events -= len(refused)
        for row, _ in refused:
            self._leave(block.offsets[row])

    def _leave(self, number: int) -> None:
        if not self._left or self._left[-1] != number:
            self._left.append(number)
        if len(self._left) > MOST_LEFT:
            self.stop(f"more than {MOST_LEFT:,} frames could not be read in a moment")

    def advance(self, seconds: float | None) -> None:
        """Take that all events of some frames are delivered; the last of them `seconds` after it was queued."""
        while self._queued and self._queued[0].sealed and not self._queued[0].events:
            done = self._queued.popleft()
            if done.failed:
                self.stop(f"Kafka refuses events: {done.failed}")
                return
            self._through = done.last
            self._worth_telling = self._worth_telling or done.telling
            if seconds is not None:
                self._around.latency.observe((done.made_at - done.received_at) / 1_000_000 + seconds)
        self._close_in_time()

    def say(self, at: float) -> None:
        """Say how far its events are, where that has changed and was not said a moment ago."""
        if at - self._bounded_at >= BOUND_SECONDS:
            self._bounded_at = at
            self._normaliser.dump()
        if self._worth_telling and at - self._said_at >= SAY_SECONDS and self._closing is None:
            self._said_at = at
            self._worth_telling = not self._tell(self._around.now(), "")
        self._close_in_time()

    def _tell(self, received_at: int, reason: str) -> bool:
        """Say how far its events are; False where that was given up, for want of room: then the next word says it as well."""
        left = [number for number in self._left if number <= self._through]
        if not self._frames.published(received_at, self._told, self._through, left, reason):
            return False
        self._told, self._left = self._through, self._left[len(left) :]
        return True

    def stop(self, reason: str) -> None:
        """Leave the rest of the connection to normalise."""
        if not self._over:
            logger().warning("events are no longer published beside their frames", connection=self._frames.connection_id, reason=reason)
            self.end(self._around.now(), reason)


def lingering(producer: ProducerSettings) -> dict[str, Any]:
    """Return librdkafka's setting of how long a frame and then its events wait for a fuller batch, where somebody waits for these."""
    return {"linger.ms": producer.direct_linger_ms} if producer.direct_events else {}


def open_direct(
    settings: Settings, dialect: Dialect, registry: Registry, codec: Codec, tell: Tell, until: ExitStack, *, name: str
) -> Direct | None:
    """Return what publishes a venue's events, open until `until` is left; None where normalise is to make them all (the settings).

    Asks the registry, and raises as that does. `name`: the producer's, by which its events are counted: their topics say no venue.
    """
    if not settings.producer.direct_events:
        return None
    overrides = {"delivery.report.only.error": False} | lingering(settings.producer)
    with ExitStack() as opened:
        publisher = opened.enter_context(closing(Publisher(settings.kafka, **overrides)))
        publisher.waits = False
        events = EventPublisher(publisher, registry, name)
        events.know(sorted(dialect.events()))
        until.push(opened.pop_all())
    return Direct(dialect, events, publisher, codec, name, tell=tell, now=now, clock=time.monotonic)
