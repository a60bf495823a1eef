"""Trades → one-minute candles on stock Faust: a table of open candles by symbol, one update a trade; a closed one is sent on."""

import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import faust

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
MINUTE = 60_000_000

app = faust.App(
    os.environ["GROUP"],
    broker=f"kafka://{os.environ['BROKERS']}",
    store="memory://",
    web_enabled=False,
    topic_partitions=4,
    topic_replication_factor=1,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=10.0,
    broker_heartbeat_interval=3.0,
    producer_linger=0.005,
    producer_compression_type="lz4",
    datadir=os.environ["STATE_DIR"],
)
trades = app.topic(os.environ["INPUT_TOPIC"], value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")
candles = app.topic(os.environ["OUTPUT_TOPIC"], value_serializer="json")
table = app.Table("open", key_type=str, value_type=dict, partitions=4)


@app.agent(trades)
async def build(stream: Any) -> None:
    """Add each trade to its symbol's open candle."""
    async for value in stream:
        trade: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), TRADE, None)
        begin = int(trade["event_time"].timestamp()) * 1_000_000 // MINUTE * MINUTE
        price, symbol = trade["price"], trade["symbol"]
        said = str(price)
        candle = table.get(symbol)
        if candle is not None and begin < candle["open_time"]:
            continue  # too late, or read again after a restart
        if candle is None or candle["open_time"] != begin:
            if candle is not None:
                await candles.send(key=symbol, value=candle)
            first = {"symbol": symbol, "open_time": begin, "open": said, "high": said, "low": said, "volume": "0", "trades": 0}
            candle = first
        table[symbol] = {
            **candle,
            "high": str(max(Decimal(candle["high"]), price)),
            "low": str(min(Decimal(candle["low"]), price)),
            "close": said,
            "volume": str(Decimal(candle["volume"]) + trade["size"]),
            "trades": candle["trades"] + 1,
        }


if __name__ == "__main__":
    app.main()
