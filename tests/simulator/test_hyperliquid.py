"""Hyperliquid's protocol as a plain client sees it."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from dialects.hyperliquid.dialect import Hyperliquid
from dialects.stream import Stream
from simulator.faults import Fault
from simulator.server import Simulator, SimulatorSettings
from simulator.venues.hyperliquid import venue as module
from simulator.venues.hyperliquid.instruments import index_of

VENUE = "hyperliquid"
PAIR = f"@{index_of('BTC')}"
SECOND = 1_000_000


class Client:
    """A websocket and what it has said."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, method: str, kind: str, coin: Any = "BTC", **more: Any) -> None:
        """Ask for a subscription, or give it up."""
        wanted = {"type": kind} | ({} if coin is None else {"coin": coin}) | more
        await self.socket.send_str(json.dumps({"method": method, "subscription": wanted}))

    async def next(self) -> Any:
        """Read one message."""
        received = await self.socket.receive(timeout=20)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        return json.loads(received.data)

    async def said(self) -> list[Any]:
        """Return every message sent so far, up to the answer to a ping."""
        await self.socket.send_str('{"method":"ping"}')
        seen = []
        while (message := await self.next()) != {"channel": "pong"}:
            seen.append(message)
        return seen

    async def post(self, **payload: Any) -> Any:
        """Return the response to a post request."""
        await self.socket.send_str(json.dumps({"method": "post", "id": 7, "request": {"type": "info", "payload": payload}}))
        message = await self.next()
        assert (message["channel"], message["data"]["id"]) == ("post", 7)
        return message["data"]["response"]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start the market alone, standing still."""
    async with Simulator(SimulatorSettings(seed=5, venues=(VENUE,), bases=("BTC", "ETH"), levels=120, rate=500.0)) as started:
        yield started


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    """Give a connected client."""
    async with aiohttp.ClientSession() as http, http.ws_connect(simulator.addresses[f"{VENUE}_ws"], max_msg_size=0) as socket:
        yield Client(socket)


async def info(simulator: Simulator, body: Any) -> tuple[int, str]:
    """Return status and text of a request for information."""
    async with aiohttp.ClientSession() as http, http.post(f"{simulator.addresses[f'{VENUE}_rest']}/info", json=body) as response:
        return response.status, await response.text()


def truth(simulator: Simulator, coin: str, depth: int) -> list[list[tuple[Decimal, Decimal]]]:
    """Return the best levels of the market."""
    listing = next(one for one in simulator.venues[VENUE].listings.values() if one.instrument.wire_symbol == coin)
    price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
    return [
        [(Decimal(price(at)), Decimal(size(amount))) for at, amount in side.top(depth)] for side in (listing.book.bids, listing.book.asks)
    ]


def levels(sides: Any) -> list[list[tuple[Decimal, Decimal]]]:
    """Return the levels of both sides."""
    return [[(Decimal(level["px"]), Decimal(level["sz"])) for level in side] for side in sides]


async def until(simulator: Simulator, time_us: int) -> None:
    """Move the market up to a time."""
    while simulator.market.time_us < time_us:
        await simulator.step(20)


async def test_a_subscription_is_echoed_with_its_defaults_before_it_speaks(simulator: Simulator, client: Client) -> None:
    """The book is there at once, whole, with twenty levels a side, five on the fast feed; numbers have at least one decimal."""
    for coin, fast in (("BTC", False), (PAIR, True)):
        await client.ask("subscribe", "l2Book", coin, **({"fast": True} if fast else {}))
        echo, book = await client.said()
        whole = {"nSigFigs": None, "mantissa": None, "fast": fast, "type": "l2Book", "coin": coin}
        assert echo == {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": whole}}
        assert (book["channel"], book["data"]["coin"], "fast" in book["data"]) == ("l2Book", coin, fast)
        assert levels(book["data"]["levels"]) == truth(simulator, coin, 5 if fast else 20)
        assert all("." in level[name] for side in book["data"]["levels"] for level in side for name in ("px", "sz"))


async def test_books_come_again_whether_they_have_changed_or_not(simulator: Simulator, client: Client) -> None:
    """Every five seconds, or twice a second; each is the market's at its time."""
    await client.ask("subscribe", "l2Book", "BTC")
    await client.ask("subscribe", "l2Book", "ETH", fast=True)
    await client.said()
    start = simulator.market.time_us
    await until(simulator, start + 12 * SECOND)
    seen = await client.said()
    times = {coin: [one["data"]["time"] for one in seen if one["data"]["coin"] == coin] for coin in ("BTC", "ETH")}
    assert 2 <= len(times["BTC"]) <= 4
    assert 20 <= len(times["ETH"]) <= 26
    assert times["ETH"] == sorted(times["ETH"])
    await simulator.pause()
    last = (await client.said())[-2:]
    assert {one["data"]["coin"]: levels(one["data"]["levels"]) for one in last} == {
        "BTC": truth(simulator, "BTC", 20),
        "ETH": truth(simulator, "ETH", 5),
    }


