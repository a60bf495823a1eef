"""Binance's protocol as a plain client sees it."""

import json
from itertools import pairwise

import aiohttp
import pytest

from simulator.server import Simulator, SimulatorSettings
from tests.simulator import clients


async def test_subscribe_list_and_unsubscribe(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Requests are answered with their id, in the documented forms."""
    listener = await clients.listen(client, simulator, "binance", "/stream")
    await listener.ask({"method": "SUBSCRIBE", "params": ["btcusdt@trade", "ethusdt@depth"], "id": 1})
    assert json.loads(await listener.next()) == {"result": None, "id": 1}
    await listener.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": "x"})
    assert json.loads(await listener.next()) == {"result": None, "id": "x"}
    await listener.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3})
    assert json.loads(await listener.next()) == {"result": ["ethusdt@depth"], "id": 3}
    await listener.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 4})
    assert json.loads(await listener.next()) == {"result": True, "id": 4}


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("{", 3),
        ("{}", 2),
        ('{"method":"SUBSCRIB","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":{}}', 2),
        ('{"method":"SUBSCRIBE","id":1}', 2),
        ('{"method":"SET_PROPERTY","params":["combined",3],"id":1}', 1),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0),
    ],
)
async def test_errors(simulator: Simulator, client: aiohttp.ClientSession, request_text: str, code: int) -> None:
    """A wrong request is answered with its code and a text."""
    listener = await clients.listen(client, simulator, "binance", "/ws")
    await listener.socket.send_str(request_text)
    answer = json.loads(await listener.next())
    assert answer["code"] == code
    assert answer["msg"]


async def test_sixth_message_in_a_second_ends_the_connection(client: aiohttp.ClientSession) -> None:
    """More than five incoming messages in one second are not tolerated."""
    async with Simulator(clock=lambda: 5.0) as simulator:
        listener = await clients.listen(client, simulator, "binance", "/ws")
        for number in range(6):
            await listener.ask({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert [json.loads(await listener.next())["id"] for _ in range(5)] == [0, 1, 2, 3, 4]
        assert (await listener.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_trades_are_the_truth(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Every trade of the tape arrives, with its id, text, side and time in milliseconds."""
    listener = await clients.binance(client, simulator, "btcusdt@trade")
    await simulator.step(1500)
    events = [json.loads(text) for text in await listener.texts()]
    assert {event["stream"] for event in events} == {"btcusdt@trade"}
    instrument = simulator.market.listing("binance", "BTC/USDT").instrument
    price, size = instrument.price_writer(), instrument.size_writer()
    assert [event["data"] for event in events] == [
        {
            "e": "trade",
            "E": trade.time_ns // 1_000_000,
            "s": "BTCUSDT",
            "t": trade.trade_id,
            "p": price(trade.price),
            "q": size(trade.size),
            "T": trade.time_ns // 1_000_000,
            "m": not trade.taker_buys,
            "M": True,
        }
        for trade in simulator.truth.tape("binance", "BTC/USDT").trades()
    ]


async def test_raw_stream_in_microseconds(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """`/ws/<stream>` sends bare events, and `timeUnit=MICROSECOND` changes the unit of their times."""
    listener = await clients.listen(client, simulator, "binance", "/ws/btcusdt@trade?timeUnit=MICROSECOND")
    await simulator.step(300)
    times = [json.loads(text)["T"] for text in await listener.texts()]
    assert times == [trade.time_ns // 1000 for trade in simulator.truth.tape("binance", "BTC/USDT").trades()]


@pytest.mark.parametrize("channel", ["depth", "depth@100ms"])
async def test_order_book_procedure(simulator: Simulator, client: aiohttp.ClientSession, channel: str) -> None:
    """Binance's published procedure over the stream and the snapshot ends with the true book, without a hole."""
    listener = await clients.binance(client, simulator, f"ethusdt@{channel}")
    await simulator.step(3000)
    snapshot = await clients.get(client, simulator, "binance_rest", "/api/v3/depth?symbol=ETHUSDT&limit=5000")
    await simulator.step(6000)
    await simulator.pause()
    events = [json.loads(text)["data"] for text in await listener.texts()]
    assert events[0]["U"] <= snapshot["lastUpdateId"]
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(events))
    book = clients.BinanceBook()
    book.start(snapshot)
    for event in events:
        book.apply(event)
    assert not book.missed
    assert book.update_id == simulator.market.listing("binance", "ETH/USDT").book.update_id
    assert book.top(999) == clients.truth(simulator, "binance", "ETH/USDT", 999)


async def test_book_ticker_is_the_best_quote(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The last `bookTicker` is the true best quote, and each is the book's at its update id."""
    listener = await clients.binance(client, simulator, "btcusdt@bookTicker")
    await simulator.step(1000)
    events = [json.loads(text)["data"] for text in await listener.texts()]
    instrument = simulator.market.listing("binance", "BTC/USDT").instrument
    price, size = instrument.price_writer(), instrument.size_writer()
    for event in events[::25]:
        bid, bid_size, ask, ask_size = simulator.truth.book("binance", "BTC/USDT", event["u"]).quote()
        texts = (event["b"], event["B"], event["a"], event["A"])
        assert texts == (price(bid), size(bid_size), price(ask), size(ask_size))
    bids, asks = clients.truth(simulator, "binance", "BTC/USDT", 1)
    assert [[events[-1]["b"], events[-1]["B"]]] == bids
    assert [[events[-1]["a"], events[-1]["A"]]] == asks


async def test_history_covers_what_nobody_heard(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Pages of historicalTrades from an id on give every trade, at most 1000 a page."""
    await simulator.step(12_000)
    tape = simulator.truth.tape("binance", "BTC/USDT")
    wanted, ids = tape.first_trade_id, []
    while True:
        page = await clients.get(client, simulator, "binance_rest", f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={wanted}&limit=5000")
        if not page:
            break
        assert len(page) <= 1000
        ids += [trade["id"] for trade in page]
        wanted = ids[-1] + 1
    assert len(ids) > 1000
    assert ids == list(range(tape.first_trade_id, tape.next_trade_id))
    newest = await clients.get(client, simulator, "binance_rest", "/api/v3/trades?symbol=BTCUSDT&limit=3")
    assert [trade["id"] for trade in newest] == ids[-3:]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v3/depth?symbol=NOPE", -1121),
        ("/api/v3/depth", -1102),
        ("/api/v3/depth?symbol=BTCUSDT&limit=x", -1100),
        ("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=-4", -1100),
        ("/api/v3/exchangeInfo?symbol=NOPE", -1121),
    ],
)
async def test_rest_errors(simulator: Simulator, client: aiohttp.ClientSession, path: str, code: int) -> None:
    """Wrong parameters are answered with 400 and Binance's code."""
    async with client.get(simulator.addresses["binance_rest"] + path) as response:
        assert (response.status, (await response.json())["code"]) == (400, code)


async def test_reference_data(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The exchangeInfo lists each symbol with its tick and lot; time and ping answer."""
    info = await clients.get(client, simulator, "binance_rest", "/api/v3/exchangeInfo")
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    filters = {each["filterType"]: each for each in info["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert await clients.get(client, simulator, "binance_rest", "/api/v3/ping") == {}
    clock = await clients.get(client, simulator, "binance_rest", "/api/v3/time")
    assert clock == {"serverTime": simulator.market.time_us // 1000}


async def test_silent_client_is_pinged_and_dropped(client: aiohttp.ClientSession) -> None:
    """A client is pinged, and disconnected when it has not answered for the time of three pings."""
    now = [100.0]
    async with Simulator(SimulatorSettings(ping_seconds=0.02), clock=lambda: now[0]) as simulator:
        socket = await client.ws_connect(simulator.addresses["binance_ws"] + "/ws", autoping=False)
        assert (await socket.receive(timeout=10)).type is aiohttp.WSMsgType.PING
        now[0] += 0.07
        while (received := await socket.receive(timeout=10)).type is aiohttp.WSMsgType.PING:
            pass
        assert received.type is aiohttp.WSMsgType.CLOSE
