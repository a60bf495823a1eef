"""Trades → one-minute candles on PyFlink: SQL alone, so that no Python runs while it works."""

import os
from pathlib import Path

from pyflink.table import EnvironmentSettings, TableEnvironment

STATE = Path(os.environ["STATE_DIR"])
KAFKA = f"'connector' = 'kafka', 'properties.bootstrap.servers' = '{os.environ['BROKERS']}'"

TRADES = f"""
CREATE TABLE trades (
    symbol STRING NOT NULL, price DECIMAL(38, 18) NOT NULL, size DECIMAL(38, 18) NOT NULL, event_time BIGINT,
    traded AS TO_TIMESTAMP_LTZ(event_time / 1000, 3), WATERMARK FOR traded AS traded - INTERVAL '2' SECOND
) WITH (
    {KAFKA}, 'topic' = '{os.environ["INPUT_TOPIC"]}', 'scan.startup.mode' = 'earliest-offset',
    'format' = 'avro-confluent', 'avro-confluent.url' = '{os.environ["REGISTRY_URL"]}'
)"""
CANDLES = f"""
CREATE TABLE candles (
    symbol STRING, open_time BIGINT, `open` DECIMAL(38, 18), high DECIMAL(38, 18), low DECIMAL(38, 18), `close` DECIMAL(38, 18),
    volume DECIMAL(38, 18), trades BIGINT
) WITH (
    {KAFKA}, 'topic' = '{os.environ["OUTPUT_TOPIC"]}', 'key.format' = 'raw', 'key.fields' = 'symbol', 'value.format' = 'json',
    'value.json.encode.decimal-as-plain-number' = 'true', 'properties.linger.ms' = '5', 'properties.compression.type' = 'lz4'
)"""
BUILD = """
INSERT INTO candles SELECT
    symbol, UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000000, FIRST_VALUE(price), MAX(price), MIN(price), LAST_VALUE(price),
    SUM(size), COUNT(*)
FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(traded), INTERVAL '1' MINUTE)) GROUP BY symbol, window_start, window_end"""


def main() -> None:
    """Run until killed, from the newest checkpoint where there is one."""
    table = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = {
        "pipeline.jars": os.environ["JARS"],
        "parallelism.default": "1",
        "table.local-time-zone": "UTC",
        "table.exec.source.idle-timeout": "30 s",
        "execution.checkpointing.interval": "5 s",
        "execution.checkpointing.dir": STATE.as_uri(),
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    }
    kept = sorted(STATE.glob("*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
    if kept:
        settings["execution.state-recovery.path"] = kept[-1].parent.as_uri()
    for name, value in settings.items():
        table.get_config().set(name, value)
    for statement in (TRADES, CANDLES):
        table.execute_sql(statement)
    table.execute_sql(BUILD).wait()


if __name__ == "__main__":
    main()
