"""Every fault of connections and requests does what it says."""

import json

import aiohttp
import pytest

from simulator.faults import Fault
from simulator.server import Simulator
from tests.simulator import clients

TRADES = "btcusdt@trade"
BOOK = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}


def ids(texts: list[str]) -> list[int]:
    return [json.loads(text)["data"]["t"] for text in texts]


@pytest.mark.parametrize("abrupt", [False, True])
async def test_disconnect_all(simulator: Simulator, client: aiohttp.ClientSession, abrupt: bool) -> None:
    """Every connection of the venue ends, what was sent before arrives, and the log has the last ids."""
    listeners = [await clients.binance(client, simulator, TRADES) for _ in range(2)]
    other = await clients.kraken(client, simulator, BOOK)
    await simulator.step(200)
    seen = [ids(await listener.texts()) for listener in listeners]
    await simulator.inject(Fault("disconnect", "binance", abrupt=abrupt))
    for listener in listeners:
        ended = await listener.socket.receive(timeout=10)
        assert ended.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert simulator.venues["binance"].connections == {}
    assert [line.detail["last_sent"] for line in simulator.faults.log] == [{"BTC/USDT trade": each[-1]} for each in seen]
    await simulator.step(10)
    assert await other.texts()


async def test_one_connection_only(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A fault for one connection spares the other."""
    hit, spared = [await clients.binance(client, simulator, TRADES) for _ in range(2)]
    await simulator.inject(Fault("drop", "binance", channel="trade", count=4, connection=1))
    await simulator.step(300)
    all_ids = ids(await spared.texts())
    assert ids(await hit.texts()) == all_ids[4:]
    await simulator.inject(Fault("disconnect", "binance", connection=2))
    assert list(simulator.venues["binance"].connections) == [1]


async def test_refused_connections(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Two attempts, by websocket or REST, are refused, the third is served."""
    await simulator.inject(Fault("refuse", "kraken", count=2))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.ws_connect(simulator.addresses["kraken_ws"])
    assert refused.value.status == 503
    async with client.get(simulator.addresses["kraken_rest"] + "/0/public/Time") as response:
        assert response.status == 503
    await clients.kraken(client, simulator, BOOK)


async def test_refused_for_a_time(client: aiohttp.ClientSession) -> None:
    """A refusal with seconds ends when they are over."""
    now = [100.0]
    async with Simulator(clock=lambda: now[0]) as simulator:
        await simulator.inject(Fault("refuse", "binance", seconds=5.0))
        url = simulator.addresses["binance_rest"] + "/api/v3/ping"
        statuses = []
        for moment in (100.0, 104.9, 105.0):
            now[0] = moment
            async with client.get(url) as response:
                statuses.append(response.status)
        assert statuses == [503, 503, 200]


@pytest.mark.parametrize(
    ("venue", "path", "asked", "status", "text"),
    [
        ("binance", "/api/v3/ping", None, 429, "-1003"),
        ("binance", "/api/v3/ping", 418, 418, "banned until"),
        ("kraken", "/0/public/Time", None, 200, "EGeneral:Too many requests"),
        ("kraken", "/0/public/Time", 429, 429, "EGeneral:Too many requests"),
    ],
)
async def test_rate_limit(
    simulator: Simulator,
    client: aiohttp.ClientSession,
    venue: str,
    path: str,
    asked: int | None,
    status: int,
    text: str,
) -> None:
    """One REST request too many gets the venue's refusal with Retry-After, the next is served; sockets are spared."""
    await simulator.inject(Fault("rate_limit", venue, status=asked, retry_after=7))
    await clients.listen(client, simulator, venue, "/ws" if venue == "binance" else "")
    url = simulator.addresses[f"{venue}_rest"] + path
    async with client.get(url) as response:
        assert (response.status, response.headers["Retry-After"]) == (status, "7")
        assert text in await response.text()
    async with client.get(url) as response:
        assert response.status == 200
        assert text not in await response.text()


async def test_shutdown_is_announced(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Binance sends serverShutdown in the connection's form, Kraken says maintenance; nobody is disconnected."""
    combined = await clients.binance(client, simulator, TRADES)
    raw = await clients.listen(client, simulator, "binance", f"/ws/{TRADES}")
    await raw.settle()
    other = await clients.kraken(client, simulator, BOOK)
    await other.texts()
    for venue in ("binance", "kraken"):
        await simulator.inject(Fault("shutdown", venue))
    event = {"e": "serverShutdown", "E": simulator.market.time_us // 1000}
    assert json.loads(await combined.next()) == {"stream": "!serverShutdown", "data": event}
    assert json.loads(await raw.next()) == event
    assert json.loads(await other.next())["data"][0]["system"] == "maintenance"
