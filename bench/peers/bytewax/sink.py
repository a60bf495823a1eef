"""Trades → rows of ClickHouse on Bytewax: a DynamicSink that inserts what it is given, batches gathered before it."""

import io
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import clickhouse_connect
import fastavro
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
NAMES = [field["name"] for field in json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text())["fields"]]


class Inserts(StatelessSinkPartition):
    """Inserts rows."""

    def __init__(self) -> None:
        self.client = clickhouse_connect.get_client(
            host=os.environ["CLICKHOUSE_HOST"],
            port=int(os.environ["CLICKHOUSE_PORT"]),
            username=os.environ["CLICKHOUSE_USER"],
            password=os.environ["CLICKHOUSE_PASSWORD"],
        )

    def write_batch(self, items: list[list[list[Any]]]) -> None:
        """Insert each gathered batch."""
        for rows in items:
            self.client.insert(os.environ["OUTPUT_TABLE"], rows, NAMES, settings={"async_insert": 0})


class Rows(DynamicSink):
    """One inserter a worker."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Inserts:
        """Return a worker's."""
        return Inserts()


def batch(messages: list[Any]) -> list[tuple[str, list[Any]]]:
    """Return the rows of a batch of messages, under one key: `collect` gathers by key."""
    records: list[Any] = [fastavro.schemaless_reader(io.BytesIO(message.value[5:]), TRADE, None) for message in messages]
    return [("", [record[name] for name in NAMES]) for record in records]


flow = Dataflow("sink")
messages = op.input("trades", flow, KafkaSource([os.environ["BROKERS"]], [os.environ["INPUT_TOPIC"]], batch_size=5_000))
rows = op.flat_map_batch("read", messages, batch)
gathered = op.collect("gather", rows, timeout=timedelta(seconds=0.5), max_size=10_000)
op.output("rows", op.key_rm("bare", gathered), Rows())
