"""Trades → one-minute candles on Bytewax: fold_window on event time, keyed by symbol."""

import io
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import fastavro
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Candle:
    """What traded in a minute."""

    open: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    close: Decimal = Decimal(0)
    volume: Decimal = Decimal(0)
    trades: int = 0


def batch(messages: list[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the trades of a batch of messages, keyed."""
    records: list[Any] = [fastavro.schemaless_reader(io.BytesIO(message.value[5:]), TRADE, None) for message in messages]
    return [(record["symbol"], record) for record in records]


def add(candle: Candle, trade: dict[str, Any]) -> Candle:
    """Add a trade."""
    price = trade["price"]
    if not candle.trades:
        candle.open = candle.high = candle.low = price
    candle.high = max(candle.high, price)
    candle.low = min(candle.low, price)
    candle.close = price
    candle.volume += trade["size"]
    candle.trades += 1
    return candle


def never(one: Candle, _: Candle) -> Candle:
    """Merge two windows, which only sessions do."""
    return one


def message(closed: tuple[str, tuple[int, Candle]]) -> KafkaSinkMessage:
    """Return a closed window as a message."""
    symbol, (number, candle) = closed
    said = asdict(candle) | {"symbol": symbol, "open_time": number * 60_000_000}
    return KafkaSinkMessage(symbol.encode(), json.dumps(said, default=str).encode())


brokers = [os.environ["BROKERS"]]
flow = Dataflow("candles")
messages = op.input("trades", flow, KafkaSource(brokers, [os.environ["INPUT_TOPIC"]], batch_size=5_000))
trades = op.flat_map_batch("read", messages, batch)
clock = win.EventClock(lambda trade: trade["event_time"], wait_for_system_duration=timedelta(seconds=10))
windower = win.TumblingWindower(length=MINUTE, align_to=EPOCH)
candles = win.fold_window("minute", trades, clock, windower, Candle, add, never, ordered=False)
op.output("candles", op.map("message", candles.down, message), KafkaSink(brokers, os.environ["OUTPUT_TOPIC"]))
