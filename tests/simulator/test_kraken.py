"""Kraken's protocol as a plain client sees it."""

import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from simulator.server import Simulator, SimulatorSettings
from tests.simulator import clients

BOOK = {"channel": "book", "symbol": ["BTC/USD"]}


async def test_status_comes_first(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The first message of a connection is its status, with a connection id beyond 2**53."""
    listener = await clients.listen(client, simulator, "kraken")
    status = json.loads(await listener.next())
    assert (status["channel"], status["type"], status["data"][0]["system"]) == ("status", "update", "online")
    assert status["data"][0]["connection_id"] > 2**53


async def test_acknowledgement_for_each_symbol(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A request is acknowledged, or refused, symbol by symbol, with its req_id."""
    listener = await clients.listen(client, simulator, "kraken")
    await listener.next()
    symbols = ["BTC/USD", "XBT/USD", "ETH/USD"]
    await listener.ask(
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": symbols, "snapshot": False},
            "req_id": 7,
        }
    )
    answers = [json.loads(await listener.next()) for _ in symbols]
    assert [answer["success"] for answer in answers] == [True, False, True]
    assert answers[0]["result"] == {"channel": "trade", "snapshot": False, "symbol": "BTC/USD"}
    assert answers[1]["error"] == "Currency pair not supported XBT/USD"
    assert all(answer["req_id"] == 7 and answer["time_in"] <= answer["time_out"] for answer in answers)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 27}, "Subscription depth not supported"),
        ({"channel": "weather", "symbol": ["BTC/USD"]}, "Channel not supported"),
        ({"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "x"}, "Event trigger not supported"),
        ({"channel": "trade"}, "Symbol(s) not found"),
    ],
)
async def test_refusals(simulator: Simulator, client: aiohttp.ClientSession, params: dict[str, Any], error: str) -> None:
    """What cannot be subscribed is refused once, and the connection lives on."""
    listener = await clients.listen(client, simulator, "kraken")
    await listener.next()
    await listener.ask({"method": "subscribe", "params": params})
    answer = json.loads(await listener.next())
    assert (answer["success"], answer["error"]) == (False, error)
    assert await listener.texts() == []


