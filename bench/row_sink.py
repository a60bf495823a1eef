"""The peer of the sink: each message decoded to a dict and rows inserted as lists, as a sink is commonly written in Python.

It is given what can be given without changing that: fastavro with the schema parsed once (three times as fast as Confluent's
AvroDeserializer), and the same batches, table and commits as ours. `python -m bench.row_sink`
"""

import io
import signal
import threading
import time
from typing import Any

import fastavro
from confluent_kafka import TopicPartition

from schemas.catalogue import event
from schemas.codec import PREFIX
from sinks.clickhouse.ddl import prepare
from sinks.clickhouse.writer import SETTINGS
from topology import metrics
from topology.clickhouse import connect
from topology.health import Health
from topology.kafka import consumer
from topology.settings import Settings, load

STAGE = "row_sink"
TRADE = event("trade")


def run(settings: Settings, stop: threading.Event) -> None:
    """Write the trades topic into its table until `stop` is set."""
    client = connect(settings.clickhouse)
    prepare(client, settings.clickhouse, TRADE)
    table = f"{settings.clickhouse.database}.{TRADE.table}"
    names = [field["name"] for field in TRADE.fields]
    schema = fastavro.parse_schema(TRADE.schema)
    reader = consumer(settings.kafka, STAGE)
    reader.subscribe([TRADE.topic.of()])
    count = metrics.events_out.labels(STAGE, TRADE.table)
    rows: list[list[Any]] = []
    offsets: dict[tuple[str, int], int] = {}
    since = time.monotonic()
    while not stop.is_set():
        fetched: list[Any] = reader.consume(10_000, 0.05)
        for message in fetched:
            source = io.BytesIO(message.value())
            source.seek(PREFIX)
            record: Any = fastavro.schemaless_reader(source, schema, None)
            rows.append([record[name] for name in names])
            offsets[message.topic(), message.partition()] = message.offset() + 1
        if len(rows) >= settings.sink.flush_rows or (rows and time.monotonic() - since > settings.sink.flush_seconds):
            client.insert(table, rows, names, settings={"async_insert": SETTINGS["async_insert"]})
            reader.commit(offsets=[TopicPartition(*place, offset) for place, offset in offsets.items()], asynchronous=False)
            count.inc(len(rows))
            rows, offsets, since = [], {}, time.monotonic()
    reader.close()


if __name__ == "__main__":
    tree = load()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with Health(tree, STAGE):
        run(tree, ended)
