"""Bybit's protocol as a plain client sees it, in each of its three markets."""

import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from simulator.faults import Fault
from simulator.server import Simulator, SimulatorSettings

VENUES = ("bybit_spot", "bybit_linear", "bybit_inverse")
CONTRACTS = ("bybit_linear", "bybit_inverse")
SYMBOLS = {"bybit_spot": "BTCUSDT", "bybit_linear": "BTCUSDT", "bybit_inverse": "BTCUSD"}
each_venue = pytest.mark.parametrize("venue", VENUES)
each_contract = pytest.mark.parametrize("venue", CONTRACTS)


class Client:
    """A websocket of one market, and what it has said."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, venue: str) -> None:
        self.socket = socket
        self.symbol = SYMBOLS[venue]

    async def ask(self, operation: str, *topics: str, number: str | None = "r1") -> None:
        """Send a request."""
        request: dict[str, Any] = {"op": operation} | ({"args": topics} if topics else {}) | ({"req_id": number} if number else {})
        await self.socket.send_str(json.dumps(request))

    async def next(self) -> Any:
        """Read one message."""
        received = await self.socket.receive(timeout=20)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        return json.loads(received.data)

    async def answer(self) -> Any:
        """Read up to an answer and return it."""
        while "op" not in (message := await self.next()):
            pass
        return message

    async def said(self, channel: str = "") -> list[Any]:
        """Return every message sent so far (of a channel), up to the answer to a ping."""
        await self.ask("ping", number=None)
        seen = []
        while (message := await self.next()).get("op") != "ping":
            seen.append(message)
        return [one for one in seen if one.get("topic", "").startswith(channel)]

    async def subscribe(self, *channels: str) -> list[Any]:
        """Subscribe channels of its symbol, and return what they begin with."""
        await self.ask("subscribe", *(f"{channel}.{self.symbol}" for channel in channels))
        return [message for message in await self.said() if "topic" in message]


class Book:
    """A local order book as Bybit's page wants it: a snapshot replaces, a delta changes, a size of 0 deletes; nothing is cut."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, str]] = {"b": {}, "a": {}}
        self.last = 0
        self.missed: list[tuple[int, int]] = []

    def apply(self, message: dict[str, Any]) -> None:
        """Apply one message, or note that some were missed."""
        data = message["data"]
        if message["type"] == "snapshot":
            self.sides = {"b": {}, "a": {}}
        elif data["u"] != self.last + 1:
            self.missed.append((self.last + 1, data["u"] - 1))
        self.last = data["u"]
        for name, side in self.sides.items():
            for price, size in data[name]:
                if Decimal(size):
                    side[Decimal(price)] = size
                else:
                    side.pop(Decimal(price), None)

    def top(self) -> list[list[tuple[Decimal, str]]]:
        """Return the levels of both sides, best first."""
        return [sorted(self.sides["b"].items(), reverse=True), sorted(self.sides["a"].items())]


@pytest.fixture
async def simulator(venue: str) -> AsyncIterator[Simulator]:
    """Start the market alone, standing still."""
    async with Simulator(SimulatorSettings(seed=5, venues=(venue,), levels=120, rate=500.0)) as started:
        yield started


@pytest.fixture
async def client(simulator: Simulator, venue: str) -> AsyncIterator[Client]:
    """Give a connected client."""
    async with aiohttp.ClientSession() as http, http.ws_connect(simulator.addresses[f"{venue}_ws"], max_msg_size=0) as socket:
        yield Client(socket, venue)


def truth(simulator: Simulator, venue: str, depth: int) -> list[list[tuple[Decimal, str]]]:
    """Return the best levels of the market as the wire's texts."""
    listing = next(one for one in simulator.venues[venue].listings.values() if one.instrument.wire_symbol == SYMBOLS[venue])
    price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
    return [[(Decimal(price(at)), size(amount)) for at, amount in side.top(depth)] for side in (listing.book.bids, listing.book.asks)]


async def get(simulator: Simulator, venue: str, path: str) -> tuple[int, Any, dict[str, str]]:
    """GET a path; return status, document and headers."""
    async with aiohttp.ClientSession() as http, http.get(simulator.addresses[f"{venue}_rest"] + path) as response:
        return response.status, await response.json(content_type=None), dict(response.headers)


