"""Requests asked again and again of a real HTTP server on loopback, and what is published of the answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from dialects import notices
from dialects.binance.dialect import Binance
from dialects.contract import Dialect, Limits, Poll, Request
from dialects.stream import Stream
from producers import doubt
from producers import poller as poller_module
from producers.backoff import Backoff
from producers.coverage import Coverage
from producers.frames import Frames
from producers.poller import Poller, PollerSurroundings
from producers.rest import Rest
from schemas.catalogue import event
from schemas.codec import Codec
from tests.waiting import until
from topology.clock import now
from topology.faults import Faults
from topology.metrics import retries

INTEREST, FUNDING = Stream("open_interest", "S"), Stream("funding", "S")


class Patient(Binance):
    """A venue without a limit, whose replies may name the next page."""

    limits = Limits(streams_per_connection=10, messages_per_second=0)

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the page that a reply names."""
        _, found, path = body.partition(b'"next": "')
        return Request(request.method, path.partition(b'"')[0].decode()) if found else None


class Polled:
    """A venue that answers by `answer`, its pollers, and what they have published."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.published: list[dict[str, Any]] = []
        self.coverage = Coverage()
        self.faults = Faults("test")
        self.answers: dict[str, Callable[[], web.Response]] = {}
        self.hanging: set[str] = set()
        self.answer_all: Callable[[web.Request], Awaitable[web.Response]] | None = None
        self.rest: Rest
        self._codec = Codec(event("frame"), 0)
        self._connections = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as told, else with how often it was asked."""
        if self.answer_all is not None:
            return await self.answer_all(request)
        self.asked.append(request.path)
        if request.path in self.hanging:
            await asyncio.sleep(600)
        made = self.answers.get(request.path)
        return made() if made else web.Response(body=b'{"asked": %d }' % self.asked.count(request.path))

    def poller(self, path: str, *streams: Stream, every: float = 0.05) -> Poller:
        """Return a poller of one path."""
        return Poller(self.around(Patient()), Poll(streams, Request("GET", path), every))

    def around(self, dialect: Dialect) -> PollerSurroundings:
        """Return what pollers of a dialect share."""
        return PollerSurroundings(
            dialect,
            self.rest,
            self._frames,
            self.coverage,
            lambda: Backoff(0.01, 0.02, lambda: 0.5),
            lambda error, part: self.faults.tell(error, venue="venue", event=part),
            time.monotonic,
            now,
        )

    def _frames(self) -> Frames:
        self._connections += 1
        return Frames(self._codec, "venue", "live", "rest", f"venue-{self._connections}", self._put)

    def _put(self, _key: bytes, value: bytes, _frame: object = None) -> bool:
        self.published.append(self._codec.decode(value))
        return True

    def notices(self, *kinds: str) -> list[notices.Notice]:
        """Return the notices of these kinds."""
        decoded = [notices.decode(one["payload"]) for one in self.published if one["kind"] == "notice"]
        return [one for one in decoded if one["notice"] in kinds]

    def replies(self, path: str) -> list[bytes]:
        """Return the replies to a path."""
        return [one["payload"] for one in self.published if one["request"] == f"GET {path}"]


@pytest.fixture
async def polled() -> AsyncIterator[Polled]:
    """Serve a venue."""
    made = Polled()
    application = web.Application()
    application.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with Rest(f"http://{host}:{port}", Patient(), time.monotonic, now) as made.rest:
        yield made
    await runner.cleanup()


@asynccontextmanager
async def running(*pollers: Poller) -> AsyncIterator[None]:
    """Run pollers, then close them."""
    tasks = [asyncio.create_task(one.run()) for one in pollers]
    try:
        yield
    finally:
        await asyncio.gather(*(one.close("the test ends") for one in pollers))
        await asyncio.gather(*tasks)


async def test_replies_are_published_verbatim_on_a_connection_of_their_own(polled: Polled) -> None:
    """Connected, the first reply, confirmed, further replies, closed: each under the next number, byte for byte, with its request."""
    poller = polled.poller("/interest", INTEREST)
    assert "not answered yet" in poller.status()
    async with running(poller):
        await until(lambda: len(polled.replies("/interest")) >= 3)
        assert poller.status() == ""
    assert polled.replies("/interest")[:3] == [b'{"asked": 1 }', b'{"asked": 2 }', b'{"asked": 3 }']
    assert [one["connection_sequence"] for one in polled.published] == list(range(1, len(polled.published) + 1))
    assert {one["connection_id"] for one in polled.published} == {"venue-1"}
    assert {one["origin"] for one in polled.published if one["kind"] == "reply"} == {"rest"}
    told = polled.notices("connected", "confirmed", "silent", "refused", "closed")
    assert [(one["notice"], one["streams"]) for one in told] == [
        ("connected", [tuple(INTEREST)]),
        ("confirmed", [tuple(INTEREST)]),
        ("closed", [tuple(INTEREST)]),
    ]
    assert told[-1]["reason"] == "the test ends"


