"""Kraken's authenticated channel as a plain client sees it: tokens, orders, and keys that end."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from simulator.server import Simulator, SimulatorSettings
from simulator.truth import OrderChange
from simulator.venues.kraken.venue import Kraken
from tests.simulator import clients

KEY = clients.KRAKEN_KEY
SECOND = 1_000_000


class Wall:
    """A wall clock moved by hand, in seconds."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.seconds

    @property
    def now_us(self) -> int:
        """The time in microseconds."""
        return int(self.seconds * SECOND)


@pytest.fixture
def wall() -> Wall:
    """Return the clock by which keys and tokens live."""
    return Wall()


@pytest.fixture
async def simulator(wall: Wall) -> AsyncIterator[Simulator]:
    """Start Kraken alone with one account, standing still, remembering what happens to orders."""
    async with Simulator(SimulatorSettings(seed=11, levels=300, venues=("kraken",), orders=True), wall_clock=wall) as started:
        started.accounts.add(KEY)
        yield started


async def token_of(client: aiohttp.ClientSession, simulator: Simulator, key: Any = KEY) -> str:
    """Return a token."""
    return str((await clients.kraken_token(client, simulator, key))["result"]["token"])


async def asked(client: aiohttp.ClientSession, simulator: Simulator, **params: Any) -> dict[str, Any]:
    """Return the answer to a subscription on a connection of its own."""
    listener = await clients.listen(client, simulator, "kraken_authenticated")
    await listener.next()
    await listener.ask({"method": "subscribe", "params": {"channel": "level3", "symbol": ["BTC/USD"]} | params, "req_id": 5})
    return dict(json.loads(await listener.next()))


def level3(texts: list[str]) -> list[str]:
    """Return the messages of the channel."""
    return [text for text in texts if text.startswith('{"channel":"level3"')]


def changes(simulator: Simulator, symbol: str) -> list[OrderChange]:
    """Return what happened to orders."""
    venue = simulator.venues["kraken"]
    assert isinstance(venue, Kraken)
    return venue.orders.changes(symbol)


