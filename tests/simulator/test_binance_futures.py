"""The protocol of Binance's futures as a plain client sees it: routes, chains of books, both markets' contracts, refusals."""

import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from dialects.stream import Stream
from schemas.decimals import encode
from simulator.faults import Fault
from simulator.market import Trade
from simulator.server import Simulator, SimulatorSettings
from simulator.venues.binance_futures.rest import klines
from tests.simulator.dialect_client import client_of

VENUES = ("binance_usdm", "binance_coinm")
SYMBOLS = {"binance_usdm": "BTCUSDT", "binance_coinm": "BTCUSD_PERP"}
each_venue = pytest.mark.parametrize("venue", VENUES)


class Client:
    """A websocket, and what it has said."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._asked = 0

    async def ask(self, method: str, *streams: str) -> tuple[list[Any], Any]:
        """Send a request; return what was said before its answer, and the answer."""
        self._asked += 1
        await self.socket.send_str(json.dumps({"method": method, "params": streams, "id": self._asked}))
        seen: list[Any] = []
        while True:
            received = await self.socket.receive(timeout=20)
            assert received.type is aiohttp.WSMsgType.TEXT, received
            message = json.loads(received.data)
            if message.get("id") == self._asked:
                return seen, message
            seen.append(message)

    async def said(self) -> list[Any]:
        """Return everything sent so far."""
        return (await self.ask("LIST_SUBSCRIPTIONS"))[0]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start both markets, one base, standing still."""
    async with Simulator(SimulatorSettings(seed=4, venues=VENUES, bases=("BTC",), levels=200)) as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def connect(http: aiohttp.ClientSession, simulator: Simulator, venue: str, path: str) -> Client:
    """Open a websocket at a path of a venue."""
    return Client(await http.ws_connect(f"{simulator.addresses[f'{venue}_ws']}{path}", max_msg_size=0))


async def moved(simulator: Simulator, client: Client, steps: int = 1500) -> list[Any]:
    """Return what is said while the market makes some steps."""
    await simulator.step(steps)
    await simulator.pause()
    return await client.said()


@pytest.mark.parametrize(
    ("path", "spoken"),
    [
        ("/public/stream", {"depth@100ms", "bookTicker"}),
        ("/market/stream", {"aggTrade", "markPrice@1s"}),
        ("/stream", {"depth@100ms", "bookTicker"}),
    ],
)
async def test_a_route_confirms_what_it_does_not_carry(
    simulator: Simulator, http: aiohttp.ClientSession, path: str, spoken: set[str]
) -> None:
    """Every stream is confirmed on every route of USD-M; each route speaks of its own alone, and no route is the public one."""
    client = await connect(http, simulator, "binance_usdm", path)
    names = [f"btcusdt@{channel}" for channel in ("aggTrade", "depth@100ms", "bookTicker", "markPrice@1s")]
    _, answer = await client.ask("SUBSCRIBE", *names)
    assert answer == {"result": None, "id": 1}
    heard = {message["stream"].partition("@")[2] for message in await moved(simulator, client)}
    assert heard == spoken