@each_venue
async def test_answers_have_each_markets_form(client: Client, venue: str) -> None:
    """Spot says `subscribe` before the first data, contracts say nothing, with a request id, after it; pongs likewise."""
    await client.ask("subscribe", f"orderbook.1.{client.symbol}")
    first, second = await client.next(), await client.next()
    answer, data = (first, second) if venue == "bybit_spot" else (second, first)
    assert (answer["success"], answer["op"], answer["req_id"]) == (True, "subscribe", "r1")
    assert answer["ret_msg"] == ("subscribe" if venue == "bybit_spot" else "")
    assert data["type"] == "snapshot"
    assert list(data)[:3] == (["topic", "ts", "type"] if venue == "bybit_spot" else ["topic", "type", "ts"])
    await client.ask("ping", number=None)
    pong = await client.next()
    assert (pong["success"], pong["ret_msg"], pong["op"]) == (True, "pong", "ping")
    assert pong.get("req_id") == (None if venue == "bybit_spot" else "")


@each_venue
async def test_one_wrong_topic_refuses_its_whole_request(simulator: Simulator, client: Client, venue: str) -> None:
    """Nothing of the request is subscribed, and the answer names the topic; one subscribed already is refused in other words."""
    good = f"publicTrade.{client.symbol}"
    for wrong in ("publicTrade.NOPE", f"orderbook.500.{client.symbol}", "system.status", "x"):
        await client.ask("subscribe", good, wrong)
        answer = await client.answer()
        assert (answer["success"], answer["ret_msg"]) == (False, f"error:handler not found,topic:{wrong}")
    assert not next(iter(simulator.venues[venue].connections.values())).streams
    await client.subscribe("publicTrade")
    await client.ask("subscribe", good)
    assert (await client.answer())["ret_msg"] == f"error:already subscribed,topic:{good}"
    await client.ask("unsubscribe", good)
    assert (await client.answer())["success"] is True
    await simulator.step(100)
    assert await client.said() == []


@each_venue
async def test_spot_takes_ten_topics_and_no_liquidations(client: Client, venue: str) -> None:
    """An eleventh topic refuses a request of spot; liquidations are of contracts."""
    topics = [f"{channel}.{client.symbol}" for channel in ("publicTrade", "tickers", "orderbook.1", "orderbook.50", "orderbook.200")]
    await client.ask("subscribe", *topics * 3)
    assert (await client.answer())["ret_msg"] == ("args size >10" if venue == "bybit_spot" else "")
    await client.ask("subscribe", f"allLiquidation.{client.symbol}")
    assert (await client.answer())["success"] == (venue != "bybit_spot")


@each_venue
@pytest.mark.parametrize("text", ["{", "[]", '{"op":"dance"}', '{"op":"subscribe"}', '{"op":"subscribe","args":[1]}'])
async def test_what_is_no_request_is_refused(client: Client, venue: str, text: str) -> None:
    """A wrong message is answered, and the connection stays."""
    await client.socket.send_str(text)
    assert (await client.next())["success"] is False
    assert await client.said() == []


@each_venue
@pytest.mark.parametrize("depth", [50, 200])
async def test_a_book_kept_by_the_page_is_the_market(simulator: Simulator, client: Client, venue: str, depth: int) -> None:
    """After thousands of deltas, with ids one by one and nothing cut, the local book is the market's best levels and no others."""
    book = Book()
    for message in await client.subscribe(f"orderbook.{depth}"):
        book.apply(message)
    await simulator.step(3000)
    for message in await client.said("orderbook"):
        assert message["type"] == "delta"
        book.apply(message)
    assert not book.missed
    assert book.top() == truth(simulator, venue, depth)


