"""Trades → rows of ClickHouse on Quix Streams: a BatchingSink that inserts at each checkpoint, as its documentation has it."""

import io
import json
import os
from pathlib import Path
from typing import Any

import clickhouse_connect
import fastavro
from quixstreams import Application
from quixstreams.models import Deserializer, SerializationContext
from quixstreams.sinks import BatchingSink, SinkBatch

TRADE = fastavro.parse_schema(json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text()))
NAMES = [field["name"] for field in json.loads(Path(os.environ["INPUT_SCHEMA"]).read_text())["fields"]]


class Read(Deserializer):
    """Trades in the Confluent wire format."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> Any:
        """Return the record."""
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), TRADE, None)


class Rows(BatchingSink):
    """Inserts the trades of a partition since the last checkpoint."""

    def setup(self) -> None:
        """Connect."""
        self.client = clickhouse_connect.get_client(
            host=os.environ["CLICKHOUSE_HOST"],
            port=int(os.environ["CLICKHOUSE_PORT"]),
            username=os.environ["CLICKHOUSE_USER"],
            password=os.environ["CLICKHOUSE_PASSWORD"],
        )

    def write(self, batch: SinkBatch) -> None:
        """Insert them."""
        rows = [[item.value[name] for name in NAMES] for item in batch]
        self.client.insert(os.environ["OUTPUT_TABLE"], rows, NAMES, settings={"async_insert": 0})


app = Application(
    broker_address=os.environ["BROKERS"],
    consumer_group=os.environ["GROUP"],
    auto_offset_reset="earliest",
    state_dir=os.environ["STATE_DIR"],
    commit_interval=0.5,
    consumer_extra_config={"session.timeout.ms": 10_000},
)
app.dataframe(app.topic(os.environ["INPUT_TOPIC"], value_deserializer=Read())).sink(Rows())

if __name__ == "__main__":
    app.run()
