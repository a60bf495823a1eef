"""Answers of a venue that will pass, that last, and that nobody knows: through the real client, on a real broker."""

import asyncio
from typing import Any

import orjson
import pytest

from dialects import retry_after
from dialects.kraken import refusals as kraken_refusals
from producers import doubt, paging, snapshots
from simulator.faults import Fault
from simulator.server import Simulator
from tests.producers.conftest import Runs
from tests.producers.harness import Running
from tests.producers.test_backfill import Ledger, gap, replied_trades, snapshots_of

PAGE = "<!DOCTYPE html><title>One moment</title>"
KRAKEN_TRADES, BINANCE_TRADES, DEPTH = "/0/public/Trades", "/api/v3/historicalTrades", "/api/v3/depth"
PASSING: dict[str, list[tuple[int, str]]] = {
    "kraken": [
        *((200, f'{{"error":["{words}"]}}') for words in ("EService:Unavailable", "EService:Busy", "EService:Timeout")),
        (200, '{"error":["EGeneral:Internal error"]}'),
        (200, '{"error":["EGeneral:Temporary lockout"]}'),
        (200, '{"error":["EFuture:Never heard of"]}'),
        (200, '{"error":[],"result":{"BTC/USD":[],"last":"1"}}'),
        (200, PAGE),
        (200, ""),
        (502, PAGE),
    ],
    "binance": [
        (200, "<html>maintenance</html>"),
        (200, ""),
        (200, "[]"),
        (200, '[{"id":"many"}]'),
        (403, "<HTML><TITLE>ERROR: The request could not be satisfied</TITLE></HTML>"),
        (408, '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
        (400, '{"code":-9999,"msg":"Never heard of."}'),
        (418, ""),
        (429, ""),
        (503, ""),
    ],
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a venue that asks for minutes have a moment."""
    for module, name in (
        (retry_after, "LIMITED_SECONDS"),
        (kraken_refusals, "LIMITED_SECONDS"),
        (kraken_refusals, "LOCKED_SECONDS"),
        (doubt, "FIRST_SECONDS"),
        (paging, "NOTHING_NEW_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.1)


async def answers(simulator: Simulator, venue: str, path: str, *given: tuple[int, str], count: int = 1) -> None:
    """Let a venue answer its next requests of a path so, one after the other."""
    for status, body in given:
        await simulator.inject(Fault("answer", venue, channel=path, status=status, body=body, count=count))


def of_tape(simulator: Simulator, venue: str) -> tuple[str, int, int]:
    """Return a symbol, the id of a trade in its history, and the time of the trade before that (microseconds)."""
    listing = next(iter(simulator.venues[venue].listings.values()))
    tape = simulator.truth.tape(venue, listing.instrument.symbol)
    before, first = tape.trades(tape.first_trade_id + 3, 2)
    return listing.instrument.wire_symbol, first.trade_id, before.time_ns // 1000


def states(ledger: Ledger, gap_id: str) -> set[str]:
    """Return the states of a gap that were read so far."""
    return {state for known, state in ledger._read if known == gap_id}


@pytest.mark.parametrize(("venue", "path"), [("kraken", KRAKEN_TRADES), ("binance", BINANCE_TRADES)])
async def test_trades_are_asked_for_until_they_come(venue: str, path: str, simulator: Simulator, producer: Runs) -> None:
    """Away, busy, locked, a page, nothing, an empty list, words unheard of: none of them makes a gap unfillable, and it is filled."""
    await simulator.step(1500)
    symbol, first, before = of_tape(simulator, venue)
    async with producer(venue, channels=("trade",)) as running:
        ledger = Ledger(running)
        await answers(simulator, venue, path, *PASSING[venue])
        wanted = gap(running, symbol, "trade", first, first + 9, from_time=before)
        ledger.write(wanted)
        await running.until(lambda: not simulator.faults.waits(venue))
        await running.until(lambda: set(range(first, first + 10)) <= set(good_trades(running)))
        marker = gap(running, symbol, "ticker", None, None)
        ledger.write(marker)
        await ledger.state(marker["gap_id"], "unfillable")
        assert states(ledger, wanted["gap_id"]) == {"open", "filling"}
        ledger.close()


async def test_a_warning_beside_trades_is_no_error(simulator: Simulator, producer: Runs) -> None:
    """What stands beside a warning is taken at once."""
    await simulator.step(1500)
    symbol, first, before = of_tape(simulator, "kraken")
    body = orjson.dumps(
        {"error": ["WGeneral:Notice"], "result": {symbol: [["1", "1", before / 1e6 + 1, "b", "m", "", first]], "last": "1"}}
    ).decode()
    async with producer("kraken", channels=("trade",)) as running:
        ledger = Ledger(running)
        await answers(simulator, "kraken", KRAKEN_TRADES, (200, body))
        wanted = gap(running, symbol, "trade", first, first, from_time=before)
        ledger.write(wanted)
        await running.until(lambda: replied_trades(running) == [first])
        ledger.close()


@pytest.mark.parametrize(
    ("venue", "path", "answer", "words"),
    [
        ("kraken", KRAKEN_TRADES, (200, '{"error":["EQuery:Unknown asset pair"]}'), "EQuery:Unknown asset pair"),
        ("binance", BINANCE_TRADES, (400, '{"code":-1121,"msg":"Invalid symbol."}'), "Invalid symbol. (code -1121)"),
    ],
)
async def test_what_the_venue_says_to_last_ends_a_gap(
    venue: str, path: str, answer: tuple[int, str], words: str, simulator: Simulator, producer: Runs
) -> None:
    """One answer of words that last is enough, and they are the reason."""
    await simulator.step(1500)
    symbol, first, before = of_tape(simulator, venue)
    async with producer(venue, channels=("trade",)) as running:
        ledger = Ledger(running)
        await answers(simulator, venue, path, answer)
        wanted = gap(running, symbol, "trade", first, first + 9, from_time=before)
        ledger.write(wanted)
        assert words in (await ledger.state(wanted["gap_id"], "unfillable"))["repair"]
        ledger.close()


async def test_what_stays_unclear_is_told(simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody knows ends its gap only when it has lasted, with the words; what is published of it is a reply as any."""
    monkeypatch.setattr(doubt, "LASTING_SECONDS", 0.0)
    await simulator.step(1500)
    symbol, first, _ = of_tape(simulator, "binance")
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        await answers(simulator, "binance", BINANCE_TRADES, (400, '{"code":-9999,"msg":"Never heard of."}'), count=doubt.FEWEST)
        wanted, odd = (gap(running, symbol, "trade", first + at, first + at + 4) for at in (0, 10))
        ledger.write(wanted)
        told = (await ledger.state(wanted["gap_id"], "unfillable"))["repair"]
        assert "Never heard of. (code -9999)" in told
        assert f"understands {doubt.FEWEST} times in" in told
        assert not simulator.faults.waits("binance")
        await answers(simulator, "binance", BINANCE_TRADES, (200, '[{"id":"many"}]'), count=doubt.FEWEST)
        ledger.write(odd)
        assert "Expected `int`, got `str`" in (await ledger.state(odd["gap_id"], "unfillable"))["repair"]
        await running.until(lambda: len(running.published.all("reply")) == doubt.FEWEST)
        assert [one["payload"] for one in running.published.all("reply")] == [b'[{"id":"many"}]'] * doubt.FEWEST
        ledger.close()


async def test_a_gap_that_waits_holds_nobody_up(simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one gap's venue is given time, the next is filled; the first is asked for again after it."""
    monkeypatch.setattr(paging, "NOTHING_NEW_SECONDS", 6.0)
    await simulator.step(1500)
    symbol, first, _ = of_tape(simulator, "binance")
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        await answers(simulator, "binance", BINANCE_TRADES, (200, "[]"))
        waiting, following = (gap(running, symbol, "trade", first + at, first + at) for at in (0, 10))
        ledger.write(waiting, following)
        await running.until(lambda: len(running.published.all("reply")) == 3)
        asked = [(one["request"].partition("fromId=")[2].partition("&")[0], one["received_at"]) for one in running.published.all("reply")]
        assert [number for number, _ in sorted(asked, key=lambda one: one[1])] == [str(first), str(first + 10), str(first)]
        ledger.close()


SNAPSHOTS: list[tuple[int, str]] = [
    (200, "<html>maintenance</html>"),
    (200, ""),
    (200, "{}"),
    (200, "[]"),
    (200, '{"lastUpdateId":"soon"}'),
    (403, PAGE),
    (408, '{"code":-1007,"msg":"Timeout waiting for response from backend server."}'),
    (400, '{"code":-9999,"msg":"Never heard of."}'),
    (400, '{"code":-1121,"msg":"Invalid symbol."}'),
    (429, ""),
    (500, ""),
]


async def test_a_snapshot_is_asked_for_until_it_comes_and_its_absence_is_a_gap(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one connection, whatever the venue answered before, even that it has no such pair: one gap from the first to the snapshot."""
    monkeypatch.setattr(snapshots, "REFUSED_SECONDS", 0.2)
    await answers(simulator, "binance", DEPTH, *SNAPSHOTS)
    async with producer("binance", symbols=("BTCUSDT",), channels=("book",)) as running:
        ledger = Ledger(running)
        (connection,) = running.connections
        await stepping(running, lambda: not simulator.faults.waits("binance"))
        await stepping(running, lambda: b'"bids":[[' in b"".join(one["payload"] for one in snapshots_of(running)))
        assert running.connections == [connection]
        (told,) = {gap_id for gap_id, _ in await absences(ledger)}
        opened, ended = await ledger.state(told, "open"), await ledger.state(told, "filled")
        assert (opened["cause"], opened["channel"], opened["symbol"]) == ("snapshot", "book", "BTCUSDT")
        assert "no JSON with status 200: <html>maintenance</html>" in opened["repair"]
        assert opened["from_time"] <= opened["detected_at"] <= ended["to_time"]
        assert ended["version"] > opened["version"]
        assert states(ledger, told) == {"open", "filled"}
        (refused,) = running.published.notices("refused")
        assert "Invalid symbol" in refused["reason"]
        ledger.close()


async def absences(ledger: Ledger) -> list[tuple[str, str]]:
    """Return the gaps of absent snapshots, once one has ended."""
    async with asyncio.timeout(40):
        while not (found := [key for key in ledger._read if "|absent|" in key[0]]) or not any(state == "filled" for _, state in found):
            await ledger.read()
    return found


async def stepping(running: Running, condition: Any) -> None:
    """Move the market until a condition holds."""
    async with asyncio.timeout(40):
        while not condition():
            await running.simulator.step(5)
            await asyncio.to_thread(running.published.poll)


def good_trades(running: Running) -> list[int]:
    """Return the ids of the trades in those replies that hold any."""
    found: list[int] = []
    for reply in running.published.all("reply"):
        document = orjson.loads(reply["payload"])
        rows = (
            document if isinstance(document, list) else [row for key, rows in document["result"].items() if key != "last" for row in rows]
        )
        found += [row["id"] if isinstance(row, dict) else row[6] for row in rows]
    return found