@each_venue
async def test_a_late_subscriber_joins_the_count(simulator: Simulator, client: Client, venue: str) -> None:
    """A snapshot has the id that the topic stands at, and the next delta goes on from it."""
    await client.subscribe("orderbook.50")
    await simulator.step(500)
    last = (await client.said("orderbook"))[-1]["data"]["u"]
    await client.ask("unsubscribe", f"orderbook.50.{client.symbol}")
    await client.answer()
    (snapshot,) = await client.subscribe("orderbook.50")
    assert (snapshot["type"], snapshot["data"]["u"]) == ("snapshot", last)


@each_venue
async def test_a_restart_is_a_snapshot_with_id_1(simulator: Simulator, client: Client, venue: str) -> None:
    """When the service begins anew every book is sent whole under the id 1, and 2 goes on from it."""
    await client.subscribe("orderbook.50", "orderbook.1")
    await simulator.step(300)
    await client.said()
    await simulator.inject(Fault("shutdown", venue))
    restarted = await client.said()
    assert sorted((one["topic"].split(".")[1], one["type"], one["data"]["u"]) for one in restarted) == [
        ("1", "snapshot", 1),
        ("50", "snapshot", 1),
    ]
    await simulator.step(300)
    assert (await client.said("orderbook.50"))[0]["data"]["u"] == 2


@each_venue
@pytest.mark.parametrize(("kind", "ids"), [("drop", [2]), ("duplicate", [1, 0]), ("reorder", [2, -1, 2])])
async def test_faults_show_in_update_ids(simulator: Simulator, client: Client, venue: str, kind: str, ids: Sequence[int]) -> None:
    """A dropped delta is a jump, a repeated one the same id, two out of order a jump there and back; all others count by one."""
    await client.subscribe("orderbook.50")
    await simulator.step(100)
    await simulator.inject(Fault(kind, venue, symbol=client.symbol, channel="orderbook.50"))
    await simulator.step(200)
    numbers = [one["data"]["u"] for one in await client.said("orderbook")]
    steps = [after - before for before, after in pairwise(numbers)]
    assert [step for step in steps if step != 1] == [step for step in ids if step != 1]


@each_contract
async def test_level_1_is_pushed_again(simulator: Simulator, client: Client, venue: str) -> None:
    """Without a change for three seconds of market time level 1 of contracts comes again: the same id and levels, a later time."""
    (before,) = await client.subscribe("orderbook.1")
    at = simulator.venues[venue]
    at.on_time(simulator.market.time_us + 2_900_000)
    at.flush()
    assert await client.said() == []
    at.on_time(simulator.market.time_us + 3_100_000)
    at.flush()
    (after,) = await client.said()
    assert after["data"] == before["data"]
    assert after["ts"] > before["ts"]


@each_venue
async def test_trades_have_opaque_ids_and_share_a_sequence(simulator: Simulator, client: Client, venue: str) -> None:
    """The fills of one order come in one message, ascending, with ids of their own and one `seq`."""
    await client.subscribe("publicTrade")
    await simulator.step(1500)
    messages = await client.said("publicTrade")
    rows = [row for message in messages for row in message["data"]]
    assert any(len(message["data"]) > 1 for message in messages)
    assert all(len({row["seq"] for row in message["data"]}) == 1 for message in messages)
    assert len({row["i"] for row in rows}) == len(rows) > 100
    assert [row["T"] for row in rows] == sorted(row["T"] for row in rows)
    listing = next(one for one in simulator.venues[venue].listings.values() if one.instrument.wire_symbol == client.symbol)
    size = listing.instrument.size_writer()
    tape = simulator.truth.tape(venue, listing.instrument.symbol).trades()
    assert [(row["v"], row["S"]) for row in rows] == [(size(one.size), "Buy" if one.taker_buys else "Sell") for one in tape]


@each_contract
async def test_tickers_are_a_snapshot_and_what_changed(simulator: Simulator, client: Client, venue: str) -> None:
    """Deltas hold changed fields alone; merged they are what a snapshot says that is asked for afterwards."""
    (snapshot,) = await client.subscribe("tickers")
    await simulator.step(2000)
    await simulator.pause()
    deltas = await client.said("tickers")
    assert {one["type"] for one in deltas} == {"delta"}
    state = dict(snapshot["data"])
    for delta in deltas:
        changed = {name: text for name, text in delta["data"].items() if name != "symbol"}
        assert changed
        assert all(state[name] != text for name, text in changed.items())
        state |= changed
    assert any("fundingRate" not in delta["data"] for delta in deltas)
    await client.ask("unsubscribe", f"tickers.{client.symbol}")
    await client.answer()
    (again,) = await client.subscribe("tickers")
    assert again["data"] == state
    assert Decimal(state["openInterest"]) == 2 * Decimal(state["singleOpenInterest"])


