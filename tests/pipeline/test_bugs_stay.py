"""Bugs of ours, planted in a running pipeline: each stays with its symbol, event, table or part, is told, and everything else flows."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from local import LocalStack
from simulator.faults import Fault
from simulator.server import Simulator
from tests.pipeline.harness import TOGETHER, Pipeline, settings
from tests.pipeline.havoc import load
from tests.pipeline.ledger import stored_trades, true_trades
from topology.running import running

BUGS = {
    "a venue's dialect": [("dialects.kraken.dialect:Kraken.shape", "ETH/USD"), ("dialects.kraken.dialect:Kraken.read", "ETH/USD")],
    "what a connection hears": [("dialects.kraken.dialect:KrakenSession.hear", '"bid_qty"')],
    "backfill": [("dialects.binance.dialect:Binance.trades_request", "'ETHUSDT'")],
    "a poller": [("dialects.binance.dialect:Binance.next_page", "")],
    "an event's schema": [(f"topology.event_publisher:EventPublisher.{name}", "'quote', {") for name in ("publish", "publish_block")],
    "a symbol's candles": [("processors.build_candles.builder:Builder._symbol", "'ETHUSDT'")],
    "a symbol's gaps": [(f"processors.detect_gaps.streams:Streams.{name}", "'kraken', 'SOL/USD', 'trade'") for name in ("goes_on", "see")],
    "a symbol's book": [("processors.rebuild_books.core:Book.apply", "'symbol': 'ETHUSDT'")],
    "a table": [("sinks.clickhouse.writer:Writer._of", "'book_snapshots'")],
}
SOUND = (("binance", "BTCUSDT"), ("kraken", "BTC/USD"))


def health(pipeline: Pipeline) -> dict[str, Any]:
    """Return what each stage's health says, by stage."""
    found = {}
    for one in running(pipeline.directory / "state"):
        with urlopen(f"{one['url']}/health", timeout=10) as answer:
            found[str(one["stage"])] = json.load(answer)
    return found


def failing(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return the venues that stages say are failing; of several in one process each by its own name."""
    found: dict[str, set[str]] = {}
    for process, said in health(pipeline).items():
        for fault in said.get("faults", ()):
            found.setdefault(fault["stage"] if process == "processors" else process, set()).add(fault["venue"])
    return {stage: sorted(venues) for stage, venues in found.items()}


def gap(pipeline: Pipeline, symbol: str) -> tuple[str, str]:
    """Return state and repair of the hole of two trades that was made; a connection that a slow machine lost has gaps of its own."""
    rows = pipeline.query(f"""SELECT state, repair, cause, from_sequence, to_sequence, connection_id FROM gaps FINAL
        WHERE channel = 'trade' AND venue = 'binance' AND symbol = '{symbol}'""")
    holes = [row for row in rows if row[3] is not None and row[4] - row[3] == 1]
    assert len(holes) == 1, rows
    return str(holes[0][0]), str(holes[0][1])


def symbols(pipeline: Pipeline, table: str) -> set[tuple[str, str]]:
    """Return the markets that a table has rows of."""
    return {(venue, symbol) for venue, symbol in pipeline.query(f"SELECT DISTINCT venue, symbol FROM {table}")}


def whole(pipeline: Pipeline, key: tuple[str, str], trades: object) -> bool:
    """Whether every trade of a market is there."""
    return stored_trades(pipeline).get(key) == trades


@pytest.mark.timeout(600)
async def test_a_bug_stays_where_it_is(tmp_path: Path, stack: LocalStack) -> None:
    """With a bug in nine places at once no process ends, what is sound arrives whole, and what failed is counted, red and refused.

    Both venues are in one process, and so are candles, gaps and books.
    """
    environment = {
        "PYTHONPATH": str(Path(__file__).parent / "bugs"),
        "TIDEWIRE_TEST_BUGS": json.dumps([bug for bugs in BUGS.values() for bug in bugs]),
        "TIDEWIRE_HEALTH__HOST": "127.0.0.1",
    }
    async with (
        Simulator(settings(bases=("BTC", "ETH", "SOL"), rate=400.0)) as simulator,
        Pipeline(tmp_path, simulator, tuple(TOGETHER), origin="live", stack=stack, environment=environment) as pipeline,
    ):
        pids = {stage: process.pid for stage, process in pipeline.processes.items()}
        async with load(simulator):
            await pipeline.until(lambda: len(symbols(pipeline, "trades")) >= 3, "the market flows")
            await simulator.inject(Fault("drop", "binance", "BTC/USDT", "trade", count=2))
            await simulator.inject(Fault("drop", "binance", "ETH/USDT", "trade", count=2))
            await pipeline.until(lambda: gap(pipeline, "BTCUSDT")[0] == "filled", "a hole is filled")
            await pipeline.until(lambda: gap(pipeline, "ETHUSDT")[0] == "unfillable", "a hole that our code fails on ends")
        await simulator.pause()
        truth = true_trades(simulator)
        for key in SOUND:
            await pipeline.until(partial(whole, pipeline, key, truth[key]), f"every trade of {key} is there")
        await pipeline.until(lambda: symbols(pipeline, "candles") >= set(SOUND), "candles of what is sound")
        reasons = [(stage, reason) for stage, reason in pipeline.query("SELECT stage, reason FROM dead_letters FINAL")]

        assert "KeyError" in gap(pipeline, "ETHUSDT")[1]
        assert ("binance", "ETHUSDT") not in symbols(pipeline, "candles")
        assert ("kraken", "ETH/USD") not in symbols(pipeline, "trades")
        assert pipeline.query("SELECT count() FROM quotes") == [(0,)]
        assert pipeline.query("SELECT count() FROM book_snapshots") == [(0,)]
        assert {stage for stage, reason in reasons if "KeyError" in reason} >= {"normalise", "build_candles", "rebuild_books"}
        red = failing(pipeline)
        assert "kraken" in red["normalise"]
        assert red["producers"] == ["binance", "kraken"]
        assert {"build_candles", "rebuild_books", "detect_gaps"} <= red.keys()
        assert {stage: process.pid for stage, process in pipeline.processes.items()} == pids
        assert [stage for stage, process in pipeline.processes.items() if process.poll() is not None] == []
        for stage in pids:  # told once a minute for each kind, not once a frame
            assert len(re.findall("A fault of our own", pipeline.log(stage, 100_000))) <= 20, pipeline.log(stage)
