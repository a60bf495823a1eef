"""The snapshots over REST that one connection's books begin with: which is still missing, and those under way."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dialects.contract import UNREADABLE, Dialect, Frame
from dialects.memory import Memory
from dialects.stream import Stream
from producers.absences import Absences
from producers.backoff import Backoff
from producers.companions import Tell
from producers.coverage import Coverage
from producers.doubt import Doubt
from producers.frames import Frames
from producers.rest import Rest, Unclear
from schemas.errors import InvalidDatum
from topology.errors import Reject
from topology.log import logger

REFUSED_SECONDS, LONGEST_REFUSED_SECONDS = 60.0, 3600.0
"""What the venue refuses is asked for again after this, doubling: it may be mended there, or the pair listed by then."""


class Snapshots:
    """Fetch snapshots and publish each among one connection's frames. Lives in one event loop.

    `clock` is monotonic seconds, `now` microseconds since 1970 UTC.

    A book needs one once its deltas come and nothing has carried it so far. A book with a sequence of its own whose deltas another
    connection has carried without a break goes on by them, whichever connection they come on: it needs none
    (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly).
    """

    def __init__(
        self,
        dialect: Dialect,
        rest: Rest,
        frames: Frames,
        coverage: Coverage,
        absences: Absences,
        backoff: Callable[[], Backoff],
        tell: Tell,
        clock: Callable[[], float],
        now: Callable[[], int],
    ) -> None:
        self._dialect = dialect
        self._rest = rest
        self._frames = frames
        self._coverage = coverage
        self._absences = absences
        self._backoff = backoff
        self._tell = tell
        self._clock = clock
        self._now = now
        self._refused: dict[Stream, _Refused] = {}
        self._turns: dict[Stream, asyncio.Lock] = {}
        self.missing: set[Stream] = set()
        """Books that are confirmed and have no snapshot yet: to be fetched with the first delta."""

    def confirmed(self, streams: Iterable[Stream]) -> None:
        """Note that the venue delivers streams from now on."""
        for stream in streams:
            channel = self._dialect.channels[stream.channel]
            if channel.snapshot == "rest" and not (channel.continuity.shows_losses and self._coverage.goes_on(stream)):
                self.missing.add(stream)

    def look_again(self) -> None:
        """Have those asked for again, with the next delta, that were refused long enough ago."""
        at = self._clock()
        for stream, refused in self._refused.items():
            if refused.again_at is not None and at >= refused.again_at:
                refused.again_at = None
                self.missing.add(stream)

    async def fetch(self, stream: Stream) -> Reject | None:
        """Fetch and publish a snapshot; return why there is none, where the venue refuses it. Waits for one that is under way.

        Never raises but when cancelled. Until it is there its absence is a gap: what may pass is asked for again, what is refused later
        (`look_again`), and a fault of ours is told.
        """
        self.missing.discard(stream)
        backoff, since, doubt = self._backoff(), self._now(), Doubt(self._clock)
        async with self._turns.setdefault(stream, asyncio.Lock()):
            while True:
                try:
                    try:
                        await self._publish(stream, backoff, since)
                    except (Unclear, *UNREADABLE) as error:
                        self._absent(stream, since, str(error))
                        await asyncio.sleep(doubt.again(error, error.after if isinstance(error, Unclear) else 0.0))
                        continue
                except Reject as error:
                    self._refuse(stream, since, error)
                    return error
                except Exception as error:  # noqa: BLE001 - a fault of one book stays with that book
                    self._absent(stream, since, f"a fault of ours: {self._tell(error, 'snapshot')}")
                    await asyncio.sleep(backoff.wait())
                    continue
                self._refused.pop(stream, None)
                self._absences.over(stream)
                return None

    async def _publish(self, stream: Stream, backoff: Backoff, since: int) -> None:
        """Fetch and publish; raises Unclear, Reject, and UNREADABLE where what came is no book."""
        request = self._dialect.snapshot_request(stream)
        if request is None:
            return

        def say(reason: str) -> None:
            if reason:
                self._absent(stream, since, reason)

        body, received_at = await self._rest.get_with_retries(request, backoff.wait, line="snapshots", say=say)
        self._frames.reply(body, request.text, received_at)
        frames, venue = self._frames, self._dialect.venue
        frame = Frame(venue, "rest", frames.connection_id, frames.count, received_at, "reply", request.text, body)
        # Thousands of levels: on a thread, so that no frame waits for them to be counted in.
        if not await asyncio.to_thread(lambda: list(self._dialect.read(frame, Memory()))):
            raise InvalidDatum(f"no book in the reply to {request.text}")
        self._coverage.begun(stream)

    def _absent(self, stream: Stream, since: int, reason: str) -> None:
        self._absences.begun(stream, self._frames.connection_id, since, reason)

    def _refuse(self, stream: Stream, since: int, error: Reject) -> None:
        before = self._refused.get(stream)
        seconds = REFUSED_SECONDS if before is None else min(2 * before.seconds, LONGEST_REFUSED_SECONDS)
        self._refused[stream] = _Refused(str(error), seconds, self._clock() + seconds)
        self._absent(stream, since, str(error))
        if before is None or before.reason != str(error):
            logger().error("no snapshot of a book", venue=self._dialect.venue, symbol=stream.symbol, reason=str(error), again_in=seconds)
            self._frames.notice("refused", self._now(), streams=[(stream.channel, stream.symbol)], reason=str(error))


@dataclass(slots=True)
class _Refused:
    """Why a snapshot was refused last, and when it is asked for again (monotonic seconds; None: with the next delta)."""

    reason: str
    seconds: float
    again_at: float | None
