"""Mend gaps: missing trades over REST, a broken book by its snapshot. What comes is published as frames, verbatim.

The state `filled` is the gap detector's to say: it sees the trades arrive. Here a gap becomes `filling`, or it ends: `unfillable`
where nobody can give back what is missing, `closed` where it is over (see repairs.py). What a fault of ours keeps from being
mended is unfillable with that reason, and the next gap is worked on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialects.contract import UNREADABLE, Dialect, Fields, Frame, Request
from dialects.memory import Memory
from dialects.stream import Stream
from producers.absences import Absences
from producers.backoff import Backoff
from producers.companions import Tell
from producers.connection import Connection
from producers.coverage import Coverage
from producers.doubt import Doubt
from producers.feed import Feed
from producers.frames import Frames
from producers.gaps import Place
from producers.outbox import Outbox
from producers.paging import Paging
from producers.references import publish_reference
from producers.repairs import End, Fetch, Repair, Resync, Situation, repair
from producers.rest import Rest, Unclear
from schemas.codec import Codec
from schemas.events import Gap
from topology.errors import Reject, Retry
from topology.gap_versions import certain, filling, weak_end
from topology.kafka import Publisher
from topology.log import logger
from topology.retry import Attempts, persist_async

RESYNC_SECONDS = 5.0
"""A book is begun anew at most this often: one that breaks at once again must not use up the venue's allowance."""
SETTLE_SECONDS = 0.05
UNSEEN_SECONDS = 600.0
"""Who detects gaps has so long to see that what was fetched fills one; then it is closed all the same."""
UNSEEN = f"what was missing is published, and nobody has seen it fill the gap within {UNSEEN_SECONDS:g} s"
PART = "backfill"
MOST_ASIDE = 64
"""Gaps whose venue is asked again later, while the next are worked on; where there are more, the next waits for one of them."""


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
    coverage: Coverage
    absences: Absences
    tell: Tell
    clock: Callable[[], float]
    now: Callable[[], int]


class Unfillable(Exception):
    """Nobody can give these trades back; the text says why."""


class Over(Exception):
    """Somebody has ended the gap meanwhile."""