async def test_the_last_trades_come_again_at_subscription(simulator: Simulator, client: Client) -> None:
    """Up to thirty, oldest first, in one message; their ids are the same as when they happened."""
    await client.ask("subscribe", "trades")
    assert len(await client.said()) == 1
    await simulator.step(600)
    live = [row for one in await client.said() for row in one["data"]]
    assert len(live) > 30
    await client.ask("unsubscribe", "trades")
    await client.ask("subscribe", "trades")
    *_, again = await client.said()
    assert again == {"channel": "trades", "data": live[-30:]}
    assert len({row["tid"] for row in live}) == len(live)
    assert all(row["tid"] < 2**50 and row["side"] in "AB" for row in live)


async def test_a_coin_that_is_not_listed_ends_the_connection_without_a_word(simulator: Simulator, client: Client) -> None:
    """So does a spelling with other letters; every other stream of the connection ends with it."""
    await client.ask("subscribe", "bbo", "BTC")
    await client.said()
    await client.ask("subscribe", "l2Book", "btc")
    received = await client.socket.receive(timeout=20)
    assert received.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
    assert client.socket.close_code == 1006
    assert not simulator.venues[VENUE].connections


async def test_a_wrong_coin_costs_no_other_stream_of_its_connection(simulator: Simulator, client: Client) -> None:
    """The dialect's session asks about each coin first: the wrong one is refused, and the others are confirmed and go on."""
    session = Hyperliquid().session()
    streams = [Stream(channel, coin) for coin in ("BTC", "NOPE", "btc", PAIR) for channel in ("trade", "book", "ticker")]
    for one in session.ask(streams):
        await client.socket.send_str(one.message.decode())
    confirmed, refused = set[Stream](), set[Stream | None]()
    while len(confirmed) + len(refused) < len(streams):
        signal = session.hear(json.dumps(await client.next()).encode())
        confirmed |= set(signal.confirmed)
        refused |= {stream for stream, _ in signal.refused}
        if signal.answer is not None:
            await client.socket.send_str(signal.answer.decode())
    assert {stream.symbol for stream in confirmed} == {"BTC", PAIR}
    assert {stream.symbol for stream in refused if stream} == {"NOPE", "btc"}
    assert simulator.venues[VENUE].connections


async def test_whether_a_coin_is_listed_can_be_asked(simulator: Simulator, client: Client) -> None:
    """A post request for the book of no coin is null, and the connection goes on."""
    assert await client.post(type="l2Book", coin="NOPE") == {"type": "info", "payload": {"type": "l2Book", "data": None}}
    payload = (await client.post(type="l2Book", coin="BTC"))["payload"]
    assert levels(payload["data"]["levels"]) == truth(simulator, "BTC", 20)
    assert (await client.post(type="horoscope"))["type"] == "error"
    assert (await client.post(type="fundingHistory", coin=PAIR, startTime=1)) == {
        "type": "error",
        "payload": "500 Internal Server Error: null",
    }


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"method":"dance"}',
        '{"method":"subscribe"}',
        '{"method":"subscribe","subscription":{"type":"bbo","coin":["BTC"]}}',
        '{"method":"subscribe","subscription":{"type":"horoscope","coin":"BTC"}}',
        '{"method":"post","request":{"type":"info","payload":{}}}',
    ],
)
async def test_what_is_no_request_is_said_back(client: Client, text: str) -> None:
    """The error ends with the request, and the connection goes on."""
    await client.socket.send_str(text)
    assert await client.said() == [{"channel": "error", "data": f"Error parsing JSON into valid websocket request: {text}"}]