async def get_all_pages(simulator: Simulator, venue: str, limit: int) -> list[Any]:
    """Return each page of instruments."""
    category, cursor, pages = venue.partition("_")[2], "", []
    while True:
        path = f"/v5/market/instruments-info?category={category}&limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        _, document, _ = await get(simulator, venue, path)
        assert document["retCode"] == 0
        pages.append(document["result"]["list"])
        cursor = document["result"].get("nextPageCursor", "")
        if not cursor:
            return pages


@each_venue
async def test_instruments_come_in_pages(simulator: Simulator, venue: str) -> None:
    """Contracts come in pages of the size asked for, spot in one whatever is asked."""
    pages = await get_all_pages(simulator, venue, 1)
    symbols = [one["symbol"] for page in pages for one in page]
    assert symbols == [one.instrument.wire_symbol for one in simulator.venues[venue].listings.values()]
    assert [len(page) for page in pages] == ([2] if venue == "bybit_spot" else [1, 1])


@each_venue
async def test_the_last_trades_are_newest_first(simulator: Simulator, client: Client, venue: str) -> None:
    """REST lists the last trades with the ids of the socket, newest first; of spot sixty at most."""
    await client.subscribe("publicTrade")
    await simulator.step(1500)
    rows = [row for message in await client.said("publicTrade") for row in message["data"]]
    category = venue.partition("_")[2]
    _, document, _ = await get(simulator, venue, f"/v5/market/recent-trade?category={category}&symbol={client.symbol}&limit=1000")
    listed = document["result"]["list"]
    assert len(listed) == (60 if venue == "bybit_spot" else min(1000, len(rows)))
    assert [(one["execId"], one["size"], one["time"]) for one in listed] == [
        (row["i"], row["v"], str(row["T"])) for row in reversed(rows[-len(listed) :])
    ]


@each_venue
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v5/market/recent-trade?category=option&symbol=X", "category is invalid"),
        ("/v5/market/instruments-info?category={}&limit=none", "limit is invalid"),
    ],
)
async def test_errors_have_status_200(simulator: Simulator, venue: str, path: str, words: str) -> None:
    """A wrong parameter is a code and words, with status 200."""
    status, document, _ = await get(simulator, venue, path.format(venue.partition("_")[2]))
    assert (status, document["retCode"]) == (200, 10001)
    assert words in document["retMsg"]


@each_venue
async def test_a_symbol_that_is_not_listed(simulator: Simulator, venue: str) -> None:
    """It is an empty list on spot, an error of contracts."""
    _, document, _ = await get(simulator, venue, f"/v5/market/recent-trade?category={venue.partition('_')[2]}&symbol=NOPE")
    assert (document["retCode"], document["result"].get("list")) == ((0, []) if venue == "bybit_spot" else (10001, None))


@each_venue
async def test_too_many_requests(simulator: Simulator, venue: str) -> None:
    """One too many has status 200, a code and the instant at which it may be asked again; where a fault says so, 403."""
    await simulator.inject(Fault("rate_limit", venue, retry_after=3))
    status, document, headers = await get(simulator, venue, "/v5/system/status")
    assert (status, document["retCode"]) == (200, 10006)
    assert int(headers["X-Bapi-Limit-Reset-Timestamp"]) - document["time"] == 3000
    await simulator.inject(Fault("rate_limit", venue, status=403))
    async with aiohttp.ClientSession() as http, http.get(simulator.addresses[f"{venue}_rest"] + "/v5/system/status") as response:
        assert (response.status, await response.text()) == (403, "access too frequent")
    _, document, _ = await get(simulator, venue, "/v5/system/status")
    assert [one["state"] for one in document["result"]["list"]] == ["completed"]
