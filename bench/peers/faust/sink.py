"""Trades → rows of ClickHouse on stock Faust: `take` gathers, clickhouse-connect inserts."""

import asyncio
import io
import json
import os
from pathlib import Path
from typing import Any

import clickhouse_connect
import fastavro
import faust

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
NAMES = [field["name"] for field in json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text())["fields"]]

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
    stream_buffer_maxsize=16_384,
    datadir=os.environ["STATE_DIR"],
)
trades = app.topic(os.environ["INPUT_TOPIC"], value_type=bytes, key_type=bytes, value_serializer="raw", key_serializer="raw")


def row(value: bytes) -> list[Any]:
    """Return a trade as a row."""
    record: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), TRADE, None)
    return [record[name] for name in NAMES]


@app.agent(trades)
async def insert(stream: Any) -> None:
    """Insert batches."""
    client = clickhouse_connect.get_client(
        host=os.environ["CLICKHOUSE_HOST"],
        port=int(os.environ["CLICKHOUSE_PORT"]),
        username=os.environ["CLICKHOUSE_USER"],
        password=os.environ["CLICKHOUSE_PASSWORD"],
    )
    async for values in stream.take(10_000, within=0.5):
        rows = [row(value) for value in values]
        await asyncio.to_thread(client.insert, os.environ["OUTPUT_TABLE"], rows, NAMES, settings={"async_insert": 0})


if __name__ == "__main__":
    app.main()