async def test_what_is_asked_twice_is_an_error(client: Client) -> None:
    """Subscribed or given up already: the error ends with the whole subscription."""
    whole = '{"nSigFigs":null,"mantissa":null,"fast":false,"type":"l2Book","coin":"BTC"}'
    await client.ask("unsubscribe", "l2Book")
    await client.ask("subscribe", "l2Book")
    await client.ask("subscribe", "l2Book")
    errors = [one["data"] for one in await client.said() if one["channel"] == "error"]
    assert errors == [f"Already unsubscribed: {whole}", f"Already subscribed: {whole}"]


async def test_contexts(simulator: Simulator, client: Client) -> None:
    """A perpetual's each second, spot's under another name, and those of all without names, in the order of the universe."""
    await client.ask("subscribe", "activeAssetCtx", "BTC")
    await client.ask("subscribe", "activeAssetCtx", PAIR)
    await client.ask("subscribe", "allDexsAssetCtxs", None)
    await client.said()
    await until(simulator, simulator.market.time_us + 15 * SECOND)
    await simulator.pause()
    seen = await client.said()
    own = [one["data"] for one in seen if one["channel"] == "activeAssetCtx"]
    spot = [one["data"] for one in seen if one["channel"] == "activeSpotAssetCtx"]
    every = [one["data"]["ctxs"] for one in seen if one["channel"] == "allDexsAssetCtxs"]
    assert 14 <= len(own) <= 18
    assert own[-1]["coin"] == "BTC"
    assert {"funding", "openInterest", "premium", "oraclePx", "markPx", "midPx", "impactPxs"} <= own[-1]["ctx"].keys()
    assert spot[-1]["ctx"]["coin"] == spot[-1]["coin"] == PAIR
    assert "funding" not in spot[-1]["ctx"]
    ((dex, contexts),) = every[-1]
    metas = json.loads((await info(simulator, {"type": "allPerpMetas"}))[1])
    assert (dex, [coin["name"] for coin in metas[0]["universe"]]) == ("", ["BTC", "ETH"])
    assert contexts[0] == own[-1]["ctx"]
    assert len(contexts) == 2


async def test_requests_that_are_not_answered(simulator: Simulator) -> None:
    """A body that is not understood has status 422 and plain text, a coin that is not listed 500 and null, one too many 429."""
    words = "Failed to deserialize the JSON body into the target type"
    bodies: list[Any] = [{"type": "horoscope"}, {}, [], {"type": "fundingHistory", "coin": "BTC"}, {"type": "candleSnapshot", "req": 1}]
    for body in bodies:
        assert await info(simulator, body) == (422, words)
    assert await info(simulator, {"type": "fundingHistory", "coin": "NOPE", "startTime": 1}) == (500, "null")
    assert await info(simulator, {"type": "l2Book", "coin": "NOPE"}) == (200, "null")
    await simulator.inject(Fault("rate_limit", VENUE, count=1))
    assert (await info(simulator, {"type": "meta"}))[0] == 429
    assert (await info(simulator, {"type": "meta"}))[0] == 200


async def test_fundings_are_of_every_hour(simulator: Simulator) -> None:
    """From the start that is asked for to now, 500 at most, each some milliseconds after its hour."""
    now = simulator.market.time_us // 1000
    status, text = await info(simulator, {"type": "fundingHistory", "coin": "BTC", "startTime": now - 4 * 3_600_000})
    rows = json.loads(text)
    assert status == 200
    assert [row["time"] // 3_600_000 for row in rows] == list(range(now // 3_600_000 - 4, now // 3_600_000 + 1))
    assert len(json.loads((await info(simulator, {"type": "fundingHistory", "coin": "BTC", "startTime": 0}))[1])) == 500


async def test_a_connection_that_nothing_is_sent_to_is_closed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue counts what it sends, so a ping keeps a connection, by its answer."""
    assert await client.said() == []
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.1)
    received = await client.socket.receive(timeout=20)
    assert received.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR}
