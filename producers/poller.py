"""What a venue gives only when asked: one REST request again and again, each reply published verbatim."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialects.contract import Dialect, Poll
from dialects.stream import Stream
from producers.backoff import Backoff
from producers.companions import Tell
from producers.coverage import Coverage, Silence
from producers.doubt import Doubt
from producers.frames import Frames
from producers.rest import Rest, Unclear
from topology.errors import Reject, Retry
from topology.log import logger
from topology.metrics import silences
from topology.retry import Attempts

MISSED_ROUNDS = 3
"""After so many rounds without an answer the streams are silent."""
REFUSED_SECONDS = 60.0
"""What the venue refuses is asked for again after this, or after its round where that is longer: it may be mended there."""


MOST_PAGES = 1_000
"""Pages of one reply that are followed: a venue that never says which is the last is not asked for ever."""


@dataclass(frozen=True, slots=True)
class PollerSurroundings:
    """What every poller of a venue shares. `clock` is monotonic seconds, `now` microseconds since 1970 UTC."""

    dialect: Dialect
    rest: Rest
    frames: Callable[[], Frames]
    coverage: Coverage
    backoff: Callable[[], Backoff]
    tell: Tell
    clock: Callable[[], float]
    now: Callable[[], int]


class Poller:
    """Ask one request every so often, within the venue's allowance, on a connection of its own; a Source (producers/source.py).

    One request may be for many streams, of which the venue refuses one, and so the request: it is halved until the one is alone. The
    streams are confirmed by the first reply. A request that is not answered is made again after a backoff; one that is refused,
    or on whose answer our own code fails, is told and made again later, and keeps nobody from being ready: nothing of it stops another.
    """

    def __init__(self, around: PollerSurroundings, poll: Poll) -> None:
        self.streams = poll.streams
        self._around = around
        self._poll = poll
        self._parts = [poll]
        """The requests of a round: the poll, or what it was halved into."""
        self._refused_alone: dict[Stream, str] = {}
        self._confirmed: set[Stream] = set()
        self._backoff = around.backoff()
        self._attempts = Attempts("producers", "poll", about=poll.request.text, wait=self._backoff.wait, say=self._hear)
        self._doubt = Doubt(around.clock)
        self._frames: Frames | None = None
        self._pairs = [(one.channel, one.symbol) for one in poll.streams]
        self._trouble = f"{around.dialect.venue}: {poll.request.text} is not answered yet"
        self._answered_at: float | None = None
        self._replied_at = 0
        self._refusal = ""
        self._reason = "a fault of ours"
        self._closing = asyncio.Event()
        self._ended = asyncio.Event()

    def status(self) -> str:
        """Return why it is not ready, or nothing when the venue has answered or refused."""
        return self._trouble

    async def run(self) -> None:
        """Ask until `close`."""
        around = self._around
        self._frames, self._answered_at, self._refusal = around.frames(), None, ""
        self._confirmed.clear()
        self._ended.clear()
        self._frames.notice("connected", around.now(), streams=self._pairs, since=around.coverage.away(self.streams))
        try:
            while not self._closing.is_set():
                began = around.clock()
                seconds = await self._round()
                await self._pause(seconds if seconds is not None else max(0.0, began + self._poll.every - around.clock()))
        finally:
            at = around.now()
            self._frames.notice("closed", at, streams=self._pairs, reason=self._reason)
            around.coverage.ended(self._frames.connection_id, at)
            self._ended.set()

    async def close(self, reason: str) -> None:
        """End; a request under way is given up."""
        self._reason = reason
        self._closing.set()
        if self._frames is not None:
            await self._ended.wait()

    async def _round(self) -> float | None:
        """Ask once; return how many seconds to wait where that is not until the next round."""
        around = self._around
        asking = asyncio.ensure_future(self._ask())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not asking.done() and not closing.done():
                await asyncio.wait((asking, closing), timeout=self._until_silent(), return_when=asyncio.FIRST_COMPLETED)
                self._look_for_silence()
            if not asking.done():
                return 0.0
            self._answered(asking.result())
        except Unclear as error:
            return self._unclear(error)
        except Retry as error:
            return self._attempts.failed(error)
        except Reject as error:
            return self._refused(error)
        except Exception as error:  # noqa: BLE001 - it stays with this request, and is told by itself
            around.tell(error, "poll")
            self._trouble = ""
            return min(max(self._backoff.wait(), self._poll.every), REFUSED_SECONDS)
        finally:
            asking.cancel()
            closing.cancel()
            await asyncio.gather(asking, closing, return_exceptions=True)
        return None

    async def _ask(self) -> int:
        """Publish the replies; return when the last was whole. Raises as Rest.get, but Reject only where every part is refused."""
        received_at, parts = 0, list(self._parts)
        asked: list[Poll] = []
        refused: list[tuple[Poll, Reject]] = []
        while parts:
            part = parts.pop(0)
            try:
                received_at = await self._ask_part(part)
            except Reject as error:
                if halves := self._halves(part):
                    parts[:0] = halves
                    continue
                refused.append((part, error))
            else:
                for stream in part.streams:
                    self._refused_alone.pop(stream, None)
            asked.append(part)
        self._parts = asked
        for part, refusal in refused:
            if not received_at:
                raise refusal
            self._refuse_alone(part, str(refusal))
        return received_at

    def _halves(self, part: Poll) -> list[Poll]:
        """Return the requests for each half of a request's streams; none where it cannot be halved."""
        middle = len(part.streams) // 2
        if not middle:
            return []
        polls = self._around.dialect.polls
        halves = [*polls(part.streams[:middle]), *polls(part.streams[middle:])]
        smaller = all(len(one.streams) < len(part.streams) and one.request != part.request for one in halves)
        return halves if smaller else []

    def _refuse_alone(self, part: Poll, reason: str) -> None:
        """Tell, once, that the venue refuses some of the streams while it answers for others."""
        if all(self._refused_alone.get(stream) == reason for stream in part.streams):
            return
        self._refused_alone |= dict.fromkeys(part.streams, reason)
        logger().error("the venue refuses part of a poll", venue=self._around.dialect.venue, streams=part.streams, reason=reason)
        pairs = [(stream.channel, stream.symbol) for stream in part.streams]
        self._opened().notice("refused", self._around.now(), streams=pairs, reason=reason)

    async def _ask_part(self, poll: Poll) -> int:
        """Publish the reply to one request, and to those that follow it; return when the last was whole. Raises as Rest.get.

        One that is refused costs none that is asked for whatever was answered; it is raised when those have been.
        """
        around, received_at = self._around, 0
        failures: list[Reject | Unclear] = []
        request = around.dialect.as_of(poll.request, around.now())
        for _ in range(MOST_PAGES):
            body = b""
            try:
                body, received_at = await around.rest.get(request, line=f"poll {self._poll.request.text}")
            except (Reject, Unclear) as error:
                failures.append(error)
            else:
                self._opened().reply(body, request.text, received_at)
            following = around.dialect.next_page(request, body)
            if following is None or following == request:
                break
            request = following
        if failures:
            raise _together(failures)
        return received_at

    async def _pause(self, seconds: float) -> None:
        """Wait for the next round, less where it closes; what is missed meanwhile is told."""
        until = self._around.clock() + seconds
        while not self._closing.is_set() and (left := until - self._around.clock()) > 0:
            silent = self._until_silent()
            try:
                async with asyncio.timeout(left if silent is None else min(left, silent)):
                    await self._closing.wait()
            except TimeoutError:
                self._look_for_silence()

    def _answered(self, received_at: int) -> None:
        around, frames = self._around, self._opened()
        self._replied_at = received_at
        answered = [stream for stream in self.streams if stream not in self._refused_alone]
        fresh = [stream for stream in answered if stream not in self._confirmed]
        self._confirmed = set(answered)
        if fresh:
            by_since: dict[int | None, list[tuple[str, str]]] = {}
            for stream in fresh:
                by_since.setdefault(around.coverage.confirmed(stream, frames.connection_id), []).append((stream.channel, stream.symbol))
            for since, some in by_since.items():
                frames.notice("confirmed", around.now(), streams=some, since=since)
        self._answered_at, self._refusal, self._trouble = around.clock(), "", ""
        self._attempts.worked()
        self._doubt.over()
        self._backoff.failures = 0
        for stream in answered:
            if (silence := around.coverage.resumed(stream)) is not None:
                frames.notice(
                    "resumed",
                    around.now(),
                    streams=[(stream.channel, stream.symbol)],
                    previous=silence.connection_id,
                    since=silence.since,
                    detected_at=silence.detected_at,
                )

    def _hear(self, reason: str) -> None:
        """Keep why the first answer is waited for; called by `_attempts` at each failure."""
        if reason and self._answered_at is None:
            self._trouble = f"{self._around.dialect.venue}: {reason}"

    def _unclear(self, error: Unclear) -> float:
        """Wait as after any failure, until it has lasted: then as after a refusal. Return for how many seconds."""
        seconds = self._attempts.failed(error)
        try:
            return max(seconds, self._doubt.again(error, error.after))
        except Reject as lasting:
            return self._refused(lasting)

    def _refused(self, error: Reject) -> float:
        """Tell a refusal once, in the venue's words; it is no trouble of ours, so the poller counts as ready. Return how long to wait."""
        reason = str(error)
        self._trouble = ""
        if reason != self._refusal:
            logger().error("the venue refuses a poll", venue=self._around.dialect.venue, request=self._poll.request.text, reason=reason)
            self._opened().notice("refused", self._around.now(), streams=self._pairs, reason=reason)
        self._refusal = reason
        self._confirmed.clear()
        return max(REFUSED_SECONDS, self._poll.every)

    def _until_silent(self) -> float | None:
        """Return in how many seconds the streams will have missed too many rounds; None where they cannot, or have."""
        if self._answered_at is None or all(stream in self._around.coverage.silences for stream in self._confirmed):
            return None
        return max(0.0, self._answered_at + MISSED_ROUNDS * self._poll.every - self._around.clock())

    def _look_for_silence(self) -> None:
        if self._until_silent() != 0.0:
            return
        frames, at = self._opened(), self._around.now()
        reason = f"no answer in {MISSED_ROUNDS} rounds of {self._poll.every:g} s"
        logger().warning("a poll is silent", venue=self._around.dialect.venue, request=self._poll.request.text, reason=reason)
        for stream in self.streams:
            if stream in self._confirmed and stream not in self._around.coverage.silences:
                silences.labels(self._around.dialect.venue, stream.channel).inc()
                frames.notice("silent", at, streams=[(stream.channel, stream.symbol)], since=self._replied_at, reason=reason)
                self._around.coverage.fell_silent(stream, Silence(self._replied_at, at, frames.connection_id))

    def _opened(self) -> Frames:
        assert self._frames is not None
        return self._frames


def _together(failures: Sequence[Reject | Unclear]) -> Reject | Unclear:
    """Return one failure for those of several requests, each in its words: unclear where one of them is, for that may pass."""
    words = "; ".join(str(one) for one in failures)
    unclear = [one.after for one in failures if isinstance(one, Unclear)]
    return Unclear(words, max(unclear)) if unclear else Reject(words)
