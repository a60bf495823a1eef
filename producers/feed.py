"""The one loop of every venue: a connection that is there, one to follow it before it must go, and another when it broke."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from dialects.stream import Stream
from producers.backoff import Backoff
from producers.companions import Tell
from producers.connection import Connection
from topology.errors import Fatal, Reject, Retry
from topology.log import logger
from topology.metrics import reconnects, retries, rotations

OVERLAP_SECONDS = 1.0
"""Both connections deliver for this long after the new one is confirmed: the old may lag behind it."""
LIFETIME_JITTER = 0.1
YOUNG_SECONDS = 60.0
"""A connection that the venue is about to close so soon is no reason to hurry: the next may be told the same."""
"""Connections opened together are rotated apart, by up to this share of their lifetime."""
FIRST_REPLACEMENT_SECONDS = 60.0
LONGEST_REPLACEMENT_SECONDS = 3600.0
"""A stream that a new connection did not bring back costs another one only after this many seconds, doubling."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds; `lifetime` 0: for ever. `random` gives numbers in [0, 1), `clock` monotonic seconds."""

    lifetime: float
    confirm_seconds: float
    backoff: Callable[[], Backoff]
    random: Callable[[], float]
    clock: Callable[[], float]
    tell: Tell
    overlap: float = OVERLAP_SECONDS


Connect = Callable[[tuple[Stream, ...]], Connection]
"""Makes a connection for these streams that is not open yet; called in the event loop before each attempt. It must not wait."""


class Renewal(NamedTuple):
    """Somebody waits for a connection that was begun after the attempt of this number."""

    done: asyncio.Future[None]
    after: int


class Replacement(NamedTuple):
    """A connection was replaced for a stream that it could not bring back: when it may be again, and how long that wait is."""

    again_at: float
    """Monotonic seconds."""
    seconds: float