async def test_one_address_carries_all_of_coinm(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """COIN-M has no routes: one connection hears books, trades and mark prices, each with its market and pair."""
    client = await connect(http, simulator, "binance_coinm", "/stream")
    names = [f"btcusd_perp@{channel}" for channel in ("aggTrade", "depth@100ms", "bookTicker", "markPrice@1s")]
    await client.ask("SUBSCRIBE", *names)
    said = await moved(simulator, client)
    assert {message["stream"] for message in said} == set(names)
    assert {message["data"]["st"] for message in said} == {2}
    assert {message["data"].get("ps", "BTCUSD") for message in said} == {"BTCUSD"}


@each_venue
async def test_a_book_is_a_chain(simulator: Simulator, http: aiohttp.ClientSession, venue: str) -> None:
    """Each change of a book names the last id of the one before, and goes on from the id of a snapshot that lies within."""
    symbol = SYMBOLS[venue]
    client = await connect(http, simulator, venue, "/public/stream" if venue == "binance_usdm" else "/stream")
    await client.ask("SUBSCRIBE", f"{symbol.lower()}@depth@100ms")
    changes = [message["data"] for message in await moved(simulator, client)]
    assert len(changes) > 5
    assert all(after["pu"] == before["u"] for before, after in pairwise(changes))
    assert all(one["U"] <= one["u"] for one in changes)
    path = "/fapi/v1/depth" if venue == "binance_usdm" else "/dapi/v1/depth"
    async with http.get(f"{simulator.addresses[f'{venue}_rest']}{path}?symbol={symbol}&limit=5") as response:
        snapshot = await response.json()
    assert snapshot["lastUpdateId"] == changes[-1]["u"]
    assert len(snapshot["bids"]) == 5


@each_venue
async def test_contracts_of_both_markets_are_told_of(simulator: Simulator, http: aiohttp.ClientSession, venue: str) -> None:
    """`!contractInfo` brings those of the other market too, which say so."""
    client = await connect(http, simulator, venue, "/market/stream" if venue == "binance_usdm" else "/stream")
    await client.ask("SUBSCRIBE", "!contractInfo")
    said = [message["data"] for message in await moved(simulator, client)]
    assert {one["st"] for one in said} == {1, 2}
    own = {one["s"] for one in said if one["st"] == (1 if venue == "binance_usdm" else 2)}
    assert own == {SYMBOLS[venue]}


@each_venue
async def test_only_the_latest_liquidation_of_a_second_is_told(simulator: Simulator, http: aiohttp.ClientSession, venue: str) -> None:
    """Of all sweeps of a second one is pushed: sampled, as the venue says."""
    symbol = SYMBOLS[venue].lower()
    client = await connect(http, simulator, venue, "/market/stream" if venue == "binance_usdm" else "/stream")
    await client.ask("SUBSCRIBE", f"{symbol}@forceOrder", f"{symbol}@markPrice@1s")
    said = await moved(simulator, client, 3000)
    orders = [message["data"] for message in said if message["stream"].endswith("@forceOrder")]
    seconds = [message["data"]["E"] for message in said if message["stream"].endswith("@markPrice@1s")]
    assert 0 < len(orders) <= len(seconds)
    assert len({one["E"] for one in orders}) == len(orders)


async def test_what_is_no_request_is_refused(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """In the venue's codes, and the connection goes on; the eleventh message of a second ends it."""
    client = await connect(http, simulator, "binance_coinm", "/ws")
    for text, code in (("{", 3), ('{"method":"SING"}', 2), ('{"method":"SUBSCRIBE","params":7,"id":1}', 2)):
        await client.socket.send_str(text)
        assert json.loads((await client.socket.receive(timeout=20)).data)["error"]["code"] == code
    for _ in range(11):
        await client.socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    while (received := await client.socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
        pass
    assert received.type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/fapi/v1/depth", -1102),
        ("/fapi/v1/depth?symbol=X", -1121),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=much", -1100),
        ("/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=x", -1100),
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=2m", -1120),
        ("/futures/data/takerlongshortRatio?symbol=X&period=5m", -1121),
        ("/futures/data/takerlongshortRatio?symbol=BTCUSDT&period=7m", -1130),
    ],
)
async def test_wrong_requests_are_refused_with_codes(simulator: Simulator, http: aiohttp.ClientSession, path: str, code: int) -> None:
    """Each mistake has the venue's code."""
    async with http.get(f"{simulator.addresses['binance_usdm_rest']}{path}") as response:
        assert response.status == 400
        assert (await response.json())["code"] == code


async def test_who_asks_too_often_is_banned(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """429 at first, 418 for those who go on, both with the seconds to wait."""
    for status in (429, 418):
        await simulator.inject(Fault("rate_limit", "binance_usdm", count=1, status=status))
        async with http.get(f"{simulator.addresses['binance_usdm_rest']}/fapi/v1/time") as response:
            assert response.status == status
            assert int(response.headers["Retry-After"]) > 0


@each_venue
async def test_klines_are_the_tape(simulator: Simulator, venue: str) -> None:
    """What is read of a minute is its trades: first, highest, lowest and last price, how many, and how much in each unit."""
    await simulator.step(2000)
    async with client_of(simulator, venue) as client:
        (listing,) = client.listings.values()
        instrument = listing.instrument
        tape = simulator.truth.tape(venue, instrument.symbol)
        (poll,) = client.dialect.polls([Stream("kline", instrument.wire_symbol)])
        made = [one.fields for one in await client.reply(poll.request)]
        trades: list[Trade] = tape.trades()
        price, size = instrument.price_writer(), instrument.size_writer()
        assert len(made) == 1
        assert (made[0]["open"], made[0]["close"]) == (encode(price(trades[0].price)), encode(price(trades[-1].price)))
        assert made[0]["high"] == encode(price(max(trade.price for trade in trades)))
        assert made[0]["volume"] == encode(size(sum(trade.size for trade in trades)))
        assert made[0]["trades"] == len(trades)
        assert made[0]["volume_unit"] == client.dialect.market.unit  # type: ignore[attr-defined]  # it is one of the two
        rows = klines(instrument, tape, "1m", 5, simulator.market.time_us)
        assert [row[0] for row in rows] == [one["open_time"] // 1000 for one in made]
