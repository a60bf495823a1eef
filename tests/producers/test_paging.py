"""A backfill asks for no more than its gap is worth: it ends by time, by what is said of the gap, or by the number of replies."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dialects.catalogue import all_dialects
from dialects.contract import Request
from producers import paging
from producers.absences import Absences
from producers.backfill import Backfill, Means
from producers.backoff import Backoff
from producers.frames import Frames
from producers.gaps import Place
from producers.paging import Paging
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.events import Gap

BEGAN = 1_790_000_000_000_000
"""When trade 0 was made; microseconds since 1970 UTC. Trade n follows after n seconds."""
SECOND = 1_000_000
FIRST = 1006
ABSURD = 2**62 - 1
GAPS = Codec(event("gap"), 0)


def gap(last: int, to_time: int | None, **other: Any) -> Gap:
    """Return an open gap that begins at trade FIRST."""
    record = dict(event("gap").defaults) | {
        "venue": "binance",
        "symbol": "BTCUSDT",
        "origin": "live",
        "gap_id": f"gap-{last}",
        "channel": "trade",
        "from_sequence": FIRST,
        "to_sequence": last,
        "from_time": BEGAN + (FIRST - 1) * SECOND,
        "to_time": to_time,
        "cause": "wire",
        "detected_at": BEGAN,
        "state": "open",
        "version": 100,
    }
    return cast("Gap", record | other)


class Venue:
    """A market that is never still: each reply holds the trades asked for, at most `size` of them. It is Rest and Publisher in one."""

    def __init__(self, size: int = 1, time_of: Callable[[int], int] = lambda number: BEGAN + number * SECOND) -> None:
        self.asked: list[int] = []
        self.said: list[tuple[str, str, str]] = []
        self.heard = asyncio.Event()
        self.size = size
        self.time_of = time_of
        self.on_request: Callable[[], None] = lambda: None

    async def get_with_retries(self, request: Request, _wait: object, line: str = "") -> tuple[bytes, int]:
        """Answer a request for trades."""
        assert line == "backfill"
        first = int(request.path.partition("fromId=")[2].partition("&")[0])
        self.asked.append(first)
        assert len(self.asked) < 2000, "it asks without end"
        self.on_request()
        await asyncio.sleep(0)
        rows = [
            {"id": number, "price": "1", "qty": "1", "time": self.time_of(number), "isBuyerMaker": True}
            for number in range(first, first + self.size)
        ]
        return json.dumps(rows).encode(), BEGAN

    def publish(self, _topic: str, _key: bytes, value: bytes) -> None:
        """Take a state of a gap."""
        record = GAPS.decode(value)
        self.said.append((record["gap_id"], record["state"], record["repair"]))

    def flush(self) -> None:
        """All is delivered."""

    async def until_done(self, done: list[Place], place: Place) -> None:
        """Wait until a gap's work is done."""
        async with asyncio.timeout(20):
            while place not in done:
                await self.heard.wait()
                self.heard.clear()


