"""One connection to a venue: its streams asked for and confirmed, each frame published, what went silent asked for again."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from dialects.contract import Dialect, Endpoints
from dialects.session import Subscription
from dialects.stream import Stream
from producers.absences import Absences
from producers.backoff import Backoff
from producers.companions import Tell
from producers.coverage import Coverage, Silence
from producers.frames import Frames
from producers.references import keep_references
from producers.rest import Rest
from producers.snapshots import Snapshots
from producers.subscriptions import Subscriptions
from producers.websocket import Socket, connect
from topology.errors import Retry
from topology.log import logger
from topology.metrics import connections, control_frames, silences

T = TypeVar("T")
TICK_SECONDS, LATE_SECONDS = 0.1, 1.0
SLACK = 1.1
"""Messages are sent this much slower than allowed: the network may bunch them."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection of a venue shares. `clock` is monotonic seconds, `now` microseconds since 1970 UTC."""

    dialect: Dialect
    endpoints: Endpoints
    frames: Callable[[], Frames]
    rest: Rest
    silence: Mapping[str, float]
    confirm_seconds: float
    backoff: Callable[[], Backoff]
    snapshots: bool
    coverage: Coverage
    absences: Absences
    token: Callable[[], Awaitable[str]]
    """Gives what opens authenticated channels; raises Retry where there is no credential yet or the venue is away, Reject where it
    refuses the credential."""
    tell: Tell
    clock: Callable[[], float]
    now: Callable[[], int]