async def test_a_reply_in_pages_is_followed_to_its_last(polled: Polled) -> None:
    """Each page is published with its own request, in order, and the streams are confirmed by the last; one that never ends is left."""
    polled.answers |= {
        "/list": lambda: web.Response(text='{"next": "/list/2"}'),
        "/list/2": lambda: web.Response(text='{"next": "/list/3"}'),
        "/list/3": lambda: web.Response(text="{}"),
        "/circle": lambda: web.Response(text='{"next": "/circle"}'),
    }
    async with running(polled.poller("/list", INTEREST, every=600), polled.poller("/circle", FUNDING, every=600)):
        await until(lambda: len(polled.notices("confirmed")) == 2)
    pages = [(one["request"], one["payload"]) for one in polled.published if one["kind"] == "reply" and "list" in one["request"]]
    assert pages == [("GET /list", b'{"next": "/list/2"}'), ("GET /list/2", b'{"next": "/list/3"}'), ("GET /list/3", b"{}")]
    assert len(polled.replies("/circle")) == 1


class Chained(Patient):
    """A venue of three lists, each asked for after the one before whatever that was answered; the second has two pages."""

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the page that a reply names, or the next list."""
        named = super().next_page(request, body)
        following = {"/first": "/second", "/second": "/third", "/second/2": "/third"}.get(request.path)
        return named or (Request("GET", following) if following else None)


@pytest.mark.parametrize(
    ("refused", "published"),
    [
        ({"/first"}, ["/second", "/second/2", "/third"]),
        ({"/second"}, ["/first", "/third"]),
        ({"/second/2"}, ["/first", "/second", "/third"]),
        ({"/first", "/third"}, ["/second", "/second/2"]),
        ({"/first", "/second", "/third"}, []),
    ],
)
async def test_a_request_that_is_refused_costs_none_that_follows_it_all_the_same(
    polled: Polled, refused: set[str], published: list[str]
) -> None:
    """The others are asked and published, the refusals are told once, each in the venue's words, and the poll is asked anew when due."""
    polled.answers |= {path: lambda: web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}') for path in refused}
    polled.answers.setdefault("/second", lambda: web.Response(text='{"next": "/second/2"}'))
    poller = Poller(polled.around(Chained()), Poll((INTEREST,), Request("GET", "/first"), 600))
    async with running(poller):
        await until(lambda: bool(polled.notices("refused")))
        assert poller.status() == ""
    assert [one["request"].removeprefix("GET ") for one in polled.published if one["kind"] == "reply"] == published
    (told,) = polled.notices("refused")
    assert told["streams"] == [tuple(INTEREST)]
    assert all(f"{path}: Invalid symbol." in told["reason"] for path in refused)
    assert not polled.notices("confirmed")
    assert max(polled.asked.count(path) for path in set(polled.asked)) == 1