class Working:
    """A backfill of a venue, running."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.published: list[bytes] = []
        self.done: list[Place] = []

        def put(_key: bytes, value: bytes) -> bool:
            self.published.append(value)
            return True

        def finished(place: Place) -> None:
            self.done.append(place)
            venue.heard.set()

        def tell(error: BaseException, _part: str) -> str:
            return repr(error)

        rest = cast("Any", venue)
        self.backfill = Backfill(
            Means(
                dialect=all_dialects()["binance"],
                rest=rest,
                outbox=cast("Any", SimpleNamespace(holds=lambda _key: False)),
                publisher=rest,
                codec=GAPS,
                frames=lambda: Frames(Codec(event("frame"), 0), "binance", "live", "rest", "binance-x", put),
                backoff=lambda: Backoff(0.01, 0.01, random.random),
                done=finished,
                coverage=cast("Any", SimpleNamespace(silences={})),
                absences=Absences("binance", "live", lambda: BEGAN),
                tell=tell,
                clock=asyncio.get_running_loop().time,
                now=lambda: BEGAN,
            ),
            [],
        )
        self._task = asyncio.get_running_loop().create_task(self.backfill.run())
        self._last = 0

    async def work(self, *gaps: Gap) -> list[tuple[str, str, str]]:
        """Hand gaps over and wait until the work on all is done; return what was said of them, each state with its reason."""
        places = self.take(*gaps)
        for place in places:
            await self.venue.until_done(self.done, place)
        return self.venue.said

    def take(self, *gaps: Gap) -> list[Place]:
        """Hand over events of gaps as one batch."""
        places: list[Place] = [(0, self._last + number) for number in range(1, len(gaps) + 1)]
        self._last += len(gaps)
        self.backfill.take(list(zip(places, gaps, strict=True)))
        return places

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def working() -> AsyncIterator[Working]:
    """Start a backfill of a market with a trade a second and a reply."""
    one = Working(Venue())
    yield one
    await one.stop()


async def test_it_asks_no_further_than_the_end_of_the_gap(working: Working) -> None:
    """What is later than the gap's end by a minute is not the gap's: the reason says so, what came is published, the next gap is filled."""
    absurd, other = gap(ABSURD, BEGAN + (FIRST + 10) * SECOND), gap(FIRST + 1, BEGAN + (FIRST + 2) * SECOND)
    said = await working.work(absurd, other)
    assert said[1] == (
        absurd["gap_id"],
        "unfillable",
        f"the venue gave 72 of {ABSURD - FIRST + 1} trades, and those it gives now are later than the gap's end",
    )
    assert [(gap_id, state) for gap_id, state, _ in said[2:]] == [(other["gap_id"], "filling")]
    assert working.venue.asked == [*range(FIRST, FIRST + 72), FIRST, FIRST + 1]
    assert len(working.published) == 72 + 1 + 2 + 1


async def test_one_trade_that_is_later_ends_no_paging(working: Working) -> None:
    """Only a reply of nothing but later trades has passed the end: one strange time in it stops nobody."""
    working.venue.size = 10
    working.venue.time_of = lambda number: BEGAN + (10**9 if number == FIRST + 3 else number) * SECOND
    said = await working.work(gap(FIRST + 29, BEGAN + (FIRST + 30) * SECOND))
    assert [state for _, state, _ in said] == ["filling"]
    assert len(working.venue.asked) == 3


@pytest.mark.parametrize("absurd", [10**18, 3000, 5100])
def test_one_absurd_id_ends_no_paging(absurd: int) -> None:
    """A reply goes on from the ids that are in a row: what stands alone behind them is neither the end nor counted twice."""
    one = Paging(100, 5099, BEGAN, BEGAN + 600 * SECOND)
    for first in range(100, 5100, 1000):
        rows = [{"sequence": number, "event_time": BEGAN + number} for number in {*range(first, first + 1000), absurd}]
        assert one.take(rows) is (first < 4100)
        assert one.wanted == first + (1000 if first < 4100 else 0)
    assert one.why == ""


def test_a_history_that_lacks_ids_is_read_to_its_end() -> None:
    """Behind a real hole it goes on in the next reply, and the reason says how many came; later trades alone end it."""
    one, history = Paging(1, 100, BEGAN, None), [*range(1, 10), *range(20, 30), *range(50, 90), *range(120, 130)]
    asked = 0
    while one.take([{"sequence": number, "event_time": BEGAN + number} for number in history if number >= one.wanted]):
        asked += 1
    assert (asked, one.why) == (3, "the venue gave 59 of 100 trades")


@pytest.mark.parametrize("to_time", [None, 5, BEGAN + (FIRST - 2) * SECOND])
async def test_an_end_that_is_not_known_ends_nothing(working: Working, to_time: int | None) -> None:
    """Without a time of its end, or with one before its beginning, the gap is filled to its last trade."""
    said = await working.work(gap(FIRST + 199, to_time))
    assert [state for _, state, _ in said] == ["filling"]
    assert len(working.venue.asked) == 200


async def test_it_asks_so_often_and_no_more(working: Working, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no time ends it the number of replies does, and the reason says that it was ours to stop."""
    monkeypatch.setattr(paging, "MOST_PAGES", 50)
    working.venue.time_of = lambda _number: BEGAN
    said = await working.work(gap(ABSURD, None))
    assert said[1][1:] == ("unfillable", f"the venue gave 50 of {ABSURD - FIRST + 1} trades in 50 replies, and no more are asked for")
    assert len(working.venue.asked) == 50


@pytest.mark.parametrize("state", ["filled", "closed", "unfillable"])
async def test_a_gap_that_ends_meanwhile_is_left(working: Working, state: str) -> None:
    """Whoever ends a gap while it is fetched ends the fetching, is not contradicted, and the next gap is filled."""
    absurd, other = gap(ABSURD, None), gap(FIRST + 1, None)
    venue = working.venue

    def end() -> None:
        if len(venue.asked) == 3:
            working.take(gap(ABSURD, None, state=state, version=103))

    venue.on_request = end
    said = await working.work(absurd, other)
    assert [(gap_id, what) for gap_id, what, _ in said] == [(absurd["gap_id"], "filling"), (other["gap_id"], "filling")]
    assert venue.asked == [FIRST, FIRST + 1, FIRST + 2, FIRST, FIRST + 1]
    assert sorted(working.done) == [(0, 1), (0, 2), (0, 3)]


async def test_a_gap_that_is_open_again_meanwhile_is_fetched(working: Working) -> None:
    """What was ended and opened again is open: nothing is left out of it."""
    venue = working.venue

    def end_and_open() -> None:
        if len(venue.asked) == 2:
            working.take(gap(FIRST + 3, None, state="closed", version=103), gap(FIRST + 3, None, version=104))

    venue.on_request = end_and_open
    await working.work(gap(FIRST + 3, None))
    assert set(venue.asked) == {FIRST, FIRST + 1, FIRST + 2, FIRST + 3}
    assert sorted(working.done) == [(0, 1), (0, 2), (0, 3)]
