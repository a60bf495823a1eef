"""Gaps mended over REST. The gap events are written here as a gap detector would write them."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from producers.gaps import Progress
from producers.rest import Allowance
from schemas.catalogue import event
from simulator.faults import Fault
from simulator.server import Simulator, SimulatorSettings
from tests.producers.conftest import VENUES, Runs
from tests.producers.harness import Running, ends_of
from topology import registry as registries
from topology.clock import now
from topology.kafka import Publisher, connection
from topology.settings import Kafka, Registry

GAP = event("gap")


def gap(running: Running, symbol: str, channel: str, first: int | None, last: int | None, **other: Any) -> dict[str, Any]:
    """Return an open gap."""
    record = {
        "venue": running.venue,
        "symbol": symbol,
        "origin": "simulated",
        "gap_id": f"{running.venue}|{symbol}|{channel}|{first}|{secrets.token_hex(4)}",
        "channel": channel,
        "from_sequence": first,
        "to_sequence": last,
        "from_time": None,
        "to_time": None,
        "cause": "wire",
        "detected_at": now(),
        "state": "open",
        "repair": None,
        "connection_id": None,
        "version": now(),
    }
    return record | other


class Ledger:
    """Write gaps and read what becomes of them."""

    def __init__(self, running: Running) -> None:
        self._kafka = running.settings.kafka
        self._read: dict[tuple[str, str], dict[str, Any]] = {}
        self._codec = registries.Registry(running.settings.registry).codec("gaps", GAP)
        self._consumer = Consumer(connection(self._kafka) | {"group.id": f"test-{secrets.token_hex(4)}"})
        self._consumer.assign(ends_of(self._consumer, "gaps"))

    def write(self, *records: dict[str, Any]) -> None:
        """Publish gap events."""
        with Publisher(self._kafka) as publisher:
            publisher.publish_many(("gaps", GAP.topic.key_of(record), self._codec.encode(record)) for record in records)

    async def state(self, gap_id: str, state: str) -> dict[str, Any]:
        """Return a gap's event of this state, once it is there."""
        async with asyncio.timeout(40):
            while (gap_id, state) not in self._read:
                await self.read()
        return self._read[gap_id, state]

    async def read(self) -> None:
        """Take the next event, if one is there soon."""
        message = await asyncio.to_thread(self._consumer.poll, 0.1)
        if message is not None and message.error() is None:
            record = self._codec.decode(message.value() or b"")
            self._read[record["gap_id"], record["state"]] = record

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()


def replied_trades(running: Running) -> list[int]:
    """Return the ids of all trades in replies."""
    found: list[int] = []
    for reply in running.published.all("reply"):
        document = json.loads(reply["payload"])
        if running.venue == "binance" and "Trades" in reply["request"]:
            found += [trade["id"] for trade in document]
        elif running.venue == "kraken":
            found += [trade[6] for key, rows in document["result"].items() if key != "last" for trade in rows]
    return found


def snapshots_of(running: Running) -> list[dict[str, Any]]:
    """Return the replies that hold a book."""
    return [one for one in running.published.all("reply") if "/depth?" in one["request"]]


@pytest.fixture
async def trading() -> AsyncIterator[Simulator]:
    """Start a market that trades at every step, with a history of some pages."""
    async with Simulator(SimulatorSettings(seed=5, venues=VENUES, levels=300, trade_share=1.0, bases=("BTC",))) as started:
        await started.step(5000)
        yield started


