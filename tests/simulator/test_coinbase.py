"""Coinbase's protocols as a plain client sees them: Advanced Trade and the Exchange."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from dialects.stream import Stream
from simulator.faults import Fault
from simulator.server import Simulator, SimulatorSettings
from tests.dialects.test_full_recordings import Book
from tests.simulator.dialect_client import Client, client_of
from tests.waiting import until

UNLIMITED = 10**9


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start both venues, standing still."""
    settings = SimulatorSettings(seed=5, venues=("coinbase", "coinbase_derivatives", "coinbase_exchange"), bases=("BTC", "XRP"), levels=100)
    async with Simulator(settings) as started:
        yield started


async def opened(simulator: Simulator, http: aiohttp.ClientSession, venue: str) -> aiohttp.ClientWebSocketResponse:
    """Connect to a venue."""
    return await http.ws_connect(simulator.addresses[f"{venue}_ws"], max_msg_size=0)


async def said(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    """Return the next messages."""
    return [json.loads((await socket.receive(timeout=20)).data) for _ in range(count)]


async def test_every_message_has_a_number_of_its_connection(simulator: Simulator) -> None:
    """From 0, by one, over all channels and answers; each connection counts for itself."""
    async with aiohttp.ClientSession() as http:
        first, second = await opened(simulator, http, "coinbase"), await opened(simulator, http, "coinbase")
        for socket, channels in ((first, ["level2", "market_trades"]), (second, ["ticker"])):
            for channel in channels:
                await socket.send_json({"type": "subscribe", "product_ids": ["BTC-USD", "XRP-USD"], "channel": channel})
        numbers = [one["sequence_num"] for one in await said(first, 6)]
        assert numbers == list(range(6))
        assert [one["sequence_num"] for one in await said(second, 3)] == [0, 1, 2]
        await simulator.step(120)
        assert [one["sequence_num"] for one in await said(first, 20)] == list(range(6, 26))


async def test_a_message_that_a_fault_takes_leaves_its_number(simulator: Simulator) -> None:
    """A client sees the hole by the counter, on the connection that it was taken from alone; what nobody knows is counted too."""
    async with aiohttp.ClientSession() as http:
        sockets = [await opened(simulator, http, "coinbase") for _ in range(2)]
        for socket in sockets:
            await socket.send_json({"type": "subscribe", "product_ids": ["BTC-USD", "XRP-USD"], "channel": "level2"})
            await said(socket, 3)
        await simulator.inject(Fault("drop", "coinbase", channel="level2", connection=1, count=1))
        await simulator.step(60)
        numbers = [[one["sequence_num"] for one in await said(socket, 5)] for socket in sockets]
        assert numbers == [[4, 5, 6, 7, 8], [3, 4, 5, 6, 7]]
        await simulator.inject(Fault("unknown", "coinbase", connection=2, count=1))
        await simulator.step(60)
        rest = await said(sockets[1], 30)
        assert [one["sequence_num"] for one in rest] == list(range(8, 38))
        assert [one["channel"] for one in rest].count("something_new") == 1


async def test_a_dropped_message_breaks_the_book_and_a_new_subscription_mends_it(simulator: Simulator) -> None:
    """By the dialect: the book is wrong after the hole, which the counter shows; asked for again it is the market's."""
    async with client_of(simulator, "coinbase") as client:
        await client.open(client.streams(["book"]))
        await simulator.inject(Fault("drop", "coinbase", symbol="BTC-USD", channel="level2", count=3))
        await simulator.step(900)
        await client.settle()
        numbers = [client.dialect.connection_sequence(payload) for payload in client.said]
        known = [number for number in numbers if number is not None]
        holes = [after for before, after in pairwise(known) if after != before + 1]
        assert holes
        book = Stream("book", "BTC-USD")
        client.confirmed.clear()
        (line,) = client.lines
        for message in (*line.session.give_up([book]), *line.session.ask([book])):
            await client.say(line, message.message)
        while book not in client.confirmed:
            await client.receive(line)
        await simulator.step(300)
        await client.settle()
        rebuilt = Book(UNLIMITED)
        for name, fields in client.made():
            if name == "book_delta" and fields["symbol"] == "BTC-USD":
                rebuilt.apply(fields)
        truth = client.listings["BTC-USD"].book
        assert (len(rebuilt.bids), len(rebuilt.asks)) == (len(truth.bids.keys), len(truth.asks.keys))


@pytest.mark.parametrize("venue", ["coinbase", "coinbase_exchange"])
async def test_a_product_that_is_not_listed_costs_no_other(simulator: Simulator, venue: str) -> None:
    """The request is refused by the product's name; by the dialect the others are asked for again and confirmed."""
    async with client_of(simulator, venue) as client:
        good, wrong = client.streams(["trade"]), Stream("trade", "ABC-XYZ")
        line = await client.connect(tuple(good))
        for message in line.session.ask([good[0], wrong, good[1]]):
            await client.say(line, message.message)
        while not set(good) <= client.confirmed:
            await client.receive(line)
        assert [stream for stream, _ in client.refused] == [wrong]


async def test_the_exchange_refuses_what_wants_a_signature(simulator: Simulator) -> None:
    """In the venue's words, and a channel that it does not have by its name."""
    async with aiohttp.ClientSession() as http:
        socket = await opened(simulator, http, "coinbase_exchange")
        for name in ("full", "level2", "candles"):
            await socket.send_json({"type": "subscribe", "channels": [{"name": name, "product_ids": ["BTC-USD"]}]})
        answers = await said(socket, 3)
        assert [one["type"] for one in answers] == ["error"] * 3
        assert "require authentication" in answers[0]["reason"]
        assert answers[2]["reason"] == "candles is not a valid channel"
        await socket.send_json({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2_batch", "heartbeat"]})
        found = await said(socket, 2)
        assert [one["type"] for one in found] == ["snapshot", "subscriptions"]


async def test_heartbeats_come_unasked_by_the_market(simulator: Simulator) -> None:
    """Once a second of wall time, numbered as all else; whoever gave up every stream hears none."""
    async with client_of(simulator, "coinbase") as client:
        trades: list[Stream] = client.streams(["trade"])
        await client.open(trades)
        before = len(client.said)
        await until(lambda: client.lines[0].other_end.frames > before)
        await client.settle()
        assert b'"channel":"heartbeats"' in client.said[-1]
        assert client.dialect.connection_sequence(client.said[-1]) == len(client.said) - 1


async def test_contracts_stand_at_what_their_market_says(simulator: Simulator) -> None:
    """Each contract is in the list, and what has not changed of it is not told again."""
    client: Client
    async with client_of(simulator, "coinbase_derivatives") as client:
        (poll,) = client.dialect.polls([Stream("contract", "")])
        made = await client.reply(poll.request)
        assert {fields["symbol"] for _, fields in made} == {"BIP-20DEC30-CDE", "XRPP-20DEC30-CDE"}
        assert await client.reply(poll.request) == []