class Connection:
    """Open with `open`, then it lives by itself until `ended`. `wants` holds why it should be replaced, if it should.

    A fault of ours (a dialect that raises, an error in here) costs no frame: each is published before anybody looks at it. A
    frame that cannot be heard is told and passed over; where one of the tasks fails, the connection asks to be replaced.
    """

    def __init__(self, around: Surroundings, streams: tuple[Stream, ...]) -> None:
        self.streams = streams
        self.attempt = 0
        """Which of its feed's attempts to connect it is, from 1."""
        self.frames = around.frames()
        self.subscriptions = Subscriptions(streams, around.silence, around.confirm_seconds)
        self.ready = asyncio.Event()
        """Set once every stream is confirmed or refused."""
        self.ended = asyncio.Event()
        self.reason = ""
        self.replace = asyncio.Event()
        self.wants = ""
        self.unrecoverable: list[Stream] = []
        self._refusals: dict[Stream, str] = {}
        self.refusal = ""
        """The venue's words where it refused a stream."""
        self.faulty = False
        """Whether it is to be replaced for a fault of ours, which the next may meet at once again."""
        self.dismissed = False
        """Whether the venue has said that it is about to close it."""
        self._around = around
        self._dialect = around.dialect
        self._heard = self.subscriptions.heard
        self._confirmed_at: dict[Stream, int] = {}
        self._session = around.dialect.session()
        self._previous: str | None = None
        self._outgoing: deque[tuple[bytes, tuple[Stream, ...]]] = deque()
        """Messages to send, each with the streams whose answer is then awaited."""
        self._to_send = asyncio.Event()
        self._private = around.dialect.is_private(streams)
        self._token = ""
        self._socket: Socket | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: asyncio.Task[None] | None = None
        self._unheard = False
        self._snapshots = Snapshots(
            around.dialect,
            around.rest,
            self.frames,
            around.coverage,
            around.absences,
            around.backoff,
            around.tell,
            around.clock,
            around.now,
        )

    @property
    def id(self) -> str:
        """Its id in every frame."""
        return self.frames.connection_id

    async def open(self, previous: str | None) -> None:
        """Connect and begin to subscribe; `previous` is the connection it replaces.

        Raises Retry where it can't, Reject where its streams need a credential and the venue refuses it.
        """
        around = self._around
        if self._private:
            self._token = await around.token()
        url = self._dialect.url(around.endpoints, self.streams)
        self._previous = previous
        await connect(url, self._on_connected, self._on_frame, self._on_end, around.now)

    def _on_connected(self, socket: Socket) -> None:
        self._socket = socket
        since = self._around.coverage.away(self.streams)
        self.frames.notice("connected", self._around.now(), streams=_pairs(self.streams), previous=self._previous, since=since)
        self.tell_left()
        connections.labels(self._dialect.venue).inc()
        try:
            self._subscribe(self.streams)
            named = {stream for _, streams in self._outgoing for stream in streams}
            self._confirm(tuple(stream for stream in self.streams if stream not in named))
        except Exception as error:  # noqa: BLE001 - picows would take it for the venue's
            self._leave(f"a fault of ours: {self._around.tell(error, 'subscribe')}")
            return
        self._start(self._send())
        self._start(self._watch())
        if requests := self._dialect.references(self.streams):
            self._start(keep_references(requests, self._around.rest, self.frames, self._around.backoff()))

    def _on_frame(self, payload: bytes, received_at: int) -> None:
        self.frames.message(payload, received_at)
        try:
            self._listen(payload, received_at)
        except Exception as error:  # noqa: BLE001 - the frame is published; picows would end the connection by it
            self._unheard = True
            self._around.tell(error, "hear")

    def _listen(self, payload: bytes, received_at: int) -> None:
        heard = self._session.hear(payload)
        if heard.closing:
            self.dismissed = True
            self.want("the venue is about to close it")
        if heard.answer is not None and self._socket is not None:
            self._socket.send(heard.answer)
        stream = heard.stream
        if stream is not None:
            self._heard[stream] = received_at
            if self._snapshots.missing and stream in self._snapshots.missing:
                self._snapshots.missing.discard(stream)
                self._start(self._snapshots.fetch(stream))
            return
        control_frames.labels(self._dialect.venue).inc()
        if heard.confirmed:
            self._confirm(heard.confirmed)
        for refused, words in heard.refused:
            self._refuse(refused, words)

    def _on_end(self, reason: str) -> None:
        self.reason = self.reason or reason
        at = self._around.now()
        self.frames.notice("closed", at, streams=_pairs(self.streams), reason=self.reason)
        self._around.coverage.ended(self.id, at)
        connections.labels(self._dialect.venue).dec()
        for task in self._tasks:
            task.cancel()
        self.ended.set()

    async def close(self, reason: str) -> None:
        """Close it, publishing what still comes in; nothing follows its `closed` notice."""
        self.reason = self.reason or reason
        for task in self._tasks:
            task.cancel()
        if self._socket is not None:
            await self._socket.close(self.reason)

    async def resync(self, stream: Stream) -> None:
        """Begin a stream's book anew: its snapshot over REST, or this one stream given up and asked for again.

        Returns once the snapshot is published, or the stream is to be asked for. Raises Reject where the venue refuses the snapshot,
        Retry where the connection ended meanwhile.
        """
        if self.ended.is_set():
            raise Retry("its connection has ended")
        if self._dialect.channels[stream.channel].snapshot != "rest":
            self._resubscribe((stream,))
            return
        fetching = self._start(self._snapshots.fetch(stream))
        await asyncio.wait((fetching,))
        if fetching.cancelled():
            raise Retry("its connection has ended")
        if (refusal := fetching.result()) is not None:
            raise refusal

    def _subscribe(self, streams: tuple[Stream, ...]) -> None:
        self._queue(self._session.ask(streams, self._token), await_answer=True)

    def _resubscribe(self, streams: tuple[Stream, ...]) -> None:
        if self._private:  # its token is as old as the connection, and tokens live for minutes
            self.want(f"{', '.join(f'{one.channel} {one.symbol}' for one in streams[:5])} must be asked for again")
            return
        self._queue(self._session.give_up(streams), await_answer=False)
        self._subscribe(streams)

    def _queue(self, subscriptions: list[Subscription], *, await_answer: bool) -> None:
        for one in subscriptions:
            self._outgoing.append((one.message, one.streams if await_answer else ()))
        self._to_send.set()

    async def _send(self) -> None:
        """Send what is queued, no faster than the venue allows, and pings in between."""
        limits = self._dialect.limits_of(self.streams)
        spacing = SLACK / limits.messages_per_second if limits.messages_per_second else 0
        ping_at = self._around.clock() + limits.ping_every
        while True:
            if not self._outgoing:
                self._to_send.clear()
                try:
                    async with asyncio.timeout(max(0.0, ping_at - self._around.clock()) if limits.ping_every else None):
                        await self._to_send.wait()
                except TimeoutError:
                    ping_at = self._around.clock() + limits.ping_every
                    ping = self._session.ping()
                    if ping is not None:
                        self._outgoing.append((ping, ()))
                continue
            message, streams = self._outgoing.popleft()
            self.subscriptions.ask(streams, self._around.clock())
            if self._socket is not None:
                self._socket.send(message)
            await asyncio.sleep(spacing)

    async def _watch(self) -> None:
        looked_at = self._around.clock()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            looked_at, before = self._around.clock(), looked_at
            late = looked_at - before - TICK_SECONDS
            self._snapshots.look_again()
            unheard, self._unheard = self._unheard, False
            # A process that was stopped or starved has frames waiting in its socket: nobody was silent.
            found = self.subscriptions.check(
                looked_at,
                self._around.coverage.silences.keys(),
                unwatched=late if late > LATE_SECONDS else 0.0,
                unheard=unheard,
            )
            if found.unconfirmed:
                logger().warning(
                    "subscriptions are not confirmed and asked for again", venue=self._dialect.venue, streams=found.unconfirmed
                )
                self._subscribe(tuple(found.unconfirmed))
            if found.refused and not self._private:  # a private one is asked for again with the next token
                self._subscribe(tuple(found.refused))
            for stream in found.silent:
                self._notice_silence(stream)
            if found.silent:
                self._resubscribe(tuple(found.silent))
            for stream in found.resumed:
                if (silence := self._around.coverage.resumed(stream)) is not None:
                    logger().info("a silent stream speaks again", venue=self._dialect.venue, stream=stream)
                    self._notice_end(stream, silence, "")
            if found.unrecoverable:
                self.unrecoverable = found.unrecoverable
                self.want(f"no word from {', '.join(f'{one.channel} {one.symbol}' for one in found.unrecoverable[:5])}")

    def _notice_silence(self, stream: Stream) -> None:
        heard, at = self._heard.get(stream), self._around.now()
        since = self._confirmed_at.get(stream) if heard is None else heard
        reason = f"longer than {self._around.silence[stream.channel]:g} s"
        if heard is None:
            reason = f"not a word since it was confirmed, {reason}: does the venue have this market? (venues.{self._dialect.venue}.symbols)"
        logger().warning("a stream is silent and asked for again", venue=self._dialect.venue, stream=stream, since=since, reason=reason)
        silences.labels(self._dialect.venue, stream.channel).inc()
        self.frames.notice("silent", at, streams=_pairs((stream,)), since=since, reason=reason)
        self._around.coverage.fell_silent(stream, Silence(since or at, at, self.id))

    def _notice_end(self, stream: Stream, silence: Silence, reason: str) -> None:
        self.frames.notice(
            "resumed",
            self._around.now(),
            streams=_pairs((stream,)),
            reason=reason,
            previous=silence.connection_id,
            since=silence.since,
            detected_at=silence.detected_at,
        )

    def tell_left(self) -> None:
        """Tell the end of silences of streams that are followed no longer."""
        for stream, silence in self._around.coverage.take_left().items():
            self._notice_end(stream, silence, "this stream is followed no longer")

    def _confirm(self, streams: tuple[Stream, ...]) -> None:
        fresh = self.subscriptions.confirm(streams, self._around.clock())
        by_since: dict[int | None, list[Stream]] = {}
        for stream in fresh:
            by_since.setdefault(self._around.coverage.confirmed(stream, self.id), []).append(stream)
        at = self._around.now()
        self._confirmed_at |= dict.fromkeys(fresh, at)
        for since, some in by_since.items():
            self.frames.notice("confirmed", at, streams=_pairs(some), since=since)
        self._settle()
        if self._around.snapshots:
            self._snapshots.confirmed(fresh)

    def _refuse(self, stream: Stream | None, words: str) -> None:
        if stream is not None and not self.subscriptions.refuse(stream):
            return
        if stream is not None and self._refusals.get(stream) == words:
            return
        if stream is not None:
            self._refusals[stream] = words
        logger().error("the venue refuses a subscription", venue=self._dialect.venue, stream=stream, reason=words)
        self.refusal = words
        self.frames.notice("refused", self._around.now(), streams=_pairs((stream,) if stream else ()), reason=words)
        self._settle()
        if self._private and self.subscriptions.refused() == set(self.streams):
            self._leave(f"the venue refuses every stream: {words}")

    def _leave(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self._socket is not None and self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._socket.close(self.reason))

    def _settle(self) -> None:
        if not self.subscriptions.waiting():
            self.ready.set()

    def want(self, reason: str) -> None:
        """Ask to be replaced by a new connection."""
        self.wants = reason
        self.replace.set()

    def _start(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.faulty = True
            self.want(f"a fault of ours: {self._around.tell(error, 'connection')}")


def _pairs(streams: tuple[Stream, ...] | list[Stream]) -> list[tuple[str, str]]:
    return [(stream.channel, stream.symbol) for stream in streams]