async def test_subscribing_twice_and_unsubscribing(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A second subscription and a second unsubscription are refused; after it nothing more comes."""
    listener = await clients.kraken(client, simulator, BOOK, BOOK)
    assert "Already subscribed" in (await listener.texts())[-1]
    for _ in range(2):
        await listener.ask({"method": "unsubscribe", "params": BOOK})
    first, second = (json.loads(text) for text in await listener.texts())
    assert first["success"]
    assert first["result"] == {"channel": "book", "depth": 10, "symbol": "BTC/USD"}
    assert second["error"] == "Subscription Not Found"
    await simulator.step(200)
    assert await listener.texts() == []


async def test_malformed_request(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """What is not JSON, or names no method, is answered with an error."""
    listener = await clients.listen(client, simulator, "kraken")
    await listener.next()
    for text in ("{", '{"x":1}', '{"method":"dance"}'):
        await listener.socket.send_str(text)
        assert json.loads(await listener.next())["success"] is False


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
async def test_book_with_checksums(simulator: Simulator, client: aiohttp.ClientSession, depth: int) -> None:
    """Kraken's rules over snapshot and updates give every checksum right, and end with the true book."""
    await simulator.step(500)
    listener = await clients.kraken(client, simulator, BOOK | {"depth": depth})
    book = clients.KrakenBook(depth)
    await simulator.step(5000)
    for text in await listener.texts():
        if '"channel":"book","type"' in text:
            book.apply(text)
    assert book.messages > 500
    assert book.mismatches == 0
    assert book.top() == clients.truth(simulator, "kraken", "BTC/USD", depth)


async def test_trades_are_the_truth(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The snapshot is the last fifty trades, the updates every trade since, numbers at the pair's precision."""
    await simulator.step(1500)
    tape = simulator.truth.tape("kraken", "BTC/USD")
    known = tape.next_trade_id
    listener = await clients.kraken(client, simulator, {"channel": "trade", "symbol": ["BTC/USD"]})
    await simulator.step(1500)
    messages = [json.loads(text, parse_float=str) for text in await listener.texts()]
    snapshot, *updates = [message for message in messages if message.get("channel") == "trade"]
    assert [trade["trade_id"] for trade in snapshot["data"]] == list(range(known - 50, known))
    rows = [trade for update in updates for trade in update["data"]]
    instrument = simulator.market.listing("kraken", "BTC/USD").instrument
    price, size = instrument.price_writer(), instrument.size_writer()
    assert [(row["trade_id"], row["price"], row["qty"], row["side"]) for row in rows] == [
        (trade.trade_id, price(trade.price), size(trade.size), "buy" if trade.taker_buys else "sell")
        for trade in tape.trades(from_id=known)
    ]
    assert any(len(update["data"]) > 1 for update in updates)
    assert all(row["timestamp"].endswith("Z") and len(row["timestamp"]) == 27 for row in rows)


async def test_ticker_follows_the_best_quote(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """With the bbo trigger the last ticker is the true best quote; statistics are those of the tape."""
    listener = await clients.kraken(client, simulator, {"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "bbo"})
    await simulator.step(2000)
    last = json.loads((await listener.texts())[-1], parse_float=str)["data"][0]
    bids, asks = clients.truth(simulator, "kraken", "BTC/USD", 1)
    assert [[last["bid"], last["bid_qty"]]] == bids
    assert [[last["ask"], last["ask_qty"]]] == asks
    trades = simulator.truth.tape("kraken", "BTC/USD").trades()
    price = simulator.market.listing("kraken", "BTC/USD").instrument.price_writer()
    assert last["high"] == price(max(650_000, *(trade.price for trade in trades)))
    assert Decimal(last["volume"]) == Decimal(sum(trade.size for trade in trades)).scaleb(-8)


async def test_instrument_gives_precisions(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The `instrument` snapshot holds each pair with its precisions."""
    listener = await clients.kraken(client, simulator, {"channel": "instrument"})
    pairs = json.loads((await listener.texts())[-1])["data"]["pairs"]
    assert [(pair["symbol"], pair["price_precision"], pair["qty_precision"], pair["status"]) for pair in pairs] == [
        ("BTC/USD", 1, 8, "online"),
        ("ETH/USD", 2, 8, "online"),
    ]


async def test_heartbeat_when_nothing_else_comes(client: aiohttp.ClientSession) -> None:
    """A subscribed connection that hears nothing gets heartbeats."""
    async with Simulator(SimulatorSettings(heartbeat_seconds=0.02)) as simulator:
        listener = await clients.kraken(client, simulator, {"channel": "trade", "symbol": ["BTC/USD"]})
        while await listener.next() != '{"channel":"heartbeat"}':
            pass


async def test_history_covers_what_nobody_heard(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Following `last` from page to page gives every trade once, also those of one microsecond."""
    await simulator.step(6000)
    tape = simulator.truth.tape("kraken", "BTC/USD")
    since, ids = "1", []
    while True:
        page = await clients.get(client, simulator, "kraken_rest", f"/0/public/Trades?pair=XBTUSD&since={since}&count=37")
        rows = page["result"]["XXBTZUSD"]
        if not rows:
            break
        ids += [row[-1] for row in rows]
        since = page["result"]["last"]
    assert ids == list(range(tape.first_trade_id, tape.next_trade_id))
    first = tape.trades(limit=1)[0]
    newest = await clients.get(client, simulator, "kraken_rest", "/0/public/Trades?pair=XXBTZUSD&count=1")
    row = newest["result"]["XXBTZUSD"][0]
    assert row[2] == Decimal(first.time_ns).scaleb(-9)
    assert row[3] == ("b" if first.taker_buys else "s")


async def test_rest_errors_and_reference_data(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Errors come in the error list; AssetPairs, Time and SystemStatus answer."""
    wrong = await clients.get(client, simulator, "kraken_rest", "/0/public/Trades?pair=NOPE")
    assert wrong == {"error": ["EQuery:Unknown asset pair"]}
    wrong = await clients.get(client, simulator, "kraken_rest", "/0/public/Trades?pair=XBTUSD&since=now")
    assert wrong == {"error": ["EGeneral:Invalid arguments"]}
    pairs = await clients.get(client, simulator, "kraken_rest", "/0/public/AssetPairs")
    assert pairs["result"]["XXBTZUSD"]["wsname"] == "XBT/USD"
    assert pairs["result"]["XETHZUSD"]["pair_decimals"] == 2
    clock = await clients.get(client, simulator, "kraken_rest", "/0/public/Time")
    assert clock["result"]["unixtime"] == simulator.market.time_us // 1_000_000
    status = await clients.get(client, simulator, "kraken_rest", "/0/public/SystemStatus")
    assert status["result"]["status"] == "online"
