"""One venue's producer: its connections, its backfill, and the way to Kafka, from start to the last frame delivered."""

import asyncio
import contextlib
import logging
import random
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dialects.catalogue import dialect as dialect_of
from dialects.dialect import Dialect
from producers import plan
from producers.backoff import Backoff
from producers.connection import Connection, Surroundings
from producers.feed import Feed, Policy
from producers.frames import Frames, Origin, connection_id
from producers.outbox import Outbox
from producers.rest import Rest
from producers.spill import SEGMENT_BYTES, Spill
from schemas.catalogue import event
from schemas.codec import Codec
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Fatal, Retry
from topology.health import Health
from topology.kafka import Publisher
from topology.log import configure, logger
from topology.registry import Registry
from topology.settings import Settings, Venue

T = TypeVar("T")
FLUSH_SECONDS = 30.0
SMALLEST_SEGMENT = 64 * 1024


class Stage:
    """Run one venue's producer. `random_number` gives numbers in [0, 1)."""

    def __init__(self, settings: Settings, venue: str, random_number: Callable[[], float] = random.random) -> None:
        try:
            self._dialect: Dialect = dialect_of(venue)
        except KeyError as error:
            raise Fatal(str(error.args[0])) from error
        self._settings = settings
        self._random = random_number
        self._own = settings.venues.get(venue, Venue())
        self._endpoints = plan.endpoints(self._dialect, self._own)
        self._frame = event("frame")
        self._topic = self._frame.topic.of(venue)
        self._origin: Origin = "simulated" if self._own.origin == "simulated" else "live"
        self._reply_origin: Origin = "simulated" if self._own.origin == "simulated" else "rest"
        self.feeds: list[Feed] = []
        self._state = "starting"

    @property
    def name(self) -> str:
        """The stage's name in logs, health and dead letters."""
        return f"producer-{self._dialect.venue}"

    def status(self) -> str:
        """Return why the producer is not ready, or nothing when all its streams are confirmed."""
        return self._state or "; ".join(filter(None, (feed.status() for feed in self.feeds)))

    async def run(self, stop: asyncio.Event) -> None:
        """Produce until `stop` is set, then close every connection and deliver what was received. Raises Fatal."""
        settings = self._settings
        with Health(settings, self.name, self.status):
            registry = Registry(settings.registry)
            codec = await self._patiently(lambda: registry.codec(self._topic, self._frame))
            dead_letters = await self._patiently(lambda: DeadLetters(Publisher(settings.kafka), registry, self.name, now))
            outbox = self._outbox(dead_letters)
            shipping = asyncio.create_task(outbox.run())
            limits = self._dialect.limits
            headers: dict[str, str] = dict(getattr(self._dialect, "request_headers", {}))
            async with Rest(self._endpoints.rest, headers, limits.requests_per_minute, time.monotonic, now) as rest:
                surroundings = self._surroundings(rest, codec, outbox)
                self._make_feeds(surroundings)
                running = [asyncio.create_task(feed.run()) for feed in self.feeds]
                self._state = ""
                stopped = asyncio.create_task(stop.wait())
                try:
                    awaited: set[asyncio.Future[Any]] = {stopped, outbox.failure, shipping, *running}
                    done, _ = await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    self._state = "stopping"
                    await asyncio.gather(*(feed.close("the producer stops") for feed in self.feeds))
                    for task in (stopped, *running):
                        task.cancel()
                    await asyncio.gather(stopped, *running, return_exceptions=True)
                    shipping.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await shipping
                    complete = await outbox.close(FLUSH_SECONDS)
                    logger().info("stopped", venue=self._dialect.venue, everything_delivered=complete)
                for one in done:
                    one.result()

    def _make_feeds(self, surroundings: Surroundings) -> None:
        wanted = plan.streams(self._dialect, self._own)
        policy = Policy(self._lifetime(), self._settings.producer.confirm_seconds, self._backoff, self._random, time.monotonic)
        for streams in plan.shards(wanted, self._dialect.limits.streams_per_connection):
            self.feeds.append(Feed(self._dialect.venue, streams, lambda some: Connection(surroundings, some), policy))

    def _lifetime(self) -> float:
        producer, longest = self._settings.producer, self._dialect.limits.connection_lifetime
        return producer.lifetime_seconds or (max(60.0, longest - producer.rotate_before) if longest else 0)

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.producer.backoff_first, self._settings.producer.backoff_most, self._random)

    def _surroundings(self, rest: Rest, codec: Codec, outbox: Outbox) -> Surroundings:
        def frames() -> Frames:
            name = connection_id(self._dialect.venue, now(), secrets.token_hex(4))
            return Frames(codec, self._dialect.venue, self._origin, self._reply_origin, name, outbox.put)

        producer = self._settings.producer
        return Surroundings(
            dialect=self._dialect,
            endpoints=self._endpoints,
            frames=frames,
            rest=rest,
            silence={**self._dialect.limits.silence, **producer.silence_seconds},
            confirm_seconds=producer.confirm_seconds,
            backoff=self._backoff,
            snapshots=producer.backfill,
            clock=time.monotonic,
            now=now,
        )

    def _outbox(self, dead_letters: DeadLetters) -> Outbox:
        producer, venue = self._settings.producer, self._dialect.venue
        name = connection_id(venue, now(), secrets.token_hex(4))
        segment = min(SEGMENT_BYTES, max(SMALLEST_SEGMENT, producer.spill_bytes // 16))
        spill = Spill(self._settings.state_dir / "spill" / venue, name, producer.spill_bytes, segment)

        def publisher(overrides: dict[str, Any]) -> Publisher:
            return Publisher(self._settings.kafka, **overrides)

        def refused(key: bytes, value: bytes, reason: str) -> None:
            dead_letters.send(self._topic, -1, -1, key, value[:1_000_000], reason)

        return Outbox(
            publisher,
            self._topic,
            venue,
            spill,
            patience=producer.broker_patience,
            when_full=producer.spill_when_full,
            refused=refused,
            clock=time.monotonic,
        )

    async def _patiently(self, work: Callable[[], T]) -> T:
        """Do what needs a server, again and again while it is away."""
        backoff = self._backoff()
        while True:
            try:
                return await asyncio.to_thread(work)
            except Retry as error:
                self._state = str(error)
                logger().warning("waiting", reason=str(error))
                await asyncio.sleep(backoff.wait())


async def produce(settings: Settings, venue: str, duration: float = 0) -> None:
    """Run a venue's producer until SIGTERM or SIGINT, or for `duration` seconds where it is not 0. Raises Fatal."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if duration:
        loop.call_later(duration, stop.set)
    await Stage(settings, venue).run(stop)


def main(settings: Settings, venue: str, duration: float = 0) -> int:
    """Run a venue's producer as a process; return its exit code."""
    configure(settings.log, f"producer-{venue}")
    logging.getLogger("picows").setLevel(logging.WARNING)
    try:
        asyncio.run(produce(settings, venue, duration))
    except Fatal as error:
        logger().error("stopped: a person must act", reason=str(error))
        return 1
    return 0
