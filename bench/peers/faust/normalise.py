"""Raw frames → trades on stock Faust: an agent, one event at a time."""

import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import faust
import orjson

FRAME = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
TRADE = fastavro.parse_schema(json.loads(Path(os.environ["OUTPUT_SCHEMA"]).read_text()))
HEAD = b"\0" + int(os.environ["OUTPUT_SCHEMA_ID"]).to_bytes(4, "big")

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
frames = app.topic(os.environ["INPUT_TOPIC"], value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")
trades = app.topic(os.environ["OUTPUT_TOPIC"], value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")


def trade(value: bytes) -> tuple[bytes, bytes]:
    """Return key and value of the trade in a frame; both in the Confluent wire format."""
    frame: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), FRAME, None)
    data = orjson.loads(frame["payload"])["data"]
    out = io.BytesIO()
    out.write(HEAD)
    record = {
        "venue": frame["venue"],
        "symbol": data["s"],
        "origin": frame["origin"],
        "connection_id": frame["connection_id"],
        "connection_sequence": frame["connection_sequence"],
        "received_at": frame["received_at"],
        "event_time": data["T"],
        "trade_id": str(data["t"]),
        "sequence": data["t"],
        "price": Decimal(data["p"]),
        "size": Decimal(data["q"]),
        "side": "sell" if data["m"] else "buy",
    }
    fastavro.schemaless_writer(out, TRADE, record)
    return f"{record['venue']}|{record['symbol']}".encode(), out.getvalue()


@app.agent(frames)
async def normalise(stream: Any) -> None:
    """Send each frame's trade on."""
    async for value in stream:
        key, made = trade(value)
        await trades.send(key=key, value=made)


if __name__ == "__main__":
    app.main()
