"""The simulator as a whole: control over HTTP, the running clock, the command."""

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from decimal import Decimal

import aiohttp
import pytest

from simulator.candles import candles
from simulator.catalogue import all_venues, instruments
from simulator.instruments import some_bases
from simulator.server import Simulator, SimulatorSettings
from tests.simulator import clients


async def test_truth_over_http(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Trades, books and candles over HTTP are those kept in process, numbers as decimal text."""
    await simulator.step(1000)
    at = "venue=binance&symbol=BTCUSDT"
    answer = await clients.get(client, simulator, "control", f"/truth/trades?{at}&limit=5")
    tape = simulator.truth.tape("binance", "BTC/USDT")
    assert [trade["trade_id"] for trade in answer["trades"]] == [trade.trade_id for trade in tape.trades(limit=5)]
    assert (answer["first_trade_id"], answer["next_trade_id"]) == (tape.first_trade_id, tape.next_trade_id)
    book = await clients.get(client, simulator, "control", f"/truth/book?{at}&depth=30")
    assert (book["bids"], book["asks"]) == clients.truth(simulator, "binance", "BTC/USDT", 30)
    earlier = book["update_id"] - 100
    older = await clients.get(client, simulator, "control", f"/truth/book?{at}&update_id={earlier}")
    assert older["update_id"] == earlier
    made = (await clients.get(client, simulator, "control", f"/truth/candles?{at}&interval=1s"))["candles"]
    kept = candles(simulator.market.listing("binance", "BTC/USDT").instrument, tape.trades(), "1s")
    assert [{name: Decimal(value) for name, value in candle.items()} for candle in made] == [
        {name: Decimal(value) for name, value in asdict(candle).items()} for candle in kept
    ]


async def test_wrong_questions(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """What is not there is 404, what cannot be read is 400, both with the reason."""
    for path, status in (
        ("/truth/trades?venue=binance&symbol=NOPE", 404),
        ("/truth/book?venue=binance&symbol=BTCUSDT&update_id=1", 404),
        ("/truth/candles?venue=binance&symbol=BTCUSDT&interval=1y", 400),
        ("/truth/trades?venue=binance", 404),
    ):
        async with client.get(simulator.addresses["control"] + path) as response:
            assert response.status == status
            assert (await response.json())["error"]
    async with client.post(simulator.addresses["control"] + "/faults", json={"kind": "drop", "colour": 1}) as response:
        assert response.status == 400
        assert "colour" in (await response.json())["error"]


@pytest.mark.parametrize("path", ["/faults", "/keys"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5",
        b"null",
        b'"abc"',
        b"[]",
        b"{",
        b"{}",
        b"\xff",
        b'{"kind": "\xff"}',
        b"[" * 50_000,
        b'{"kind": "drop", "venue": []}',
        b'{"kind": "drop", "venue": "binance", "count": "x"}',
        b'{"kind": "drop", "venue": "binance", "seconds": NaN}',
        b'{"exchange": 1, "key": "a", "secret": "b"}',
        b'{"exchange": "a", "key": "a", "secret": "b", "permissions": 5}',
    ],
)
async def test_bodies_that_ask_for_nothing(simulator: Simulator, client: aiohttp.ClientSession, path: str, body: bytes) -> None:
    """Whatever a body holds, and whichever charset it claims, is refused in words."""
    for charset in ("utf-8", "nonsense", "rot13"):
        headers = {"Content-Type": f"text/plain; charset={charset}"}
        async with client.post(simulator.addresses["control"] + path, data=body, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["error"]


@pytest.mark.parametrize("number", ["3000000000", "-5", "0", "1.5", "9" * 5000])
async def test_steps_are_bounded(simulator: Simulator, client: aiohttp.ClientSession, number: str) -> None:
    """More steps than can be answered soon, and what is no number of steps, is refused in words; the market stands."""
    async with client.post(simulator.addresses["control"] + f"/step?number={number}") as response:
        assert response.status == 400
        assert (await response.json())["error"]
    assert simulator.market.steps == 0


@pytest.mark.parametrize("number", ["-1", "9" * 30, "9" * 5000, "x"])
@pytest.mark.parametrize("asked", ["book?update_id={}", "book?depth={}", "trades?from_id={}", "trades?limit={}"])
async def test_numbers_of_any_size(simulator: Simulator, client: aiohttp.ClientSession, asked: str, number: str) -> None:
    """No number in a question is a fault of the server's."""
    await simulator.step(10)
    path = f"/truth/{asked.format(number)}&venue=binance&symbol=BTCUSDT"
    async with client.get(simulator.addresses["control"] + path) as response:
        assert response.status in {200, 400, 404}


async def test_faults_over_http(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A fault is armed, seen, does its work, and is found in the log; another is cleared."""
    control = simulator.addresses["control"]
    listener = await clients.binance(client, simulator, "btcusdt@trade")
    wanted = {"venue": "binance", "kind": "drop", "symbol": "BTCUSDT", "channel": "trade", "count": 2}
    async with client.post(f"{control}/faults", json=wanted) as response:
        assert (await response.json())["number"] == 1
    async with client.post(f"{control}/faults", json=wanted | {"kind": "silent", "symbol": "ETHUSDT"}) as response:
        assert response.status == 200
    armed = await clients.get(client, simulator, "control", "/faults")
    assert [fault["kind"] for fault in armed["armed"]] == ["drop", "silent"]
    async with client.delete(f"{control}/faults/2") as response:
        assert await response.json() == {"cleared": 1}
    async with client.post(f"{control}/step?number=300") as response:
        assert (await response.json())["steps"] == 300
    (line,) = (await clients.get(client, simulator, "control", "/truth/faults"))["faults"]
    assert (line["kind"], line["last"] - line["first"], line["messages"]) == ("drop", 1, 2)
    seen = [json.loads(text)["data"]["t"] for text in await listener.texts()]
    assert seen[0] == line["last"] + 1


async def test_connections_say_what_was_sent(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """For each connection, open or ended, the truth tells messages, first and last id of each stream."""
    listener = await clients.binance(client, simulator, "btcusdt@trade")
    await simulator.step(500)
    seen = [json.loads(text)["data"]["t"] for text in await listener.texts()]
    expected = {"BTC/USDT trade": {"messages": len(seen), "first": seen[0], "last": seen[-1]}}
    for still_open in (True, False):
        (told,) = (await clients.get(client, simulator, "control", "/truth/connections"))["connections"]
        assert (told["venue"], told["open"], told["sent"]) == ("binance", still_open, expected)
        await listener.socket.close()


async def test_pause_makes_everything_final(client: aiohttp.ClientSession) -> None:
    """A running market paused at any moment has sent every change it made; resumed, it goes on without a hole."""
    async with Simulator(SimulatorSettings(rate=4000), running=True) as simulator:
        listener = await clients.binance(client, simulator, "btcusdt@trade", "btcusdt@depth@100ms")
        snapshot = await clients.get(client, simulator, "binance_rest", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
        book = clients.BinanceBook()
        book.start(snapshot)
        trades: list[int] = []
        for _ in range(2):
            texts = [await listener.next() for _ in range(150)]
            await simulator.pause()
            steps = simulator.market.steps
            for text in texts + await listener.texts():
                event = json.loads(text)["data"]
                if event["e"] == "trade":
                    trades.append(event["t"])
                else:
                    book.apply(event)
            assert book.top(50) == clients.truth(simulator, "binance", "BTC/USDT", 50)
            assert trades[-1] == simulator.truth.tape("binance", "BTC/USDT").next_trade_id - 1
            assert simulator.market.steps == steps
            simulator.resume()
        assert not book.missed
        assert trades == list(range(trades[0], trades[-1] + 1))


async def test_market_follows_the_wall_clock_after_a_pause(client: aiohttp.ClientSession) -> None:
    """A running market starts at the wall clock's time, and does not make up for the time of a pause."""
    wall = [1_700_000_000.0]
    async with Simulator(running=True, wall_clock=lambda: wall[0]) as simulator:
        listener = await clients.binance(client, simulator, "btcusdt@trade")
        before = json.loads(await listener.next())["data"]["T"]
        await simulator.pause()
        await listener.texts()
        wall[0] += 3600.0
        simulator.resume()
        after = json.loads(await listener.next())["data"]["T"]
        assert 0 <= before - 1_700_000_000_000 < 60_000
        assert 0 <= after - 1_700_003_600_000 < 60_000


async def test_command_prints_addresses_and_ends_on_sigterm(client: aiohttp.ClientSession) -> None:
    """`python -m simulator` says where it serves on its first line, and ends cleanly when told to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--seed", "5", "--rate", "500", "--symbols", "3", "--levels", "50"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        addresses = json.loads(await process.stdout.readline())
        async with client.get(addresses["control"] + "/status") as response:
            status = await response.json()
        assert status["running"]
        assert {one["venue"] for one in status["instruments"]} == set(all_venues())
        assert len(status["instruments"]) == len(instruments(all_venues(), some_bases(3)))
        wanted = {f"{name}_{kind}" for name in all_venues() for kind in ("ws", "rest")}
        wanted |= {f"{name}_authenticated_ws" for name, venue in all_venues().items() if venue.authenticated_path}
        assert set(addresses) == wanted | {"control"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
