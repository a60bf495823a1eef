"""Mend gaps: missing trades over REST, a broken book by its snapshot. What comes is published as frames, verbatim.

The state `filled` is the gap detector's to say: it sees the trades arrive. Here a gap becomes `filling`, or `unfillable`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialects.contract import Dialect, Frame, Memory, Stream
from producers.backoff import Backoff
from producers.feed import Feed
from producers.frames import Frames
from producers.gaps import Place
from producers.outbox import Outbox
from producers.rest import Rest
from schemas.codec import Codec
from schemas.errors import InvalidDatum
from schemas.events import Gap
from topology.errors import Reject, Retry
from topology.kafka import Publisher
from topology.log import logger

RESYNC_SECONDS = 5.0
"""A book is begun anew at most this often: one that breaks at once again must not use up the venue's allowance."""
SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Means:
    """What the backfill works with. `frames` makes the counter of a new connection of its own for each gap."""

    dialect: Dialect
    rest: Rest
    outbox: Outbox
    publisher: Publisher
    codec: Codec
    frames: Callable[[], Frames]
    backoff: Callable[[], Backoff]
    done: Callable[[Place], None]
    clock: Callable[[], float]
    now: Callable[[], int]


class Unfillable(Exception):
    """Nobody can give these trades back; the text says why."""


class Backfill:
    """Take gap events with `take` while `run` runs; trade gaps are filled one after the other, books begun anew at once."""

    def __init__(self, means: Means, feeds: Sequence[Feed]) -> None:
        self._means = means
        self._feeds = feeds
        self._waiting: dict[str, Gap] = {}
        self._places: dict[str, list[Place]] = {}
        self._current: str | None = None
        self._arrived = asyncio.Event()
        self._resynced: dict[tuple[str, Stream], float] = {}
        self._resyncing: dict[tuple[str, Stream], asyncio.Task[None]] = {}

    def take(self, batch: Sequence[tuple[Place, Gap]]) -> None:
        """Sort gap events, oldest first, into what is to be done and what is settled already.

        `filling` asks for nothing: it is our own word, and while its work is not done its `open` is not committed either.
        """
        for place, gap in batch:
            self._places.setdefault(gap["gap_id"], []).append(place)
            if gap["state"] == "open":
                self._waiting[gap["gap_id"]] = gap
                self._arrived.set()
            elif gap["state"] != "filling":
                self._waiting.pop(gap["gap_id"], None)
        for gap_id in {gap["gap_id"] for _, gap in batch}:
            self._finish(gap_id)

    async def run(self) -> None:
        """Mend until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            for gap_id in [gap_id for gap_id, gap in self._waiting.items() if gap["channel"] != "trade"]:
                self._begin_anew(self._waiting.pop(gap_id))
                self._finish(gap_id)
            if self._waiting:
                self._current = next(iter(self._waiting))
                await self._fill(self._waiting.pop(self._current))
                gap_id, self._current = self._current, None
                self._finish(gap_id)
                self._arrived.set()

    def _finish(self, gap_id: str) -> None:
        """Let a gap's events be committed, unless there is still work on it."""
        if gap_id == self._current or gap_id in self._waiting:
            return
        for place in self._places.pop(gap_id, ()):
            self._means.done(place)

    async def _fill(self, gap: Gap) -> None:
        means = self._means
        if not means.dialect.resumable_trades:
            await self._say(gap, "unfillable", f"{means.dialect.venue} gives no trades by sequence")
            return
        if gap["from_sequence"] is None or gap["to_sequence"] is None:
            return  # its end is not known yet; the detector says it again when it is
        frames = means.frames()
        await self._say(gap, "filling", f"asked of the venue's REST API on connection {frames.connection_id}")
        try:
            pages = await self._pages(gap, gap["from_sequence"], gap["to_sequence"], frames)
        except (Unfillable, Reject, InvalidDatum) as error:
            logger().warning("a gap cannot be filled", gap=gap["gap_id"], reason=str(error))
            await self._say(gap, "unfillable", str(error))
        else:
            logger().info("a gap's trades are fetched", gap=gap["gap_id"], replies=pages)
        finally:
            frames.notice("closed", means.now(), reason=f"backfill of {gap['gap_id']}")
        while means.outbox.holds(frames.key):  # noqa: ASYNC110 - a delivery report sets no event of ours
            await asyncio.sleep(SETTLE_SECONDS)

    async def _pages(self, gap: Gap, first: int, last: int, frames: Frames) -> int:
        """Publish replies until the range is covered; return how many. Raises Unfillable, Reject, InvalidDatum."""
        means = self._means
        wanted, time, got, pages = first, gap["from_time"], 0, 0
        while True:
            request = means.dialect.trades_request(gap["symbol"], wanted, time)
            if request is None:
                raise Unfillable(f"{means.dialect.venue} cannot be asked for trades after an unknown time")
            body, received_at = await means.rest.get_patiently(request, means.backoff().wait)
            frames.reply(body, request.text, received_at)
            pages += 1
            frame = Frame(means.dialect.venue, "rest", frames.connection_id, frames.count, received_at, "reply", request.text, body)
            trades = [made.fields for made in means.dialect.read(frame, Memory()) if made.event == "trade"]
            numbers = {trade["sequence"] for trade in trades if trade["sequence"] is not None}
            got += sum(wanted <= number <= last for number in numbers)
            highest = max(numbers, default=wanted - 1)
            if highest >= last or highest < wanted:
                break
            wanted, time = highest + 1, max(trade["event_time"] for trade in trades)
        if got < last - first + 1:
            raise Unfillable(f"the venue gave {got} of {last - first + 1} trades")
        return pages

    def _begin_anew(self, gap: Gap) -> None:
        """Resync a book on the connection where it broke; one that is gone took its book with it."""
        stream = Stream(gap["channel"], gap["symbol"])
        connection = next(filter(None, (feed.connection(gap["connection_id"], stream) for feed in self._feeds)), None)
        if gap["channel"] != "book" or connection is None:
            return
        key = (connection.id, stream)
        if key in self._resyncing:
            return

        async def resync() -> None:
            await asyncio.sleep(max(0.0, self._resynced.get(key, -RESYNC_SECONDS) + RESYNC_SECONDS - self._means.clock()))
            at = self._means.clock()
            self._resynced = {other: then for other, then in self._resynced.items() if at - then < RESYNC_SECONDS} | {key: at}
            logger().info("a book is begun anew", connection=connection.id, symbol=stream.symbol)
            connection.resync(stream)
            await self._say(gap, "filling", "its snapshot is asked for")

        task = self._resyncing[key] = asyncio.get_running_loop().create_task(resync())
        task.add_done_callback(lambda _: self._resyncing.pop(key))

    async def _say(self, gap: Gap, state: str, repair: str) -> None:
        # `filling` says only that the `open` was heard: what settled the gap meanwhile must stay the newest.
        version = gap["version"] + 1 if state == "filling" else self._means.now()
        record = {**gap, "state": state, "repair": repair, "version": version}
        topic = self._means.codec.event.topic
        self._means.publisher.publish(topic.of(), topic.key_of(record), self._means.codec.encode(record))
        while True:
            try:
                await asyncio.to_thread(self._means.publisher.flush)
            except Retry as error:
                logger().warning("waiting", reason=str(error))
            else:
                return
