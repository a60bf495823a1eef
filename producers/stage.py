"""One venue's producer: its connections, its backfill, and the way to Kafka, from start to the last frame delivered.

The process that carries it, alone or beside others, is process.py.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, TypeVar

from dialects.catalogue import dialect as dialect_of
from dialects.contract import Dialect, Origin, Poll
from dialects.stream import Stream
from producers import STAGE, coverage, plan
from producers.absences import Absences
from producers.access import Access
from producers.backfill import Backfill, Means
from producers.backoff import Backoff
from producers.carrying import Carrying, Part
from producers.companions import end, is_set_within, keep_running
from producers.connection import Connection, Surroundings
from producers.direct import CLOSE_SECONDS, Direct, lingering, open_direct
from producers.feed import Feed, Policy
from producers.frames import Frames, connection_id
from producers.gaps import GapReader
from producers.listing import spelled
from producers.outbox import Outbox
from producers.poller import Poller, PollerSurroundings
from producers.rest import Rest
from producers.sealing import sealer
from producers.sharing import LEAVE_SECONDS, Shared, Sharing, terms_of
from producers.source import Source
from producers.spill import SEGMENT_BYTES, Spill
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.events import Gap
from topology.access import ensure_allowed
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Fatal, Retry
from topology.faults import Faults
from topology.grace import stopping
from topology.grants import grants
from topology.kafka import Publisher
from topology.log import logger
from topology.registry import Registry
from topology.retry import Attempts, persist_async
from topology.secrets.credential import Environment, Identity
from topology.secrets.events import listen_where_told
from topology.secrets.opening import open_credentials
from topology.secrets.tokens import token
from topology.secrets.validation import check
from topology.settings import Settings, Venue
from topology.state_folder import ALIVE, SPILL
from topology.topics import all_topics, prepare

T = TypeVar("T")
FLUSH_SECONDS = 30.0
"""How long a stopping producer waits for the broker; what is not delivered then stays on disk."""
SMALLEST_SEGMENT = 64 * 1024


def _noise() -> str:
    return secrets.token_hex(4)


class Stage:
    """Run one venue's producer. Raises Fatal where no dialect has that name.

    Capture (the sources) and delivery (the outbox) are the process's life. Backfill, the credential, and what is kept of the time
    are companions: a fault in one is counted, told, seen in its health, and the companion begun again; capture never notices. A
    fault of one source is its own. What ends the process is Fatal, for a person must act and nothing could be captured or
    delivered meanwhile: no such dialect, streams the settings ask for in vain, a store of secrets that cannot be opened (at start),
    a schema of frames that is not ours, a topic that takes nothing, no room on disk where the settings say to stop then.

    `faults` keeps the count where the producer is begun again. `random_number` gives numbers in [0, 1), `noise` the random part of each
    connection's id.
    """

    def __init__(
        self,
        settings: Settings,
        venue: str,
        faults: Faults | None = None,
        *,
        random_number: Callable[[], float] = random.random,
        noise: Callable[[], str] = _noise,
    ) -> None:
        try:
            self._dialect: Dialect = dialect_of(venue)
        except KeyError as error:
            raise Fatal(str(error.args[0])) from error
        self._settings = settings
        self._random = random_number
        self._noise = noise
        self._own = settings.venues.get(venue, Venue())
        simulated = self._own.origin == "simulated"
        self._origins: tuple[Origin, Origin] = ("simulated", "simulated") if simulated else ("live", "rest")
        self._frame = event("frame")
        self._topic = self._frame.topic.of(venue)
        self._registry = Registry(settings.registry)
        self._sealing = sealer(settings, venue)
        self._state = "starting"
        self._carrying: Carrying | None = None
        self._sharing: Sharing | None = None
        self._prepared = asyncio.Event()
        self.faults = faults or Faults(self.name)
        self._access: Access | None = None
        self._absences = Absences(venue, self._origins[0], now)
        self._refused: Callable[[], str] = lambda: ""

    @property
    def name(self) -> str:
        """Its name in logs, metrics and dead letters, and of a process of its own (flow.Stage.child)."""
        return STAGE.child(self._dialect.venue)

    @property
    def feeds(self) -> list[Feed]:
        """What carries the streams that are pushed, the newest first."""
        return self._carrying.feeds if self._carrying is not None else []

    @property
    def sources(self) -> list[Source]:
        """What carries all streams."""
        return self._carrying.sources if self._carrying is not None else []

    def status(self) -> str:
        """Return why the producer is not ready, or nothing when all its streams are confirmed (or refused)."""
        share = self._sharing.status() if self._sharing is not None else ""
        parts = (self._refused(), self._sealing.status(), share, *(source.status() for source in self.sources))
        return self._state or "; ".join(filter(None, parts))

    async def run(self, stop: asyncio.Event) -> None:
        """Produce until `stop` is set, then close every connection and deliver what was received. Raises Fatal."""
        with self._sealing, closing(Publisher(self._settings.kafka, **{"delivery.timeout.ms": 0})) as events, ExitStack() as open_until:
            try:
                codec = await self._from_registry(stop, lambda: self._registry.codec(self._topic, self._frame))
                dead_letters = await self._from_registry(stop, lambda: DeadLetters(events, self._registry, self.name, now))
                direct = await self._from_registry(stop, lambda: self._direct(codec, open_until))
            except Retry as error:
                logger().info("stopped before it could begin", venue=self._dialect.venue, waited_for=str(error))
                return
            outbox = self._outbox(dead_letters, direct)
            self._refused = lambda: outbox.refused
            shipping = asyncio.create_task(outbox.run())
            try:
                await self._produce(stop, outbox, shipping, codec, events, dead_letters, direct)
            finally:
                self._state = "stopping"
                if direct is not None:
                    await direct.finish(min(CLOSE_SECONDS, stopping.left(0.2)))
                await end(shipping)
                complete = await outbox.close(min(FLUSH_SECONDS, stopping.left(0.6)))
                await asyncio.to_thread(events.flush, FLUSH_SECONDS)
                logger().info("stopped", venue=self._dialect.venue, everything_delivered=complete)

    async def _produce(
        self,
        stop: asyncio.Event,
        outbox: Outbox,
        shipping: asyncio.Task[None],
        codec: Codec,
        events: Publisher,
        letters: DeadLetters,
        direct: Direct | None,
    ) -> None:
        venue, where = self._dialect.venue, plan.endpoints(self._dialect, self._own)
        async with Rest(where.rest, self._dialect, time.monotonic, now) as rest:
            symbols = await spelled(self._own.symbols, self._dialect, rest)
            self._own = self._own.model_copy(update={"symbols": symbols})

            def frames(direct: Direct | None = None) -> Frames:
                return Frames(codec, venue, *self._origins, connection_id(venue, now(), self._noise()), outbox.put, direct)

            alive = self._settings.state_dir / ALIVE / f"{venue}.json"
            wanted = plan.streams(self._dialect, self._own)
            covered = coverage.read(alive, wanted)

            def safe() -> int:
                return now() - int(outbox.unsafe_seconds() * 1_000_000)

            self._access = self._make_access(self._own.credential) if self._own.credential else None
            self._carrying = carrying = self._make_carrying(rest, frames, covered, direct)
            sharing = self._sharing = self._make_sharing(wanted, carrying, covered, safe) if self._settings.producer.shared else None
            if sharing is None:
                carrying.begin(wanted)
            stopped = asyncio.create_task(stop.wait())
            life: list[asyncio.Future[Any]] = [stopped, shipping, outbox.failure, carrying.failure]
            beside = [self._run("coverage", lambda: coverage.keep(covered, alive, safe)), self._run("rights", self._prepare)]
            if direct is not None:
                beside.append(self._run("direct events", direct.run))
            if sharing is not None:
                life.append(share := self._run("share", lambda: self._share(sharing), vital=True))
                beside.append(share)
            if (access := self._access) is not None:
                beside.append(self._run("credential", lambda: access.run(self._private_feeds)))
            if self._settings.producer.backfill:
                beside.append(self._run("backfill", lambda: self._mend(rest, frames, outbox, events, letters, covered)))
            self._state = ""
            try:
                done, _ = await asyncio.wait(life, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
                if sharing is not None:
                    await sharing.leave(min(LEAVE_SECONDS, stopping.left(0.3)))
            finally:
                self._state = "stopping"
                await end(*beside)
                await carrying.close("the producer stops")
                await end(*(one for one in life if isinstance(one, asyncio.Task)))
                coverage.write(alive, covered.beat(now()))

    async def _prepare(self) -> None:
        """See, once a broker answers, that we may do what we shall do, and that our topics are there.

        Fatal where not: it is told for as long as it lasts, and frames are captured meanwhile.
        """
        kafka, venue = self._settings.kafka, self._dialect.venue
        wanted = grants(STAGE, venue, kafka.manage_topics, shared=self._settings.producer.shared)
        written = {one.name for one in wanted if one.kind == "topic"}
        await asyncio.to_thread(ensure_allowed, kafka, wanted, f"producers-{venue}")
        await asyncio.to_thread(prepare, kafka, {topic: one for topic, one in all_topics().items() if topic in written})
        self._prepared.set()

    async def _share(self, sharing: Sharing) -> None:
        """Take part in the group, once it is known that we may, and that the topic of it is there."""
        await self._prepared.wait()
        await sharing.run()

    def _run(self, part: str, work: Callable[[], Coroutine[Any, Any, None]], *, vital: bool = False) -> asyncio.Task[None]:
        return asyncio.create_task(keep_running(part, work, self._tell, self._backoff(), time.monotonic, vital=vital))

    def _tell(self, error: BaseException, part: str) -> str:
        return self.faults.tell(error, venue=self._dialect.venue, event=part)

    def _direct(self, codec: Codec, until: ExitStack) -> Direct | None:
        try:
            return open_direct(self._settings, self._dialect, self._registry, codec, self._tell, until, name=self.name)
        except Fatal as error:  # frames are captured all the same: their events are normalise's
            self._tell(error, "direct events")
            return None

    def _private_feeds(self) -> list[Feed]:
        return [feed for feed in self.feeds if self._dialect.is_private(feed.streams)]

    def _make_sharing(self, wanted: list[Stream], carrying: Carrying, covered: coverage.Coverage, safe: Callable[[], int]) -> Sharing:
        terms = terms_of(self._settings, self._dialect.venue)
        me = connection_id(self._dialect.venue, now(), self._noise())
        around = (wanted, me, carrying, covered, self._absences, safe, time.monotonic)
        return Sharing(Shared(self._settings.kafka, terms, self._dialect, *around))

    def _make_carrying(self, rest: Rest, frames: Callable[..., Frames], covered: coverage.Coverage, direct: Direct | None) -> Carrying:
        dialect, producer = self._dialect, self._settings.producer
        surroundings = Surroundings(
            dialect=dialect,
            endpoints=plan.endpoints(dialect, self._own),
            frames=lambda: frames(direct),
            rest=rest,
            silence={**_silence(dialect), **producer.silence_seconds},
            confirm_seconds=producer.confirm_seconds,
            backoff=self._backoff,
            snapshots=producer.backfill,
            coverage=covered,
            absences=self._absences,
            token=self._token,
            tell=self._tell,
            clock=time.monotonic,
            now=now,
        )
        policy = Policy(plan.lifetime(dialect, producer), producer.confirm_seconds, self._backoff, self._random, time.monotonic, self._tell)
        polling = PollerSurroundings(dialect, rest, frames, covered, self._backoff, self._tell, time.monotonic, now)

        def source(part: Part) -> Source:
            if isinstance(part, Poll):
                return Poller(polling, part)
            return Feed(dialect.venue, part, lambda some: Connection(surroundings, some), policy)

        return Carrying(
            lambda streams: [*plan.connections(dialect, streams), *plan.polled(dialect, streams)],
            source,
            lambda one: self._run("source", one.run, vital=True),
            self._tell,
            time.monotonic,
            patience=3 * producer.confirm_seconds,
            most=dialect.limits.connections_per_address,
        )

    async def _token(self) -> str:
        if self._access is None:
            raise Retry(f"no credential is set: venues.{self._dialect.venue}.credential")
        return await self._access.token()

    def _make_access(self, environment: Environment) -> Access:
        """Return what lets the authenticated feeds in. Raises Fatal where the store of secrets can't be opened."""
        base, secrets = self._own.rest, self._settings.secrets
        identity = Identity(self._dialect.venue, environment)
        return Access(
            open_credentials(secrets),
            identity,
            lambda credential: check(credential, now, base),
            lambda credential: token(credential, base),
            secrets.poll_seconds,
            lambda heard: listen_where_told(secrets, identity.path, heard, lambda words: logger().info("credential", says=words)),
            self._random,
            time.monotonic,
        )

    async def _mend(
        self, rest: Rest, frames: Callable[[], Frames], outbox: Outbox, events: Publisher, letters: DeadLetters, covered: coverage.Coverage
    ) -> None:
        """Read gaps and mend them until cancelled; raises what ended it. What is not committed by then is read again the next time."""
        gap, venue = event("gap"), self._dialect.venue
        codec = await asyncio.to_thread(lambda: self._registry.codec(gap.topic.of(), gap))

        def lost(record: Gap) -> None:
            events.publish(gap.topic.of(), gap.topic.key_of(record), codec.encode(record))
            events.flush()

        sharing = self._sharing
        reader = GapReader(
            self._settings.kafka,
            self._registry,
            letters,
            venue,
            lost,
            now,
            lambda error: self._tell(error, "backfill"),
            (lambda: sharing.assigned) if sharing is not None else None,
        )
        means = Means(
            dialect=self._dialect,
            rest=rest,
            outbox=outbox,
            publisher=events,
            codec=codec,
            frames=frames,
            backoff=self._backoff,
            done=reader.done,
            coverage=covered,
            absences=self._absences,
            tell=self._tell,
            clock=time.monotonic,
            now=now,
        )
        backfill = Backfill(means, self.feeds)
        mending = asyncio.create_task(backfill.run())
        telling = asyncio.create_task(self._absences.tell(backfill.publish))
        reader.start(backfill.take)
        try:
            done, _ = await asyncio.wait((mending, telling, reader.failure), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            await reader.close()  # what is done meanwhile is still committed
            await end(mending, telling)

    def _outbox(self, dead_letters: DeadLetters, direct: Direct | None) -> Outbox:
        producer, venue = self._settings.producer, self._dialect.venue
        segment = min(SEGMENT_BYTES, max(SMALLEST_SEGMENT, producer.spill_bytes // 16))
        name = connection_id(venue, now(), self._noise())

        def refused(key: bytes, value: bytes, reason: str) -> None:
            logger().error("a frame cannot be published", key=key.decode(), bytes=len(value), reason=reason)
            dead_letters.send_unplaced(self._topic, key, value, reason)

        return Outbox(
            lambda overrides: Publisher(self._settings.kafka, **overrides, **lingering(producer)),
            self._topic,
            venue,
            Spill(self._settings.state_dir / SPILL / venue, name, producer.spill_bytes, segment, self._sealing),
            spill_after=producer.spill_after_seconds,
            when_full=producer.spill_when_full,
            refused=refused,
            clock=time.monotonic,
            follower=direct,
        )

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.producer.backoff_first, self._settings.producer.backoff_most, self._random)

    async def _from_registry(self, stop: asyncio.Event, ask: Callable[[], T]) -> T:
        """Return what `ask` gets of the registry, waiting while that is away; raises Retry once `stop` is set while it waits."""

        def say(reason: str) -> None:
            self._state = reason or "starting"

        attempts = Attempts("producers", "registry", wait=self._backoff().wait, say=say)
        return await persist_async(lambda: asyncio.to_thread(ask), attempts, partial(is_set_within, stop))


def _silence(dialect: Dialect) -> dict[str, float]:
    return {name: channel.silence for name, channel in dialect.channels.items() if channel.silence is not None}
