"""Trades from Kafka → updated candles of 16 intervals: our stage, and stock Faust with one table update per trade."""

from collections.abc import Callable

from bench.result import Result, result
from bench.sink_clickhouse import trades
from bench.stage_rate import fresh

FIGURES = ("build_candles",)
TRADES = 2_000_000
PEER_TRADES = 40_000


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure both, the peer on a shorter backlog of its own topic."""
    with fresh() as bench:
        bench.load("trades", trades(bench.codec("trade"), PEER_TRADES))
        progress(f"stock Faust on {PEER_TRADES:,} trades")
        peer = bench.rate("bench.stock_faust candles", "stock", PEER_TRADES)
    with fresh() as bench:
        bench.load("trades", trades(bench.codec("trade"), TRADES))
        progress(f"Tidewire on {TRADES:,} trades")
        ours = bench.rate("processors.build_candles", "build_candles", TRADES)
    how = (
        f"a backlog of {TRADES:,} trades of four symbols ({PEER_TRADES:,} for the peer), one process; trades over its CPU seconds from "
        f"first to last batch, all threads, candles published and state kept; the peer updates one candle of one interval a trade; "
        f"wall: {ours.wall:,.0f}/s, peer {peer.wall:,.0f}/s"
    )
    return [result("build_candles", ours.core, "trades per core-second", how, "stock Faust, one table update per trade", peer.core)]