@pytest.mark.parametrize("venue", VENUES)
async def test_missing_trades_are_fetched_by_page(venue: str, trading: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path) -> None:
    """A gap of more trades than a page holds is covered: every id is in a reply, verbatim, on a connection of its own."""
    listing = next(iter(trading.venues[venue].listings.values()))
    tape = trading.truth.tape(venue, listing.instrument.symbol)
    first, last = tape.first_trade_id + 10, tape.next_trade_id - 10
    assert last - first > 1000
    async with Running(trading, venue, kafka, registry, tmp_path, channels=("trade",)) as running:
        ledger = Ledger(running)
        (before,) = tape.trades(first - 1, 1)
        wanted = gap(running, listing.instrument.wire_symbol, "trade", first, last, from_time=before.time_ns // 1000)
        ledger.write(wanted)
        filling = await ledger.state(wanted["gap_id"], "filling")
        await running.until(lambda: set(replied_trades(running)) >= set(range(first, last + 1)))
        (reply, *_) = running.published.all("reply")
        assert reply["connection_id"] in filling["repair"]
        assert reply["connection_id"] not in {one.id for one in running.connections}
        await running.until(lambda: any(b'"closed"' in one["payload"] for one in running.published.frames[reply["connection_id"]]))
        assert running.published.unbroken()
        ledger.close()


async def test_trades_the_venue_has_no_more_are_unfillable(simulator: Simulator, producer: Runs) -> None:
    """Trades older than the venue's history are said to be lost, with how many were given."""
    await simulator.step(1500)
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        tape = simulator.truth.tape("binance", "BTC/USDT")
        first, last = tape.first_trade_id - 50, tape.first_trade_id + 9
        wanted = gap(running, "BTCUSDT", "trade", first, last)
        unknown = gap(running, "NOUSDT", "trade", 1, 2)
        ledger.write(wanted, unknown)
        assert (await ledger.state(wanted["gap_id"], "unfillable"))["repair"] == "the venue gave 10 of 60 trades"
        assert "Invalid symbol" in (await ledger.state(unknown["gap_id"], "unfillable"))["repair"]
        ledger.close()


async def test_a_venue_that_asks_for_patience_gets_it(simulator: Simulator, producer: Runs) -> None:
    """Refused with Retry-After, the request is made again after it, and the gap is filled."""
    await simulator.step(1500)
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        tape = simulator.truth.tape("binance", "BTC/USDT")
        first, last = tape.first_trade_id, tape.first_trade_id + 9
        await simulator.inject(Fault("rate_limit", "binance", count=2, retry_after=1))
        wanted = gap(running, "BTCUSDT", "trade", first, last)
        ledger.write(wanted)
        await running.until(lambda: set(replied_trades(running)) >= set(range(first, last + 1)))
        assert len(simulator.faults.log) == 2
        ledger.close()


async def test_a_gap_filled_meanwhile_is_not_asked_for(simulator: Simulator, producer: Runs) -> None:
    """Where a later state of a gap is there already, its opening asks for nothing; the work after it is still done."""
    await simulator.step(1500)
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        tape = simulator.truth.tape("binance", "BTC/USDT")
        settled = gap(running, "BTCUSDT", "trade", tape.first_trade_id, tape.first_trade_id + 5)
        other = gap(running, "BTCUSDT", "trade", tape.first_trade_id + 20, tape.first_trade_id + 25)
        ledger.write(settled, settled | {"state": "filled", "version": now()}, other)
        await ledger.state(other["gap_id"], "filling")
        await running.until(lambda: bool(replied_trades(running)))
        assert {one["request"].partition("fromId=")[2].partition("&")[0] for one in running.published.all("reply")} == {
            str(tape.first_trade_id + 20)
        }
        ledger.close()


async def test_work_not_done_is_done_after_a_restart(simulator: Simulator, producer: Runs) -> None:
    """A gap is committed when its trades are delivered, not when it is read: the next producer takes it up."""
    await simulator.step(1500)
    tape = simulator.truth.tape("binance", "BTC/USDT")
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        fault = await simulator.inject(Fault("rate_limit", "binance", seconds=600, retry_after=300))
        wanted = gap(running, "BTCUSDT", "trade", tape.first_trade_id, tape.first_trade_id + 9)
        ledger.write(wanted)
        await ledger.state(wanted["gap_id"], "filling")
        ledger.close()
    simulator.faults.clear(fault.number)
    async with producer("binance", channels=("trade",)) as running:
        await running.until(lambda: set(replied_trades(running)) >= set(range(tape.first_trade_id, tape.first_trade_id + 10)))


async def test_a_broken_binance_book_gets_another_snapshot(simulator: Simulator, producer: Runs) -> None:
    """The snapshot is published on the connection where the book broke, in order with its frames."""
    async with producer("binance", symbols=("BTCUSDT",), channels=("book",)) as running:
        await simulator.step(300)
        await running.until(lambda: len(snapshots_of(running)) == 1)
        ledger = Ledger(running)
        (open_,) = running.connections
        wanted = gap(running, "BTCUSDT", "book", None, None, connection_id=open_.id)
        stale = gap(running, "BTCUSDT", "book", None, None, connection_id="binance-gone")
        ledger.write(stale, wanted)
        await ledger.state(wanted["gap_id"], "filling")
        await running.until(lambda: len(snapshots_of(running)) == 2)
        assert {one["connection_id"] for one in snapshots_of(running)} == {open_.id}
        ledger.close()


async def test_a_broken_kraken_book_is_subscribed_again_alone(simulator: Simulator, producer: Runs) -> None:
    """Only the broken symbol is given up and asked for again; a second snapshot of it comes and none of the other."""
    async with producer("kraken", channels=("book",)) as running:
        await simulator.step(100)
        ledger = Ledger(running)
        (open_,) = running.connections
        wanted = gap(running, "BTC/USD", "book", None, None, connection_id=open_.id)
        ledger.write(wanted)
        await ledger.state(wanted["gap_id"], "filling")

        def snapshots(symbol: str) -> int:
            text = json.dumps(symbol).encode()
            told = [one["payload"] for one in running.published.all("message") if b'"channel":"book"' in one["payload"]]
            return sum(b'"type":"snapshot"' in payload and text in payload for payload in told)

        await running.until(lambda: snapshots("BTC/USD") == 2)
        assert snapshots("ETH/USD") == 1
        assert len(running.published.frames) == 1
        ledger.close()


def test_offsets_are_committed_up_to_the_first_work_not_done() -> None:
    """Work is done in any order; what is committed never passes what is not done."""
    progress = Progress()
    for offset in (5, 6, 7, 9):
        progress.began((0, offset))
    progress.began((1, 3))
    progress.done((0, 6))
    progress.done((1, 3))
    assert progress.committable() == [(1, 4)]
    progress.done((0, 5))
    assert progress.committable() == [(0, 7)]
    progress.done((0, 9))
    assert progress.committable() == []
    progress.done((0, 7))
    assert progress.committable() == [(0, 10)]


def test_weight_is_spent_no_faster_than_allowed() -> None:
    """After the first half minute's worth, requests wait for their weight; a venue's Retry-After stops all."""
    allowance = Allowance(600, at=0)
    assert allowance.wait(240, 0) == 0
    assert allowance.wait(80, 0) == pytest.approx(10)
    assert allowance.wait(80, 10) == 0
    allowance.block(60, at=10)
    assert allowance.wait(1, 20) == 50
    assert allowance.wait(1, 70) == 0


def test_a_weight_above_the_bucket_is_still_served() -> None:
    """A request heavier than the whole bucket waits for a full one, not for ever."""
    allowance = Allowance(60, at=0)
    assert allowance.wait(100, 0) == 0
    assert 0 < allowance.wait(1, 0) < 120
