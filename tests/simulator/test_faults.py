"""Every fault of messages does what it says, and the log says exactly what it did."""

import json
from typing import Any

import aiohttp
import pytest

from simulator.faults import Fault, Injection
from simulator.server import Simulator
from tests.simulator import clients

TRADES = "btcusdt@trade"
DEPTH = "btcusdt@depth@100ms"
BOOK = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}


def trade_fault(kind: str, **more: Any) -> Fault:
    return Fault(kind, "binance", symbol="BTCUSDT", channel="trade", **more)


def ids(texts: list[str]) -> list[int]:
    return [json.loads(text)["data"]["t"] for text in texts]


def only_line(simulator: Simulator) -> Injection:
    (line,) = simulator.faults.log
    return line


async def test_drop(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Three dropped trades are exactly the ids of the log's line, and nothing else is missing."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.step(200)
    await simulator.inject(trade_fault("drop", count=3))
    await simulator.step(500)
    line = only_line(simulator)
    tape = simulator.truth.tape("binance", "BTC/USDT")
    made = range(tape.first_trade_id, tape.next_trade_id)
    assert (line.kind, line.symbol, line.channel, line.messages) == ("drop", "BTC/USDT", "trade", 3)
    assert line.first is not None
    assert line.last == line.first + 2
    assert ids(await listener.texts()) == [each for each in made if not line.first <= each <= line.last]


async def test_dropped_depth_is_a_hole_in_update_ids(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """After a dropped depth event Binance's procedure misses exactly the update ids of the log."""
    listener = await clients.binance(client, simulator, DEPTH)
    snapshot = await clients.get(client, simulator, "binance_rest", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
    await simulator.inject(Fault("drop", "binance", channel="depth"))
    await simulator.step(2000)
    await simulator.pause()
    book = clients.BinanceBook()
    book.start(snapshot)
    for text in await listener.texts():
        book.apply(json.loads(text)["data"])
    line = only_line(simulator)
    assert line.last is not None
    assert book.missed == [(line.first, line.last + 1)]


async def test_duplicate(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The next message comes twice."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("duplicate"))
    await simulator.step(100)
    seen = ids(await listener.texts())
    assert seen[0] == seen[1] == only_line(simulator).first
    assert seen[1:] == sorted(set(seen))


async def test_reorder(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Two neighbours change places."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("reorder"))
    await simulator.step(300)
    seen, line = ids(await listener.texts()), only_line(simulator)
    assert seen[:2] == [line.last, line.first] == [seen[2] - 1, seen[2] - 2]
    assert seen[2:] == sorted(seen[2:])


async def test_held_back_message_is_sent_by_pause(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A message held back to be reordered is not lost when the market stops before the next one."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("reorder"))
    tape = simulator.truth.tape("binance", "BTC/USDT")
    while not len(tape):
        await simulator.step()
    await simulator.pause()
    assert len(ids(await listener.texts())) == len(tape)


async def test_malformed(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """One message is cut in the middle of its JSON."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("malformed"))
    await simulator.step(100)
    first, *rest = await listener.texts()
    with pytest.raises(json.JSONDecodeError):
        json.loads(first)
    assert ids(rest)[0] == (only_line(simulator).last or 0) + 1


async def test_unknown_message(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A message of an undocumented type comes between the others, which all come."""
    listener = await clients.binance(client, simulator, TRADES)
    other = await clients.kraken(client, simulator, BOOK)
    await simulator.inject(trade_fault("unknown"))
    await simulator.inject(Fault("unknown", "kraken", channel="book"))
    await simulator.step(300)
    first, *rest = await listener.texts()
    assert json.loads(first)["data"]["e"] == "somethingNew"
    assert ids(rest)[0] == simulator.truth.tape("binance", "BTC/USDT").first_trade_id
    assert '{"channel":"something_new","type":"update","data":[{"symbol":"BTC/USD","x":1}]}' in await other.texts()


async def test_clock_skew(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """The times of two messages are shifted by the seconds asked for, the others tell the truth."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("clock_skew", count=2, seconds=-3600.0))
    await simulator.step(300)
    times = [json.loads(text)["data"]["T"] for text in await listener.texts()]
    true = [trade.time_ns // 1_000_000 for trade in simulator.truth.tape("binance", "BTC/USDT").trades()]
    assert [seen - made for seen, made in zip(times[:3], true[:3], strict=True)] == [-3_600_000, -3_600_000, 0]
    assert only_line(simulator).detail == {"shift_us": -3_600_000_000}


async def test_silent_stream(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """An acknowledged stream says nothing, not even its snapshot, while others flow, until the fault is cleared."""
    fault = await simulator.inject(Fault("silent", "kraken", symbol="BTC/USD", channel="book"))
    both = {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"]}
    listener = await clients.kraken(client, simulator, both, {"channel": "trade", "symbol": ["BTC/USD"]})
    await simulator.step(500)
    texts = await listener.texts()
    assert sum('"method":"subscribe"' in text and '"success":true' in text for text in texts) == 3
    books = {json.loads(text)["data"][0]["symbol"] for text in texts if text.startswith('{"channel":"book"')}
    assert books == {"ETH/USD"}
    assert any(text.startswith('{"channel":"trade","type":"update"') for text in texts)
    assert simulator.faults.clear(fault.number) == 1
    await simulator.step(500)
    assert any('"symbol":"BTC/USD","bids"' in text for text in await listener.texts())


async def test_silence_for_a_while(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Silence of a quarter second swallows the trades of that market time, as logged, and then ends."""
    listener = await clients.binance(client, simulator, TRADES)
    await simulator.inject(trade_fault("silent", seconds=0.25))
    await simulator.step(1500)
    seen, line = ids(await listener.texts()), only_line(simulator)
    tape = simulator.truth.tape("binance", "BTC/USDT")
    assert line.last == seen[0] - 1
    assert line.first == tape.first_trade_id
    swallowed = tape.trades(limit=None)[: line.messages]
    assert swallowed[-1].time_ns - swallowed[0].time_ns < 250_000_000
    assert simulator.faults.armed() == []


async def test_bad_checksum(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """One Kraken checksum is wrong though the book is right."""
    listener = await clients.kraken(client, simulator, BOOK)
    await simulator.inject(Fault("bad_checksum", "kraken", symbol="BTC/USD"))
    await simulator.step(800)
    book = clients.KrakenBook(10)
    for text in await listener.texts():
        if text.startswith('{"channel":"book"'):
            book.apply(text)
    assert book.mismatches == 1
    assert book.top() == clients.truth(simulator, "kraken", "BTC/USD", 10)
    assert len(simulator.faults.log) == 1


async def test_dropped_book_update_shows_in_the_checksum(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A lost Kraken book update makes the next checksums wrong, until a new subscription."""
    listener = await clients.kraken(client, simulator, BOOK)
    await simulator.inject(Fault("drop", "kraken", channel="book", count=5))
    await simulator.step(300)
    book = clients.KrakenBook(10)
    for text in await listener.texts():
        if text.startswith('{"channel":"book"'):
            book.apply(text)
    assert book.mismatches > 0
    for method in ("unsubscribe", "subscribe"):
        await listener.ask({"method": method, "params": BOOK})
    wrong = book.mismatches
    for text in await listener.texts():
        if text.startswith('{"channel":"book"'):
            book.apply(text)
    assert book.mismatches == wrong


async def test_giant_snapshot(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """A Kraken snapshot of more than 5 MB still leads to the true book for a client that cuts to its depth."""
    await simulator.inject(Fault("giant", "kraken", symbol="BTC/USD", channel="book"))
    listener = await clients.kraken(client, simulator, BOOK)
    await simulator.step(200)
    texts = [text for text in await listener.texts() if text.startswith('{"channel":"book"')]
    assert len(texts[0]) > 5_000_000
    book = clients.KrakenBook(10)
    for text in texts:
        book.apply(text)
    assert book.mismatches == 0
    assert book.top() == clients.truth(simulator, "kraken", "BTC/USD", 10)


async def test_giant_depth_event_and_giant_rest_book(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """At Binance both the stream's event and the REST book can be giant; the best levels stay true."""
    listener = await clients.binance(client, simulator, DEPTH)
    await simulator.inject(Fault("giant", "binance", symbol="BTC/USDT", channel="depth"))
    await simulator.inject(Fault("giant", "binance", symbol="BTC/USDT", channel="snapshot", levels=9000))
    snapshot = await clients.get(client, simulator, "binance_rest", "/api/v3/depth?symbol=BTCUSDT&limit=5000")
    assert len(snapshot["asks"]) > 9000
    await simulator.step(600)
    await simulator.pause()
    texts = await listener.texts()
    assert len(texts[0]) > 5_000_000
    book = clients.BinanceBook()
    book.start(snapshot)
    for text in texts:
        book.apply(json.loads(text)["data"])
    assert not book.missed
    assert book.top(200) == clients.truth(simulator, "binance", "BTC/USDT", 200)


async def test_same_seed_same_faults(client: aiohttp.ClientSession) -> None:
    """Two simulators of one seed with the same faults send the same messages and write the same log."""
    runs = []
    for _ in range(2):
        async with Simulator() as simulator:
            listener = await clients.binance(client, simulator, TRADES, DEPTH)
            for kind in ("reorder", "drop", "malformed", "duplicate"):
                await simulator.inject(Fault(kind, "binance", symbol="BTC/USDT", count=2))
            await simulator.step(1500)
            runs.append((await listener.texts(), simulator.faults.log))
    assert runs[0] == runs[1]
    assert {line.kind for line in runs[0][1]} == {"reorder", "drop", "malformed", "duplicate"}


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("hiccup", "binance"), "not known"),
        (Fault("drop", "mtgox"), "not simulated"),
        (Fault("drop", "binance", symbol="NOPE"), "not listed"),
    ],
)
async def test_impossible_faults(simulator: Simulator, fault: Fault, text: str) -> None:
    """A kind, venue or symbol that does not exist is refused."""
    with pytest.raises(ValueError, match=text):
        await simulator.inject(fault)


async def test_an_answer_in_place_of_the_venues(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    """Requests of a path are answered with the status and the body asked for, as often as asked for; other paths are not."""
    await simulator.inject(Fault("answer", "binance", channel="/api/v3/depth", status=403, body="<html>", count=2))
    address, path = simulator.addresses["binance_rest"], "/api/v3/depth?symbol=BTCUSDT"
    for _ in range(2):
        async with client.get(f"{address}/api/v3/ping") as other, client.get(address + path) as answer:
            assert (other.status, answer.status, await answer.text()) == (200, 403, "<html>")
    async with client.get(address + path) as answer:
        assert (answer.status, "bids" in await answer.json()) == (200, True)
    assert [(line.kind, line.channel) for line in simulator.faults.log] == [("answer", "/api/v3/depth")] * 2
