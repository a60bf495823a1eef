"""A backfill asks for no more than its gap is worth: it ends by time, by what is said of the gap, or by the number of replies."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from dialects.catalogue import all_dialects
from dialects.contract import Dialect, Request
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

    def __init__(self, venue: Venue, dialect: str = "binance") -> None:
        self.venue = venue
        self.published: list[bytes] = []
        self.done: list[Place] = []

        def put(_key: bytes, value: bytes, _frame: object = None) -> bool:
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
                dialect=all_dialects()[dialect],
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


class Quiet(Venue):
    """Coinbase with one trade, a minute and a half after the one before."""

    async def get_with_retries(self, request: Request, _wait: object, line: str = "") -> tuple[bytes, int]:
        """Answer a request for trades between two times."""
        assert line == "backfill"
        start, end = (int(parse_qs(urlsplit(request.path).query)[name][0]) for name in ("start", "end"))
        self.asked.append(start)
        at = self.time_of(90) // SECOND
        made = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = {"trade_id": str(FIRST), "product_id": "BTC-USD", "price": "1", "size": "1", "time": made, "side": "BUY"}
        return json.dumps({"trades": [row] if start <= at < end else []}).encode(), BEGAN


async def test_a_backfill_asks_a_venue_of_stretches_for_the_next() -> None:
    """The gap's times bound what is asked, and the trade behind a quiet minute is published."""
    working = Working(Quiet(), "coinbase")
    about = {"venue": "coinbase", "symbol": "BTC-USD", "from_time": BEGAN}
    said = await working.work(gap(FIRST, BEGAN + 100 * SECOND, **about))
    await working.stop()
    assert [state for _, state, _ in said] == ["filling"]
    assert working.venue.asked == [BEGAN // SECOND, BEGAN // SECOND + 60]


class Foreign(Venue):
    """OKX that answers with another instrument's trades, and a dialect that did not notice."""

    async def get_with_retries(self, request: Request, _wait: object, line: str = "") -> tuple[bytes, int]:
        """Answer a request for trades."""
        assert (line, "instId=BTC-USDT" in request.path) == ("backfill", True)
        self.asked.append(len(self.asked))
        rows = [{"instId": "ETH-USDT", "side": "buy", "sz": "1", "px": "1", "tradeId": str(FIRST), "ts": str(BEGAN // 1000)}]
        return json.dumps({"code": "0", "msg": "", "data": rows}).encode(), BEGAN


async def test_trades_of_another_symbol_mend_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only trades of the gap's own symbol count as what was missing, whatever the dialect made of a reply."""
    monkeypatch.setattr(paging, "NOTHING_NEW_SECONDS", 0.01)
    monkeypatch.setattr("dialects.okx.replies.check_answer", lambda *_said: None)
    working = Working(Foreign(), "okx")
    said = await working.work(gap(FIRST, BEGAN + 100 * SECOND, venue="okx", symbol="BTC-USDT"))
    await working.stop()
    assert [(state, repair) for _, state, repair in said[1:]] == [("unfillable", "the venue gave 0 of 1 trades")]


class Stretches:
    """A venue that is asked by stretches of time, of which it gives the newest trades, as its dialect asks for them."""

    def __init__(self, times: dict[int, float], most: int = 1000) -> None:
        self.times = times
        """Trade's number → when it was made, in seconds after BEGAN."""
        self.most = most
        self.asked: list[tuple[int, int]] = []
        self.waited: list[float] = []

    def fetch(self, spoken: Dialect, paging: Paging) -> set[int]:
        """Answer until no more is asked for; return what was given."""
        given: set[int] = set()
        asks = True
        while asks:
            request = spoken.trades_request("BTC-USD", paging.wanted, paging.time, paging.until)
            assert request is not None
            query = parse_qs(urlsplit(request.path).query)
            start, end = (int(query[name][0]) - BEGAN // SECOND for name in ("start", "end"))
            self.asked.append((start, end))
            assert len(self.asked) < 200, "it asks without end"
            found = [number for number, at in self.times.items() if start <= at < end][-self.most :]
            given.update(found)
            asks = paging.take([{"sequence": number, "event_time": int(BEGAN + self.times[number] * SECOND)} for number in found])
            self.waited.append(paging.wait if asks else 0.0)
        return given


def by_stretches() -> list[str]:
    """Return the venues that are asked for missing trades by stretches of time."""
    return [name for name, spoken in all_dialects().items() if spoken.trades_stretch]


@pytest.mark.parametrize("venue", by_stretches())
@pytest.mark.parametrize("quiet", [0.5, 59.5, 90, 600, 86_400])
def test_a_quiet_while_ends_no_paging(venue: str, quiet: float) -> None:
    """A stretch without a trade is followed by the next, up to the gap's end, and by longer ones the longer it lasts."""
    spoken = all_dialects()[venue]
    history = Stretches({100: 0.25, 101: 0.25 + quiet, 102: 1 + quiet, 103: 1 + 2 * quiet, 104: 2 + 2 * quiet})
    one = Paging(101, 103, BEGAN + SECOND // 4, int(BEGAN + history.times[104] * SECOND), spoken.trades_stretch)
    assert history.fetch(spoken, one) >= {101, 102, 103}
    assert one.why == ""
    assert len(history.asked) < 70
    assert not any(history.waited)


@pytest.mark.parametrize("venue", by_stretches())
@pytest.mark.parametrize("most", [300, 1000])
def test_a_stretch_of_more_trades_than_a_reply_holds_is_halved(venue: str, most: int) -> None:
    """However many a reply holds at most, none of a busy minute is left out, nor where the gap is but the first second of it."""
    spoken = all_dialects()[venue]
    for last, to_time in ((3099, 60), (110, 1)):
        history = Stretches({100 + number: number / 50 for number in range(3001)}, most)
        one = Paging(101, last, BEGAN, BEGAN + to_time * SECOND, spoken.trades_stretch)
        assert history.fetch(spoken, one) >= set(range(101, last + 1))
        assert one.why == ""
        assert len(history.asked) < 40


@pytest.mark.parametrize("venue", by_stretches())
def test_what_a_venue_of_stretches_lacks_is_unfillable(venue: str) -> None:
    """Ids that it has no more, and a second with more trades than a reply holds, cost no others; at the end it is asked once more."""
    spoken = all_dialects()[venue]
    lacking = Stretches({100: 0, 103: 40, 105: 300})
    one = Paging(101, 104, BEGAN, BEGAN + 300 * SECOND, spoken.trades_stretch)
    assert 103 in lacking.fetch(spoken, one)
    assert one.why == "the venue gave 1 of 4 trades"
    crowded = Stretches({100: 0} | {101 + number: 1 + number / 100_000 for number in range(3000)} | {3101: 2.5})
    one = Paging(101, 3101, BEGAN, BEGAN + 3 * SECOND, spoken.trades_stretch)
    assert crowded.fetch(spoken, one) >= set(range(2101, 3102))
    assert one.why == "the venue gave 1001 of 3001 trades"
    empty = Stretches({100: 0})
    one = Paging(101, 104, BEGAN, BEGAN + 300 * SECOND, spoken.trades_stretch)
    empty.fetch(spoken, one)
    assert one.why == "the venue gave 0 of 4 trades"
    assert [wait for wait in empty.waited if wait] == [paging.NOTHING_NEW_SECONDS]
    assert empty.asked[0][0] == empty.asked[empty.waited.index(paging.NOTHING_NEW_SECONDS) + 1][0] == 0


@pytest.mark.parametrize("venue", by_stretches())
def test_stretches_end_where_no_end_is_known(venue: str) -> None:
    """Without a time of the gap's end the first stretch without a trade is asked for once more, and that is the venue's word."""
    spoken = all_dialects()[venue]
    history = Stretches({100: 0, 101: 4000})
    one = Paging(101, 101, BEGAN, None, spoken.trades_stretch)
    history.fetch(spoken, one)
    assert (len(history.asked), one.why) == (2, "the venue gave 0 of 1 trades")