async def test_what_is_unclear_costs_none_that_follows_it_all_the_same(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody knows, and one of words that last, are told together once the first has stayed so."""
    monkeypatch.setattr(doubt, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(doubt, "LASTING_SECONDS", 0.0)
    polled.answers["/first"] = lambda: web.Response(status=400, text='{"code":-9999,"msg":"Never heard of."}')
    polled.answers["/third"] = lambda: web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}')
    async with running(Poller(polled.around(Chained()), Poll((INTEREST,), Request("GET", "/first"), 600))):
        await until(lambda: bool(polled.notices("refused")))
    (told,) = polled.notices("refused")
    assert "Never heard of." in told["reason"]
    assert "Invalid symbol." in told["reason"]
    assert len(polled.replies("/second")) == doubt.FEWEST


async def test_a_request_that_follows_itself_when_refused_is_asked_once(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """However wrong a dialect is, a round ends: with the request that leads to itself, or after so many."""
    monkeypatch.setattr(poller_module, "MOST_PAGES", 20)

    class Circling(Patient):
        def next_page(self, request: Request, body: bytes) -> Request | None:
            assert body == b""
            return Request("GET", {"/a": "/b", "/b": "/a"}.get(request.path, request.path))

    refuse = lambda: web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}')  # noqa: E731 - it is three answers
    polled.answers |= dict.fromkeys(("/a", "/b", "/self"), refuse)
    around = polled.around(Circling())
    pollers = [Poller(around, Poll((INTEREST,), Request("GET", path), 600)) for path in ("/self", "/a")]
    async with running(*pollers):
        await until(lambda: len(polled.notices("refused")) == 2)
    assert (polled.asked.count("/self"), polled.asked.count("/a") + polled.asked.count("/b")) == (1, 20)


async def test_what_was_missed_between_two_runs_is_told(polled: Polled) -> None:
    """The next connection says since when nothing carried its streams."""
    async with running(polled.poller("/interest", INTEREST)):
        await until(lambda: bool(polled.notices("confirmed")))
    async with running(polled.poller("/interest", INTEREST)):
        await until(lambda: len(polled.notices("confirmed")) == 2)
    closed = next(one["received_at"] for one in polled.published if b'"closed"' in one["payload"])
    assert [one["since"] for one in polled.notices("confirmed")] == [None, closed]
    assert [one["since"] for one in polled.notices("connected")] == [None, closed]


@pytest.mark.parametrize("how", ["away", "hanging"])
async def test_rounds_without_an_answer_are_a_silence(polled: Polled, how: str) -> None:
    """After three rounds missed, by errors or by an answer that never comes, the streams are silent once; the next reply ends that."""
    async with running(polled.poller("/interest", INTEREST, every=0.1)):
        await until(lambda: bool(polled.replies("/interest")))
        if how == "away":
            polled.answers["/interest"] = lambda: web.Response(status=502)
        else:
            polled.hanging.add("/interest")
        await until(lambda: bool(polled.notices("silent")))
        if how == "away":
            asked = len(polled.asked)
            await until(lambda: len(polled.asked) > asked)
            polled.answers.clear()
            await until(lambda: bool(polled.notices("resumed")))
    (silent,) = polled.notices("silent")
    last = [one for one in polled.published if one["kind"] == "reply"][0 if how == "hanging" else -1]
    assert silent["since"] is not None
    if how == "away":
        (resumed,) = polled.notices("resumed")
        assert resumed["since"] == silent["since"] < last["received_at"]
        assert polled.coverage.silences == {}
    else:
        assert set(polled.coverage.silences) == {INTEREST}


async def test_a_request_that_is_not_answered_is_told_once_and_counted_each_time(polled: Polled) -> None:
    """Until the first answer the status says why; the log names the request once, and once more when it is answered."""
    polled.answers["/interest"] = lambda: web.Response(status=502)
    poller, tried = polled.poller("/interest", INTEREST), retries.labels("producers", "poll")
    before = tried._value.get()
    with capture_logs() as lines:
        async with running(poller):
            await until(lambda: tried._value.get() >= before + 3)
            assert "status 502" in poller.status()
            polled.answers.clear()
            await until(lambda: not poller.status())
    told = [(line["event"], line["about"]) for line in lines if line.get("what") == "poll"]
    assert told == [("waiting", "GET /interest"), ("going on", "GET /interest")]


async def test_one_that_fails_stops_no_other(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused request is told once in the venue's words, a bug is told as one, an answer may never come; the others are answered."""
    polled.answers["/refused"] = lambda: web.Response(status=400, text='{"code":-1121,"msg":"Invalid symbol."}')
    polled.hanging.add("/hanging")
    get, bugs = polled.rest.get, 0

    async def failing(request: Request, line: str = "") -> tuple[bytes, int]:
        nonlocal bugs
        if request.path == "/bug":
            bugs += 1
            raise KeyError("a bug")
        return await get(request, line)

    monkeypatch.setattr(polled.rest, "get", failing)
    pollers = [polled.poller(path, INTEREST) for path in ("/refused", "/hanging", "/bug")]
    async with running(*pollers, polled.poller("/funding", FUNDING)):
        await until(lambda: len(polled.replies("/funding")) >= 5 and bugs > 2 and bool(polled.notices("refused")))
        refused_one, hanging, broken = pollers
        assert refused_one.status() == broken.status() == ""
        assert "not answered yet" in hanging.status()
    (refused,) = polled.notices("refused")
    assert "Invalid symbol." in refused["reason"]
    assert polled.asked.count("/refused") == 1
    (red,) = polled.faults.red()
    assert (red["venue"], str(red["reason"]).partition(" (")[0]) == ("venue", "KeyError: 'a bug'")


async def test_what_stays_unclear_is_told_as_a_refusal(polled: Polled, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody knows is asked about; where it stays so it is told with its words, and keeps nobody from being ready."""
    monkeypatch.setattr(doubt, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(doubt, "LASTING_SECONDS", 0.0)
    polled.answers["/interest"] = lambda: web.Response(status=400, text='{"code":-9999,"msg":"Never heard of."}')
    poller = polled.poller("/interest", INTEREST)
    async with running(poller):
        await until(lambda: len(polled.asked) == 1)
        assert poller.status()
        await until(lambda: not poller.status())
    (refused,) = polled.notices("refused")
    assert f"understands {doubt.FEWEST} times in" in refused["reason"]
    assert "Never heard of. (code -9999)" in refused["reason"]
    assert len(polled.asked) == doubt.FEWEST


async def test_requests_of_many_lines_take_turns(polled: Polled) -> None:
    """Behind many heavy requests of one line, one of another line waits for one of them only."""
    async with Rest(polled.rest._base, Binance(), time.monotonic, now) as rest:
        assert rest._allowance.wait(2400, time.monotonic()) == 0
        heavy = [asyncio.create_task(rest.get(Request("GET", f"/book/{number}", 40), "snapshots")) for number in range(50)]
        await until(lambda: "/book/0" in polled.asked)
        await rest.get(Request("GET", "/light"), "backfill")
        assert polled.asked.index("/light") <= 3
        for one in heavy:
            one.cancel()
        await asyncio.gather(*heavy, return_exceptions=True)


class Listing(Patient):
    """A venue of one request for many streams."""

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the request for all."""
        return [Poll(tuple(streams), Request("GET", f"/list/{'.'.join(one.symbol for one in streams)}"), 0.05)] if streams else []


async def test_one_stream_that_is_refused_costs_no_other_of_its_request(polled: Polled) -> None:
    """Of a request for many the wrong one is found by halves and told alone, once; the others are confirmed, as it is when right."""
    streams = [Stream("interest", symbol) for symbol in "ABCDEFG"]
    wrong = {"C", "F"}

    async def answer(request: web.Request) -> web.Response:
        symbols = request.path.removeprefix("/list/").split(".")
        polled.asked.append(".".join(symbols))
        refused = bool(wrong & set(symbols))
        return web.Response(status=400 if refused else 200, text='{"code":-1121,"msg":"Invalid symbol."}' if refused else "{}")

    polled.answer_all = answer
    around = polled.around(Listing())
    async with running(Poller(around, Listing().polls(streams)[0])):
        await until(lambda: len(polled.asked) > 30)
        assert {one["streams"][0][1]: one["reason"].partition(": ")[2] for one in polled.notices("refused")} == dict.fromkeys(
            wrong, "Invalid symbol. (code -1121)"
        )
        assert len(polled.notices("refused")) == 2
        assert {symbol for one in polled.notices("confirmed") for _, symbol in one["streams"]} == set("ABDEG")
        wrong.clear()
        await until(lambda: sum(len(one["streams"]) for one in polled.notices("confirmed")) == len(streams))
    assert {symbol for one in polled.notices("confirmed") for _, symbol in one["streams"]} == set("ABCDEFG")


class Timed(Patient):
    """A venue that wants to be told the time."""

    def as_of(self, request: Request, now: int) -> Request:
        """Return the request with the seconds of now."""
        return request._replace(path=f"{request.path}/{now // 1_000_000}")


async def test_a_request_is_made_as_of_the_time_of_its_round(polled: Polled) -> None:
    """A venue that wants times asked for is asked for those of now, and the reply is kept beside the request as it was made."""
    earliest = now() // 1_000_000
    poller = Poller(polled.around(Timed()), Poll((FUNDING,), Request("GET", "/funding"), 0.05))
    async with running(poller):
        await until(lambda: len(polled.asked) > 1)
    for path in polled.asked:
        assert earliest <= int(path.removeprefix("/funding/")) <= now() // 1_000_000
    assert polled.replies(polled.asked[0])
