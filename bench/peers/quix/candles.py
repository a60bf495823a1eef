"""Trades → one-minute candles on Quix Streams: its tumbling window and aggregators. Its state is JSON, so that prices are floats."""

import io
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import fastavro
from quixstreams import Application
from quixstreams.dataframe.windows import Count, First, Last, Max, Min, Sum
from quixstreams.models import Deserializer, SerializationContext

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))


class Read(Deserializer):
    """Of a trade what a candle needs."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> Any:
        """Return the record."""
        record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), TRADE, None)
        at = int(record["event_time"].timestamp() * 1_000)
        return {"symbol": record["symbol"], "price": float(record["price"]), "size": float(record["size"]), "at": at}


def event_time(value: dict[str, Any], *_: Any) -> int:
    """Return a trade's own time in milliseconds."""
    at: int = value["at"]
    return at


def candle(window: dict[str, Any]) -> dict[str, Any]:
    """Return a closed window as a candle."""
    return {**{name: value for name, value in window.items() if name not in {"start", "end"}}, "open_time": window["start"] * 1_000}


app = Application(
    broker_address=os.environ["BROKERS"],
    consumer_group=os.environ["GROUP"],
    auto_offset_reset="earliest",
    state_dir=os.environ["STATE_DIR"],
    consumer_extra_config={"session.timeout.ms": 10_000},
    producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
)
trades = app.topic(os.environ["INPUT_TOPIC"], value_deserializer=Read(), timestamp_extractor=event_time)
candles = app.topic(os.environ["OUTPUT_TOPIC"])
windows = app.dataframe(trades).tumbling_window(timedelta(minutes=1))
made = windows.agg(
    symbol=Last("symbol"), open=First("price"), high=Max("price"), low=Min("price"), close=Last("price"), volume=Sum("size"), trades=Count()
)
made.final().apply(candle).to_topic(candles)

if __name__ == "__main__":
    app.run()