async def test_a_signed_request_gets_a_token(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A token is given to who signs with a living key that may read, and each time another; others hear why not."""
    answer = await clients.kraken_token(client, simulator)
    assert (answer["error"], answer["result"]["expires"], len(answer["result"]["token"])) == ([], 900, 43)
    assert await token_of(client, simulator) != answer["result"]["token"]
    wrong = replace(KEY, secret="b3RoZXI=")
    assert await clients.kraken_token(client, simulator, wrong) == {"error": ["EAPI:Invalid signature"]}
    assert await clients.kraken_token(client, simulator, replace(KEY, key="nobody's")) == {"error": ["EAPI:Invalid key"]}
    simulator.accounts.add(replace(KEY, key="trader", permissions=frozenset({"trade"})))
    assert await clients.kraken_token(client, simulator, replace(KEY, key="trader")) == {"error": ["EGeneral:Permission denied"]}


async def test_tokens_are_those_of_the_seed(client: aiohttp.ClientSession) -> None:
    """The same seed gives the same tokens in the same order, another seed others."""
    found = []
    for seed in (1, 1, 2):
        async with Simulator(SimulatorSettings(seed=seed, levels=20, venues=("kraken",))) as simulator:
            simulator.accounts.add(KEY)
            found.append([await token_of(client, simulator) for _ in range(2)])
    assert found[0] == found[1] != found[2]


async def test_orders_follow_the_market(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Snapshot and updates by Kraken's rules give every checksum right, the true book, and every change that was made."""
    await simulator.step(500)
    listener = await clients.kraken_orders(client, simulator, await token_of(client, simulator))
    known = len(changes(simulator, "BTC/USD"))
    await simulator.step(1200)
    book = clients.KrakenOrders(1000)
    for text in level3(await listener.texts()):
        book.apply(text)
    assert book.messages > 200
    assert (book.mismatches, book.mistakes) == (0, [])
    assert book.top() == clients.truth(simulator, "kraken", "BTC/USD", 1000)
    made = changes(simulator, "BTC/USD")[known:]
    assert [(order["order_id"], order["event"], order["limit_price"]) for order in book.heard] == [each[:3] for each in made]
    assert [order["order_qty"] for order in book.heard if order["event"] != "delete"] == [
        each.size for each in made if each.action != "delete"
    ]
    assert all(len(order["timestamp"]) == 30 for order in book.heard)


async def test_two_connections_hear_the_same(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """From when both are subscribed, the same changes in the same bytes; the later one begins with the orders as they rest then."""
    token = await token_of(client, simulator)
    first = await clients.kraken_orders(client, simulator, token)
    await simulator.step(400)
    earlier = clients.KrakenOrders(1000)
    for text in level3(await first.texts()):
        earlier.apply(text)
    second = await clients.kraken_orders(client, simulator, token)
    await simulator.step(400)
    heard, (snapshot, *same) = level3(await first.texts()), level3(await second.texts())
    assert len(same) > 50
    assert same == heard
    later = clients.KrakenOrders(1000)
    later.apply(snapshot)
    assert (later.bids, later.asks) == (
        {name: without_event(order) for name, order in earlier.bids.items()},
        {name: without_event(order) for name, order in earlier.asks.items()},
    )


def without_event(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as a snapshot writes it."""
    return {name: value for name, value in order.items() if name != "event"}


@pytest.mark.parametrize("depth", [10, 100, 1000])
async def test_each_depth_is_kept(simulator: Simulator, client: aiohttp.ClientSession, depth: int) -> None:
    """A client that cuts to the depth it asked for holds the best levels, every checksum right."""
    listener = await clients.kraken_orders(client, simulator, await token_of(client, simulator), "ETH/USD", depth)
    await simulator.step(800)
    book = clients.KrakenOrders(depth)
    for text in level3(await listener.texts()):
        book.apply(text)
    assert (book.mismatches, book.mistakes) == (0, [])
    assert book.top() == clients.truth(simulator, "kraken", "ETH/USD", depth)


async def test_refusals_in_the_venues_words(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Without a token, with one nobody gave, for what is not there, or on the public path: refused, each in its words."""
    token = await token_of(client, simulator)
    refused = {"success": False, "method": "subscribe", "req_id": 5}
    for params, words in (
        ({}, "Token(s) not found"),
        ({"token": ""}, "Token(s) not found"),
        ({"token": "made-up"}, "ESession:Invalid session"),
        ({"token": token, "depth": 25}, "Subscription depth not supported"),
        ({"token": token, "symbol": ["XBT/USD"]}, "Currency pair not supported XBT/USD"),
        ({"token": token, "channel": "book"}, "Channel not supported"),
    ):
        answer = await asked(client, simulator, **params)
        assert answer | refused == answer
        assert answer["error"] == words
        assert token not in json.dumps(answer)
    listener = await clients.kraken(client, simulator, {"channel": "level3", "symbol": ["BTC/USD"], "token": token})
    assert "Channel not supported" in (await listener.texts())[-1]
    assert (await asked(client, simulator, token=token))["result"] == {
        "channel": "level3",
        "depth": 10,
        "snapshot": True,
        "symbol": "BTC/USD",
    }


async def test_one_depth_for_a_symbol(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A symbol is subscribed at one depth at a time, and given up with its depth and a token; afterwards nothing comes."""
    token = await token_of(client, simulator)
    listener = await clients.kraken_orders(client, simulator, token, depth=100)
    params = {"channel": "level3", "symbol": ["BTC/USD"], "token": token}
    await listener.texts()
    for method, depth in (("subscribe", 10), ("unsubscribe", 10), ("unsubscribe", 100)):
        await listener.ask({"method": method, "params": params | {"depth": depth}})
    answers = [json.loads(text) for text in await listener.texts()]
    assert [answer.get("error") for answer in answers] == ["Already subscribed", "Subscription Not Found", None]
    await simulator.step(300)
    assert level3(await listener.texts()) == []


async def test_a_token_opens_for_fifteen_minutes(simulator: Simulator, client: aiohttp.ClientSession, wall: Wall) -> None:
    """Later it opens nothing on a new connection; the one it opened lives on, and may still use it."""
    token = await token_of(client, simulator)
    listener = await clients.kraken_orders(client, simulator, token)
    wall.seconds += 899
    assert (await asked(client, simulator, token=token))["success"]
    wall.seconds += 2
    assert (await asked(client, simulator, token=token))["error"] == "ESession:Invalid session"
    await listener.texts()
    await simulator.step(300)
    assert level3(await listener.texts())
    await listener.ask({"method": "subscribe", "params": {"channel": "level3", "symbol": ["ETH/USD"], "token": token}})
    assert json.loads((await listener.texts())[0])["success"]


async def closed(listener: clients.Listener) -> int:
    """Read to the end of a connection and return the code it was closed with."""
    while True:
        received = await listener.socket.receive(timeout=20)
        if received.type is not aiohttp.WSMsgType.TEXT:
            assert received.type is aiohttp.WSMsgType.CLOSE, received
            return int(received.data)


@pytest.mark.parametrize("ending", ["expires", "is taken away"])
async def test_a_key_that_ends_ends_its_connections(simulator: Simulator, client: aiohttp.ClientSession, wall: Wall, ending: str) -> None:
    """A connection opened with the key is closed with a close frame, its token opens nothing any more; another key's stays."""
    until = wall.now_us + 60 * SECOND
    simulator.accounts.add(replace(KEY, key="other", expires_us=until if ending == "expires" else None))
    token = await token_of(client, simulator, replace(KEY, key="other"))
    dying = await clients.kraken_orders(client, simulator, token)
    staying = await clients.kraken_orders(client, simulator, await token_of(client, simulator))
    if ending == "expires":
        wall.seconds += 60
    else:
        simulator.accounts.end("kraken", "other")
    assert await closed(dying) == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert (await asked(client, simulator, token=token))["error"] == "ESession:Invalid session"
    await simulator.step(100)
    assert level3(await staying.texts())
    (line,) = (line for line in simulator.faults.log if line.kind == "key_ended")
    assert line.connections == [1]


async def test_a_key_that_may_no_longer_read(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A token of a key whose permissions were cut opens nothing."""
    token = await token_of(client, simulator)
    simulator.accounts.add(replace(KEY, permissions=frozenset({"trade"})))
    assert (await asked(client, simulator, token=token))["error"] == "EAccount:Invalid permissions"


async def test_changes_over_http(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """What happened to orders is told at the control address, numbers as text; a simulator that keeps none says so."""
    await simulator.step(200)
    answer = await clients.get(client, simulator, "control", "/truth/orders?venue=kraken&symbol=ETH/USD")
    assert [OrderChange(**change) for change in answer["changes"]] == changes(simulator, "ETH/USD")
    assert answer["changes"]
    async with Simulator(SimulatorSettings(levels=20)) as other:
        for venue, symbol, status in (("kraken", "BTC/USD", 400), ("binance", "BTCUSDT", 404)):
            async with client.get(f"{other.addresses['control']}/truth/orders?venue={venue}&symbol={symbol}") as response:
                assert response.status == status
                assert "orders" in (await response.json())["error"]
