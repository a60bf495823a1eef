"""Raw frames → trades on Quix Streams: one function a frame, the Avro of it in a serialiser of its own (faster than the registry's)."""

import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import orjson
from quixstreams import Application
from quixstreams.models import Deserializer, SerializationContext, Serializer

FRAME = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
TRADE = fastavro.parse_schema(json.loads(Path(os.environ["OUTPUT_SCHEMA"]).read_text()))
HEAD = b"\0" + int(os.environ["OUTPUT_SCHEMA_ID"]).to_bytes(4, "big")


class Read(Deserializer):
    """Frames in the Confluent wire format."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> Any:
        """Return the record."""
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), FRAME, None)


class Write(Serializer):
    """Trades in the Confluent wire format."""

    def __call__(self, value: Any, ctx: SerializationContext) -> bytes:
        """Return the message."""
        out = io.BytesIO()
        out.write(HEAD)
        fastavro.schemaless_writer(out, TRADE, value)
        return out.getvalue()


def trade(frame: dict[str, Any]) -> dict[str, Any]:
    """Return the trade in a frame."""
    data = orjson.loads(frame["payload"])["data"]
    return {
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


app = Application(
    broker_address=os.environ["BROKERS"],
    consumer_group=os.environ["GROUP"],
    auto_offset_reset="earliest",
    state_dir=os.environ["STATE_DIR"],
    consumer_extra_config={"session.timeout.ms": 10_000},
    producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
)
frames = app.topic(os.environ["INPUT_TOPIC"], value_deserializer=Read())
trades = app.topic(os.environ["OUTPUT_TOPIC"], value_serializer=Write())
app.dataframe(frames).apply(trade).to_topic(trades, key=lambda made: f"{made['venue']}|{made['symbol']}".encode())

if __name__ == "__main__":
    app.run()