class Feed:
    """Keep one set of streams flowing until `close`. `connect` makes a connection that is not yet open."""

    def __init__(
        self, venue: str, streams: tuple[Stream, ...], connect: Callable[[tuple[Stream, ...]], Connection], policy: Policy
    ) -> None:
        self.streams = streams
        self._venue = venue
        self._connect = connect
        self._policy = policy
        self._backoff = policy.backoff()
        self._connections: list[Connection] = []
        self._replacements: dict[Stream, Replacement] = {}
        self._trouble: Retry | Reject = Retry("connecting")
        self._renewals: list[Renewal] = []
        self._attempts = 0
        self._hurry = asyncio.Event()
        self._previous: str | None = None
        self._closing = False

    def status(self) -> str:
        """Return why the feed is not ready, or nothing when every stream is confirmed (or refused)."""
        if not self._connections:
            return f"{self._venue}: {self._trouble}"
        if not any(one.ready.is_set() for one in self._connections):
            waiting = sorted(self._connections[-1].subscriptions.waiting())
            return f"{self._venue}: {len(waiting)} of {len(self.streams)} streams not confirmed yet"
        return ""

    def connection(self, connection_id: str | None, stream: Stream) -> Connection | None:
        """Return the open connection of that id, where this feed carries the stream; without an id, the newest."""
        if stream not in self.streams:
            return None
        found = [one for one in self._connections if connection_id in {None, one.id} and not one.ended.is_set()]
        return found[-1] if found else None

    async def run(self) -> None:
        """Connect and stay connected; returns after `close`. Raises Fatal where no frame could ever be written (its schema is another).

        A fault of ours is told; the feed then begins anew after its backoff, and no connection of before is left open.
        """
        while not self._closing:
            try:
                await self._stay_connected()
            except Fatal:
                raise
            except Exception as error:  # noqa: BLE001 - it stays with this feed
                await self._begin_anew(error)

    async def _stay_connected(self) -> None:
        while not self._closing:
            current = await self._open(self._previous)
            while current is not None and not self._closing:
                self._previous = current.id
                current = await self._follow(current)

    async def _begin_anew(self, error: Exception) -> None:
        self._trouble = Retry(f"a fault of ours: {self._policy.tell(error, 'feed')}")
        await asyncio.gather(*(one.close(str(self._trouble)) for one in self._connections), return_exceptions=True)
        self._connections.clear()
        if not self._closing:
            self._settle(self._attempts, self._trouble)
            await self._pause(self._backoff.wait())

    async def renew(self, reason: str) -> None:
        """Have the connection replaced by a new one, and return once the venue has confirmed that; the old one is then closed.

        Where none is open, the next is tried at once. Raises Retry where it can't be opened, Reject where the venue refuses its streams
        or its credential: an old connection then goes on.
        """
        if self._closing:
            raise Retry("the producer stops")
        renewal = Renewal(asyncio.get_running_loop().create_future(), self._attempts)
        self._renewals.append(renewal)
        self._hurry.set()
        for one in self._connections:
            one.want(reason)
        await renewal.done

    def tell_left(self) -> None:
        """Have it told of streams that are followed no longer that their silence is over, where a connection is open."""
        for one in self._connections[-1:]:
            one.tell_left()

    async def close(self, reason: str) -> None:
        """End every connection; each one's last frame is its `closed` notice."""
        self._closing = True
        self._hurry.set()
        self._settle(self._attempts + 1, Retry(reason))
        await asyncio.gather(*(one.close(reason) for one in self._connections))

    async def _open(self, previous: str | None) -> Connection | None:
        """Try until a connection is open; None when closing."""
        while not self._closing:
            connection = await self._try(previous)
            if connection is not None:
                return connection
            self._settle(self._attempts, self._trouble)
            seconds = self._backoff.wait()
            self._trouble = Retry(f"{self._trouble} (attempt {self._backoff.failures}, next within {seconds:.1f} s)")
            logger().warning("cannot connect", venue=self._venue, reason=str(self._trouble))
            retries.labels("producers", "connect").inc()
            await self._pause(seconds)
        return None

    async def _try(self, previous: str | None) -> Connection | None:
        self._attempts += 1
        try:
            connection = self._connect(self.streams)
            connection.attempt = self._attempts
            await connection.open(previous)
        except (Retry, Reject) as error:
            self._trouble = error
            return None
        except Fatal:
            raise
        except Exception as error:  # noqa: BLE001 - a dialect that cannot ask; an old connection goes on meanwhile
            self._trouble = Retry(f"a fault of ours: {self._policy.tell(error, 'connect')}")
            return None
        if self._closing:
            await connection.close("the producer stops")
            return None
        self._connections.append(connection)
        logger().info("connected", venue=self._venue, connection=connection.id, streams=len(self.streams), previous=previous)
        return connection

    async def _follow(self, current: Connection) -> Connection | None:
        """Live with a connection; return the one that has taken over, or None where it ended and nothing had."""
        opened_at = self._policy.clock()
        lifetime = self._policy.lifetime * (1 - LIFETIME_JITTER * self._policy.random())
        if any(one.after < current.attempt for one in self._renewals):
            self._settle(current.attempt, await self._why_unusable(current, None))
        while True:
            left = max(0.0, opened_at + lifetime - self._policy.clock()) if lifetime else None
            left = 0.0 if self._renewals else left
            await _first(current.ended, current.replace, timeout=left)
            if current.ended.is_set():
                await self._wait_out(current, opened_at)
                return None
            due = self._renewals or (lifetime and self._policy.clock() >= opened_at + lifetime)
            reason, unrecoverable = current.wants or "its lifetime is over", current.unrecoverable
            current.replace.clear()
            current.wants, current.unrecoverable = "", []
            if not due and unrecoverable and not self._may_help(unrecoverable):
                continue
            young = self._policy.clock() - opened_at < YOUNG_SECONDS
            if (current.faulty or (current.dismissed and young)) and not due:
                await self._wait_beside(current, opened_at)
            successor = await self._rotate(current, reason)
            if successor is not None:
                return successor

    async def _wait_beside(self, current: Connection, opened_at: float) -> None:
        """Wait before a connection is replaced whose reason the next may have too. What it still delivers is taken."""
        current.faulty = current.dismissed = False
        self._backoff.succeeded(self._policy.clock() - opened_at)
        self._hurry.clear()
        await _first(current.ended, self._hurry, timeout=0 if self._renewals else self._backoff.wait())

    async def _rotate(self, current: Connection, reason: str) -> Connection | None:
        """Open the next connection, see it confirmed beside the old, then close the old. None where it could not be."""
        logger().info("opening the next connection", venue=self._venue, replaces=current.id, reason=reason)
        asked = bool(self._renewals)
        successor = await self._try(current.id)
        attempt = self._attempts
        if successor is not None:
            why_unusable = await self._why_unusable(successor, current)
            if why_unusable is None:
                await _first(successor.ended, current.ended, timeout=self._policy.overlap)
                await current.close(reason)
                self._forget(current)
                rotations.labels(self._venue).inc()
                self._settle(attempt, None)
                return successor
            await successor.close("it was not confirmed")
            self._forget(successor)
            self._trouble = why_unusable
        self._settle(attempt, self._trouble)
        if asked:  # who asked for it knows now, and asks again if it must be
            return None
        seconds = self._backoff.wait()
        logger().warning(
            "the next connection failed; the old one goes on", venue=self._venue, reason=str(self._trouble), again_in=round(seconds, 1)
        )
        self._hurry.clear()
        await _first(current.ended, self._hurry, timeout=0 if self._renewals else seconds)
        current.want(current.wants or reason)
        return None

    async def _why_unusable(self, connection: Connection, current: Connection | None) -> Retry | Reject | None:
        """Wait for the venue's word on a new connection's streams; return why it can't be used in the place of `current`, if it can't."""
        await _first(connection.ready, connection.ended, timeout=3 * self._policy.confirm_seconds)
        refused = connection.subscriptions.refused() - (current.subscriptions.refused() if current else set())
        if refused and (current or refused == set(connection.streams)):
            return Reject(
                f"{self._venue} refuses {', '.join(f'{one.channel} {one.symbol}' for one in sorted(refused)[:5])}: {connection.refusal}"
            )
        if connection.ended.is_set():
            return Retry(f"the next connection ended: {connection.reason}")
        return None if connection.ready.is_set() else Retry("the next connection was not confirmed")

    def _settle(self, attempt: int, trouble: Retry | Reject | None) -> None:
        """Tell those who waited for such an attempt how it went."""
        waited = [one for one in self._renewals if one.after < attempt]
        self._renewals = [one for one in self._renewals if one.after >= attempt]
        for one in waited:
            if one.done.done():
                continue
            if trouble is None:
                one.done.set_result(None)
            else:
                one.done.set_exception(trouble)

    async def _pause(self, seconds: float) -> None:
        """Wait before connecting again, less where somebody is in a hurry."""
        self._hurry.clear()
        await _first(self._hurry, timeout=0 if self._renewals else seconds)

    async def _wait_out(self, current: Connection, opened_at: float) -> None:
        """Wait before connecting again."""
        self._forget(current)
        if self._closing:
            return
        lasted = self._policy.clock() - opened_at
        self._trouble = Retry(current.reason)
        self._backoff.succeeded(lasted)
        seconds = self._backoff.wait()
        reconnects.labels(self._venue).inc()
        logger().warning("connection ended", venue=self._venue, connection=current.id, reason=current.reason, again_in=round(seconds, 2))
        await self._pause(seconds)

    def _may_help(self, unrecoverable: list[Stream]) -> bool:
        """Whether a new connection may help these streams: not where the last one did not, until its time has come."""
        at = self._policy.clock()
        helps = False
        for stream in unrecoverable:
            last = self._replacements.get(stream, Replacement(at, FIRST_REPLACEMENT_SECONDS / 2))
            if at >= last.again_at:
                helps = True
                seconds = min(2 * last.seconds, LONGEST_REPLACEMENT_SECONDS)
                self._replacements[stream] = Replacement(at + seconds, seconds)
        if not helps:
            logger().warning("streams stay silent; a new connection did not help", venue=self._venue, streams=unrecoverable)
        return helps

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)


async def _first(*events: asyncio.Event, timeout: float | None) -> None:
    """Wait until one of the events is set, or the time is over."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
