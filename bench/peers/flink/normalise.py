"""Raw frames → trades on PyFlink: a Python table function in the JVM's own process ("thread" mode, its fast one)."""

import io
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import orjson
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udtf

FRAME = Path(os.environ["INPUT_SCHEMA"]).read_text()
TRADE = Path(os.environ["OUTPUT_SCHEMA"]).read_text()
HEAD = b"\0" + int(os.environ["OUTPUT_SCHEMA_ID"]).to_bytes(4, "big")
STATE = Path(os.environ["STATE_DIR"])
KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['BROKERS']}'"


class Normalise:
    """The trade in a frame, both in the Confluent wire format, and its key."""

    def __init__(self, frame: str, trade: str, head: bytes) -> None:
        self.frame = fastavro.parse_schema(json.loads(frame))
        self.trade = fastavro.parse_schema(json.loads(trade))
        self.head = head

    def __call__(self, value: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the one trade."""
        frame: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), self.frame, None)
        data = orjson.loads(frame["payload"])["data"]
        out = io.BytesIO()
        out.write(self.head)
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
        fastavro.schemaless_writer(out, self.trade, record)
        yield f"{record['venue']}|{record['symbol']}".encode(), out.getvalue()


def main() -> None:
    """Run until killed, from the newest checkpoint where there is one."""
    os.environ["PYTHONPATH"] = sysconfig.get_path("purelib")  # the JVM embeds an interpreter that does not know this environment
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = {
        "pipeline.jars": os.environ["JARS"],
        "parallelism.default": "1",
        "python.executable": sys.executable,
        "python.execution-mode": "thread",
        "execution.checkpointing.interval": "5 s",
        "execution.checkpointing.dir": STATE.as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
    kept = sorted(STATE.glob("*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
    if kept:
        settings["execution.state-recovery.path"] = kept[-1].parent.as_uri()
    for name, value in settings.items():
        table.get_config().set(name, value)
    read = f"'topic' = '{os.environ['INPUT_TOPIC']}', 'scan.startup.mode' = 'earliest-offset', 'format' = 'raw'"
    written = f"'topic' = '{os.environ['OUTPUT_TOPIC']}', 'key.format' = 'raw', 'key.fields' = 'k', 'value.format' = 'raw'"
    table.execute_sql(f"CREATE TABLE frames (frame BYTES) WITH ({KAFKA}, {read})")
    table.execute_sql(
        f"CREATE TABLE trades (k BYTES, v BYTES) WITH ({KAFKA}, {written}, 'value.fields-include' = 'EXCEPT_KEY', "
        "'properties.linger.ms' = '5', 'properties.compression.type' = 'lz4')"
    )
    made = udtf(Normalise(FRAME, TRADE, HEAD), result_types=[DataTypes.BYTES(), DataTypes.BYTES()])
    table.create_temporary_system_function("normalise", made)
    table.execute_sql("INSERT INTO trades SELECT k, v FROM frames, LATERAL TABLE(normalise(frame)) AS made(k, v)").wait()


if __name__ == "__main__":
    main()