class Backfill:
    """Take gap events with `take` while `run` runs, both in one event loop; trade gaps are filled one after the other, books at once.

    `feeds` may change meanwhile; where two carry a stream, the one before is the newer.

    One whose venue must be asked again later is set aside, and the next is worked on meanwhile.
    """

    def __init__(self, means: Means, feeds: Sequence[Feed]) -> None:
        self._means = means
        self._feeds = feeds
        self._waiting: dict[str, Gap] = {}
        self._busy: set[str] = set()
        self._over: set[str] = set()
        """Of the busy ones, those that somebody has ended meanwhile: that stays said, and nothing more is asked."""
        self._places: dict[str, list[Place]] = {}
        self._arrived = asyncio.Event()
        self._books: dict[tuple[str, Stream], list[Gap]] = {}
        self._resynced: dict[tuple[str, Stream], float] = {}
        self._resyncing: set[asyncio.Task[None]] = set()
        self._filling: set[asyncio.Task[None]] = set()
        self._aside = 0
        """Of those that are being filled, how many wait to ask again."""
        self._failure: BaseException | None = None
        self._unseen: dict[str, tuple[float, Gap]] = {}
        self._absent: set[str] = set()
        """Of the busy ones, those that end when a snapshot comes that is being asked for already."""

    def take(self, batch: Sequence[tuple[Place, Gap]]) -> None:
        """Sort gap events, oldest first, into what is to be done and what is settled already.

        `filling` asks for nothing: it is our own word, and while its work is not done its `open` is not committed either.
        """
        for place, gap in batch:
            self._places.setdefault(gap["gap_id"], []).append(place)
            if gap["state"] == "open":
                self._waiting[gap["gap_id"]] = gap
                self._over.discard(gap["gap_id"])
                self._arrived.set()
            elif gap["state"] != "filling":
                if gap["gap_id"] in self._absent:
                    self._absent.discard(gap["gap_id"])
                    self._done(gap["gap_id"])
                elif gap["gap_id"] in self._busy:
                    self._over.add(gap["gap_id"])
                self._waiting.pop(gap["gap_id"], None)
                self._unseen.pop(gap["gap_id"], None)
        for gap_id in {gap["gap_id"] for _, gap in batch}:
            self._finish(gap_id)

    async def run(self) -> None:
        """Mend until cancelled; raises what a fault of ours in the filling of a gap raised."""
        try:
            while True:
                await self._wait()
                if self._failure is not None:
                    raise self._failure
                for gap_id in [gap_id for gap_id, gap in self._waiting.items() if gap["channel"] != "trade"]:
                    await self._settle(gap_id)
                following = next((gap_id for gap_id in self._waiting if gap_id not in self._busy), None)
                if following is not None and len(self._filling) == self._aside < MOST_ASIDE:
                    self._begin_filling(following)
        finally:
            for task in (*self._resyncing, *self._filling):
                task.cancel()

    def _begin_filling(self, gap_id: str) -> None:
        task = asyncio.get_running_loop().create_task(self._settle(gap_id))
        self._filling.add(task)
        task.add_done_callback(self._filled)

    def _filled(self, task: asyncio.Task[None]) -> None:
        self._filling.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self._arrived.set()

    async def _set_aside(self, seconds: float) -> None:
        """Wait before asking again, and let the next gap be worked on."""
        self._aside += 1
        self._arrived.set()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._aside -= 1

    async def _wait(self) -> None:
        """Wait for a gap to work on; close those that nobody saw filled."""
        while not self._arrived.is_set():
            deadline = min((at for at, _ in self._unseen.values()), default=None)
            try:
                async with asyncio.timeout(None if deadline is None else max(0.0, deadline - self._means.clock())):
                    await self._arrived.wait()
            except TimeoutError:
                for gap_id, (at, gap) in list(self._unseen.items()):
                    if at <= self._means.clock():
                        del self._unseen[gap_id]
                        await self._end(gap, End("closed", UNSEEN, is_final=False))
        self._arrived.clear()

    def _situation(self) -> Situation:
        return Situation(
            frozenset(stream for feed in self._feeds for stream in feed.streams),
            lambda connection_id, stream: self._connection(connection_id, stream) is not None,
            self._is_silent,
        )

    def _repair(self, gap: Gap) -> Repair:
        try:
            return repair(gap, self._means.dialect, self._situation())
        except Exception as error:  # noqa: BLE001 - it is this gap's, and ends it
            return self._fault(error)

    def _fault(self, error: Exception) -> End:
        return End("unfillable", f"a fault of ours: {self._means.tell(error, PART)}")

    async def _settle(self, gap_id: str) -> None:
        """Do what can be done about one gap, if it waits still."""
        gap = self._waiting.pop(gap_id, None)
        if gap is None:
            return
        self._busy.add(gap_id)
        if self._means.absences.has(gap_id):
            self._absent.add(gap_id)
            return
        what = self._repair(gap)
        if isinstance(what, Resync):
            self._begin_anew(gap, what.stream)
            return
        if isinstance(what, Fetch):
            try:
                await self._fill(gap, what)
            except Over:
                logger().info("a gap ended while its trades were fetched", gap=gap_id)
            except (Unfillable, Reject) as error:
                await self._end(gap, End("unfillable", str(error)))
            except Exception as error:  # noqa: BLE001 - it is this gap's, and ends it
                await self._end(gap, self._fault(error))
        elif isinstance(what, End):
            await self._end(gap, what)
        self._done(gap_id)

    def _done(self, gap_id: str) -> None:
        self._busy.discard(gap_id)
        self._over.discard(gap_id)
        self._finish(gap_id)

    def _finish(self, gap_id: str) -> None:
        """Let a gap's events be committed, unless there is still work on it."""
        if gap_id in self._busy or gap_id in self._waiting:
            return
        for place in self._places.pop(gap_id, ()):
            self._means.done(place)

    async def _fill(self, gap: Gap, what: Fetch) -> None:
        """Fetch trades. Raises Over, Unfillable, Reject, and what a fault in the dialect raises."""
        means = self._means
        frames = means.frames()
        await self._say(gap, "filling", f"asked of the venue's REST API on connection {frames.connection_id}", filling(gap["version"]))
        try:
            for request in means.dialect.references((Stream(gap["channel"], gap["symbol"]),)):
                await publish_reference(request, means.rest, frames, means.backoff())
            pages = await self._pages(gap, what.first, what.last, frames)
            logger().info("a gap's trades are fetched", gap=gap["gap_id"], replies=pages)
            self._expect(gap)
        finally:
            frames.notice("closed", means.now(), reason=f"backfill of {gap['gap_id']}")
        while means.outbox.holds(frames.key):  # noqa: ASYNC110 - a delivery report sets no event of ours
            await asyncio.sleep(SETTLE_SECONDS)

    async def _trades(self, symbol: str, request: Request, frames: Frames) -> list[Fields]:
        """Ask, publish the reply, and return the trades of a symbol in it. Raises Unclear, Reject, UNREADABLE."""
        means = self._means
        body, received_at = await means.rest.get_with_retries(request, means.backoff().wait, line="backfill")
        frames.reply(body, request.text, received_at)
        frame = Frame(means.dialect.venue, "rest", frames.connection_id, frames.count, received_at, "reply", request.text, body)
        made = means.dialect.read(frame, Memory())
        return [one.fields for one in made if one.event == "trade" and one.fields["symbol"] == symbol]

    def _expect(self, gap: Gap) -> None:
        """Close a gap that nobody sees filled in time, unless it has ended already."""
        if gap["gap_id"] in self._over:
            return
        self._unseen[gap["gap_id"]] = (self._means.clock() + UNSEEN_SECONDS, gap)

    async def _pages(self, gap: Gap, first: int, last: int, frames: Frames) -> int:
        """Publish replies until the range is covered; return how many. Raises Over, Unfillable, Reject."""
        means, doubt = self._means, Doubt(self._means.clock)
        paging = Paging(first, last, gap["from_time"], gap["to_time"], stretch=means.dialect.trades_stretch)
        asks = True
        while asks:
            if gap["gap_id"] in self._over:
                raise Over
            request = means.dialect.trades_request(gap["symbol"], paging.wanted, paging.time, paging.until)
            if request is None:
                raise Unfillable(f"{means.dialect.venue} cannot be asked for trades after an unknown time")
            try:
                trades = await self._trades(gap["symbol"], request, frames)
            except (Unclear, *UNREADABLE) as error:
                wait = doubt.again(error, error.after if isinstance(error, Unclear) else 0.0)
                logger().warning("an answer of the venue is unclear", gap=gap["gap_id"], reason=str(error), again_in=round(wait, 1))
                await self._set_aside(wait)
                continue
            doubt.over()
            asks = paging.take(trades)
            if asks and paging.wait:
                await self._set_aside(paging.wait)
        if paging.why:
            raise Unfillable(paging.why)
        return paging.pages

    def _connection(self, connection_id: str | None, stream: Stream) -> Connection | None:
        return next(filter(None, (feed.connection(connection_id, stream) for feed in self._feeds)), None)

    def _is_silent(self, stream: Stream, since: int | None) -> bool:
        silence = self._means.coverage.silences.get(stream)
        return silence is not None and silence.since == since

    def _begin_anew(self, gap: Gap, stream: Stream) -> None:
        """Resync a book on the connection where it broke, or on the newest; gaps told until that begins are mended by one."""
        connection = self._connection(gap["connection_id"], stream) or self._connection(None, stream)
        assert connection is not None
        key = (connection.id, stream)
        if key in self._books:
            self._books[key].append(gap)
            return
        self._books[key] = [gap]
        task = asyncio.get_running_loop().create_task(self._resync(connection, stream))
        self._resyncing.add(task)
        task.add_done_callback(self._resyncing.discard)

    async def _resync(self, connection: Connection, stream: Stream) -> None:
        """Begin a book anew, not too soon after the last time, and answer the gaps that ask for it."""
        key = (connection.id, stream)
        await asyncio.sleep(max(0.0, self._resynced.get(key, -RESYNC_SECONDS) + RESYNC_SECONDS - self._means.clock()))
        at = self._means.clock()
        self._resynced = {other: then for other, then in self._resynced.items() if at - then < RESYNC_SECONDS} | {key: at}
        gaps = self._books.pop(key)
        logger().info("a book is begun anew", connection=connection.id, symbol=stream.symbol)
        end: End | None = None
        try:
            for gap in gaps:
                await self._say(gap, "filling", "its snapshot is asked for", filling(gap["version"]))
            await connection.resync(stream)
        except Retry:
            for gap in gaps:  # on the next connection, if it carries the book
                if gap["gap_id"] not in self._over:
                    self._waiting.setdefault(gap["gap_id"], gap)
            self._arrived.set()
        except Reject as error:
            end = End("unfillable", str(error))
        except Exception as error:  # noqa: BLE001 - it is this book's, and ends its gaps
            end = self._fault(error)
        else:
            for gap in gaps:
                self._expect(gap)
        for gap in gaps:
            if end is not None:
                await self._end(gap, end)
            self._done(gap["gap_id"])

    async def _end(self, gap: Gap, end: End) -> None:
        """Say that a gap has ended, unless somebody has said so meanwhile; where even that fails, it is told as a fault."""
        if gap["gap_id"] in self._over:
            return
        logger().warning("a gap is not filled", gap=gap["gap_id"], state=end.state, reason=end.reason)
        try:
            version = certain(gap["version"], self._means.now()) if end.is_final else weak_end(gap["version"])
            await self._say(gap, end.state, end.reason, version)
        except Exception as error:  # noqa: BLE001 - the next gap is worked on
            self._means.tell(error, PART)

    async def _say(self, gap: Gap, state: str, repaired: str, version: int) -> None:
        """Publish a gap's new state and wait until it is delivered.

        What is no certain end says only what was known of its `open`: what settled the gap meanwhile must stay the truth.
        """
        await self.publish({**gap, "state": state, "repair": repaired, "version": version})

    async def publish(self, gap: Mapping[str, Any]) -> None:
        """Publish a gap event and wait until it is delivered."""
        topic, publisher = self._means.codec.event.topic, self._means.publisher
        value = self._means.codec.encode(gap)
        attempts = Attempts("producers", "gap", about=gap["gap_id"], wait=self._means.backoff().wait)

        async def publish() -> None:
            publisher.publish(topic.of(), topic.key_of(gap), value)

        await persist_async(publish, attempts)  # once it is queued it is only waited for
        await persist_async(lambda: asyncio.to_thread(publisher.flush), attempts)
