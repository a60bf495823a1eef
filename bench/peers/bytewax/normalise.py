"""Raw frames → trades on Bytewax: a batch of frames at a time (flat_map_batch), which is its fast way."""

import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import bytewax.operators as op
import fastavro
import orjson
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

FRAME = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
TRADE = fastavro.parse_schema(json.loads(Path(os.environ["OUTPUT_SCHEMA"]).read_text()))
HEAD = b"\0" + int(os.environ["OUTPUT_SCHEMA_ID"]).to_bytes(4, "big")


def trade(value: bytes) -> KafkaSinkMessage:
    """Return the trade in a frame; both in the Confluent wire format."""
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
    return KafkaSinkMessage(f"{record['venue']}|{record['symbol']}".encode(), out.getvalue())


def batch(messages: list[Any]) -> list[KafkaSinkMessage]:
    """Return the trades of a batch of frames."""
    return [trade(message.value) for message in messages]


brokers = [os.environ["BROKERS"]]
flow = Dataflow("normalise")
frames = op.input("frames", flow, KafkaSource(brokers, [os.environ["INPUT_TOPIC"]], batch_size=5_000))
trades = op.flat_map_batch("trade", frames, batch)
op.output("trades", trades, KafkaSink(brokers, os.environ["OUTPUT_TOPIC"], {"compression.type": "lz4"}))
