"""The snapshots over REST that one connection's books begin with: which is still missing, and those under way."""

import asyncio
from collections.abc import Callable, Iterable

from dialects.contract import Dialect, Stream
from producers.backoff import Backoff
from producers.companions import Tell
from producers.coverage import Coverage
from producers.frames import Frames
from producers.rest import Rest
from topology.errors import Reject
from topology.log import logger


class Snapshots:
    """Fetch snapshots and publish each among one connection's frames. Lives in one event loop; `now` in microseconds since 1970 UTC.

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
        backoff: Callable[[], Backoff],
        tell: Tell,
        now: Callable[[], int],
    ) -> None:
        self._dialect = dialect
        self._rest = rest
        self._frames = frames
        self._coverage = coverage
        self._backoff = backoff
        self._tell = tell
        self._now = now
        self._turns: dict[Stream, asyncio.Lock] = {}
        self.missing: set[Stream] = set()
        """Books that are confirmed and have no snapshot yet: to be fetched with the first delta."""

    def confirmed(self, streams: Iterable[Stream]) -> None:
        """Note that the venue delivers streams from now on."""
        for stream in streams:
            channel = self._dialect.channels[stream.channel]
            if channel.snapshot == "rest" and not (channel.continuity.shows_losses and self._coverage.goes_on(stream)):
                self.missing.add(stream)

    async def fetch(self, stream: Stream) -> Reject | None:
        """Fetch and publish a snapshot; return why there is none, where the venue refuses it. Waits for one that is under way.

        Never raises but when cancelled: a fault of ours is told, and it is tried again.
        """
        self.missing.discard(stream)
        backoff = self._backoff()
        async with self._turns.setdefault(stream, asyncio.Lock()):
            while True:
                try:
                    return await self._publish(stream, backoff)
                except Exception as error:  # noqa: BLE001 - a fault of one book stays with that book
                    self._tell(error, "snapshot")
                    await asyncio.sleep(backoff.wait())

    async def _publish(self, stream: Stream, backoff: Backoff) -> Reject | None:
        request = self._dialect.snapshot_request(stream)
        if request is None:
            return None
        try:
            body, received_at = await self._rest.get_with_retries(request, backoff.wait, line="snapshots")
        except Reject as error:
            logger().error("no snapshot of a book", venue=self._dialect.venue, symbol=stream.symbol, reason=str(error))
            self._frames.notice("refused", self._now(), streams=[(stream.channel, stream.symbol)], reason=str(error))
            return error
        self._frames.reply(body, request.text, received_at)
        self._coverage.begun(stream)
        return None
