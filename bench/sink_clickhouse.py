"""Trades from Kafka to rows that a query sees: our sink, and one that decodes each message; and how a block had best travel."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from bench.result import Result, result
from bench.stage_rate import Bench, Rate, cpu_seconds, fresh
from schemas import decimals
from schemas.catalogue import event
from schemas.codec import Codec, container, header
from sinks.clickhouse.block import FORMAT, Blocks
from sinks.clickhouse.ddl import prepare
from sinks.clickhouse.writer import SETTINGS
from topology.clickhouse import connect

FIGURES = ("sink_clickhouse", "sink_clickhouse_block", "sink_clickhouse_bytes")
TRADE = event("trade")
TRADES = 1_500_000
PEER_TRADES = 200_000
BLOCK = 100_000
BLOCKS = 6


def trades(codec: Codec, count: int, step: int = 1_713) -> Iterator[tuple[bytes, bytes]]:
    """Yield Binance trades of four symbols, `step` microseconds apart, prices walking by cents."""
    price = [8_723_200, 205_910, 14_433, 61_250]
    for number in range(count):
        symbol = number % 4
        price[symbol] += (number * 7_919 >> 3) % 11 - 5
        at = 1_763_725_000_000_000 + number * step
        record = TRADE.defaults | {
            "venue": "binance",
            "symbol": ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")[symbol],
            "origin": "live",
            "connection_id": "binance-20261121T114200-ab12cd34",
            "connection_sequence": number + 1,
            "received_at": at + 900 + number * 31 % 4_000,
            "frame_index": 0,
            "frames_lost": 0,
            "event_time": at // 1_000 * 1_000,
            "trade_id": str(4_744_868_157 + number // 4),
            "sequence": 4_744_868_157 + number // 4,
            "price": decimals.to_bytes(price[symbol] * 10**16),
            "size": decimals.to_bytes((number * 104_729 % 99_991 + 1) * 10**13),
            "side": ("buy", "sell")[number * 31 >> 4 & 1],
            "replayed": False,
        }
        yield b"binance|%d" % symbol, codec.encode(record)


class Cost(NamedTuple):
    """Wall and CPU seconds: of the caller and of ClickHouse."""

    wall: float
    caller: float
    engine: float


def _cost(bench: Bench, call: Callable[[], object]) -> Cost:
    pid = bench.server("clickhouse")
    engine, caller, wall = cpu_seconds(pid), time.process_time(), time.monotonic()
    call()
    return Cost(time.monotonic() - wall, time.process_time() - caller, cpu_seconds(pid) - engine)


def block(bench: Bench) -> list[Result]:
    """Insert the same blocks as Arrow and as Avro, in turns; both from message bytes, CPU of both processes."""
    codec = bench.codec("trade")
    client: Client = connect(bench.settings.clickhouse)
    prepare(client, bench.settings.clickhouse, TRADE)
    table = f"{bench.settings.clickhouse.database}.{TRADE.table}"
    values = [value for _, value in trades(codec, BLOCK)]
    blocks, head = Blocks(TRADE, codec.schema_id, TRADE.schema), header(TRADE.schema)
    limits = ("max_bytes_to_merge_at_max_space_in_pool", "max_bytes_to_merge_at_min_space_in_pool")
    client.command(f"ALTER TABLE {table} MODIFY SETTING {', '.join(f'{limit} = 1' for limit in limits)}")  # no merge is paid for by chance

    def arrow() -> None:
        client.raw_insert(table, insert_block=blocks.pack(values), fmt=FORMAT, settings=SETTINGS)

    def avro() -> None:
        client.raw_insert(table, insert_block=container(head, values), fmt="Avro", settings=SETTINGS)

    ours, theirs = [], []
    for _ in range(BLOCKS):
        ours.append(_cost(bench, arrow))
        theirs.append(_cost(bench, avro))
    client.command(f"ALTER TABLE {table} RESET SETTING {', '.join(limits)}")
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    sizes = client.query(
        "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = {d:String} AND table = {t:String}",
        parameters={"d": bench.settings.clickhouse.database, "t": TRADE.table},
    ).result_rows[0][0]
    client.command(f"TRUNCATE TABLE {table}")
    one, other = (min(costs, key=lambda cost: cost.caller + cost.engine) for costs in (ours, theirs))
    how = (
        f"{BLOCK:,} trades an insert, best of {BLOCKS}, from message bytes; CPU of the caller and of ClickHouse together "
        f"(Arrow {one.caller * 1e6 / BLOCK:.2f} + {one.engine * 1e6 / BLOCK:.2f} µs a row, "
        f"Avro {other.caller * 1e6 / BLOCK:.2f} + {other.engine * 1e6 / BLOCK:.2f})"
    )
    unit = "rows per core-second"
    value, peer = BLOCK / (one.caller + one.engine), BLOCK / (other.caller + other.engine)
    return [
        result("sink_clickhouse_block", value, unit, how, "the same block as Avro", peer),
        result(
            "sink_clickhouse_bytes", sizes, "bytes a trade on disk", f"{BLOCK:,} generated trades of four symbols, merged, all 15 columns"
        ),
    ]


def _rate(module: str, stage: str, count: int, progress: Callable[[str], None]) -> tuple[Rate, float]:
    with fresh() as bench:
        bench.load("trades", trades(bench.codec("trade"), count))
        progress(f"{module} on {count:,} trades")
        before = cpu_seconds(bench.server("clickhouse"))
        rate = bench.rate(module, stage, count, "tidewire_events_out_total")
        return rate, (cpu_seconds(bench.server("clickhouse")) - before) * 1e6 / count


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure the block, then both sinks on a backlog each, on a stack of its own."""
    with fresh() as bench:
        progress("blocks as Arrow and as Avro")
        results = block(bench)
    peer, peer_engine = _rate("bench.row_sink", "row_sink", PEER_TRADES, progress)
    ours, engine = _rate("sinks.clickhouse", "clickhouse", TRADES, progress)
    how = (
        f"a backlog of {TRADES:,} trades in 4 partitions ({PEER_TRADES:,} for the peer), one process; rows over its CPU seconds, "
        f"all threads; wall: {ours.wall:,.0f}/s, peer {peer.wall:,.0f}/s; ClickHouse: {engine:.2f} CPU µs a row, peer {peer_engine:.2f}"
    )
    return [
        result("sink_clickhouse", ours.core, "rows per core-second", how, "fastavro per message and row lists", peer.core),
        *results,
    ]
