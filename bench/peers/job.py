"""One program at one job: what it reads, where its work comes out, and the environment in which it is told of both."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from bench.normalise import frames
from bench.peers.outlets import Candles, Outlet, Record, Table, Trades, Truth, create
from bench.sink_clickhouse import trades
from bench.stage_rate import Bench
from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from schemas.catalogue import event
from sinks.clickhouse.ddl import prepare
from topology.clickhouse import connect, password_of

FIRST_ID = 4_567_000_000
"""The id of the first trade in bench.normalise's frames."""
STEP = 20_000
"""Microseconds between two trades: 3,000 a minute."""
KEYS = {b"binance|0": b"binance|5", b"binance|1": b"binance|2", b"binance|2": b"binance|0", b"binance|3": b"binance|4"}
"""Keys under which each of the four symbols has a partition of its own: else two lie empty, and hold back Flink's watermark."""
MOST = 10**9
NULLS = "SETTINGS allow_nullable_key = 1"
"""The partitions are by event_time, which may be null."""
STAGES = {"normalise": "processors.normalise", "candles": "processors.build_candles", "sink": "sinks.clickhouse"}


class Job:
    """A program's input, which goes on from phase to phase, and its outlet."""

    def __init__(self, bench: Bench, job: str, program: str, *, ours: bool) -> None:
        self.bench = bench
        self.name = job
        self.loaded = 0
        self._source, self._truth = self._messages()
        theirs = f"peers.{program}.{job}"
        self.input = ("raw.binance" if job == "normalise" else "trades") if ours else f"{theirs}.in"
        if not ours:
            create(bench, self.input)
        self.output = {"normalise": "trades", "candles": "candles", "sink": ""}[job] if ours else f"{theirs}.out"
        self.table = f"{bench.settings.clickhouse.database}.trades{'' if ours else f'_{program}'}"
        self.outlet = self._outlet(ours=ours)

    def _messages(self) -> tuple[Iterator[tuple[bytes, bytes]], Truth | None]:
        if self.name == "normalise":
            return frames(self.bench, MOST), None
        codec = self.bench.codec("trade")
        return trades(codec, MOST, STEP), Truth(codec) if self.name == "candles" else None

    def _outlet(self, *, ours: bool) -> Outlet:
        if self.name == "normalise":
            return Trades(self.bench, self.output, FIRST_ID, self._expected)
        if self._truth is not None:
            return Candles(self.bench, self.output, self._truth, self.bench.codec("candle") if ours else None)
        self._prepare(ours=ours)
        return Table(self.bench, self.table)

    def _expected(self, number: int) -> Record:
        """Return the trade of a frame as we make it: a peer's must be the same."""
        frames_codec, codec = self.bench.codec("frame", "raw.binance"), self.bench.codec("trade")
        frame = Frame(**frames_codec.decode(next(frames(self.bench, 1, number))[1]))
        (made,) = Normaliser(all_dialects()).apply([(0, frame)])
        assert isinstance(made, NormalisedEvent)
        return codec.decode(codec.encode(made.record))

    def _prepare(self, *, ours: bool) -> None:
        """Make the table; a peer's has the same columns and keeps every row, and ours is not merged meanwhile, so that doubles are seen."""
        client = connect(self.bench.settings.clickhouse)
        prepare(client, self.bench.settings.clickhouse, event("trade"))
        if ours:
            limits = ("max_bytes_to_merge_at_max_space_in_pool", "max_bytes_to_merge_at_min_space_in_pool")
            client.command(f"ALTER TABLE {self.table} MODIFY SETTING {', '.join(f'{limit} = 1' for limit in limits)}")
        else:
            original = f"{self.bench.settings.clickhouse.database}.trades"
            client.command(f"CREATE TABLE {self.table} AS {original} ENGINE = MergeTree ORDER BY (venue, symbol) {NULLS}")

    def take(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield the next messages of the input, which count as loaded."""
        for key, value in islice(self._source, count):
            if self._truth is not None:
                self._truth.add(value)
            self.loaded += 1
            yield KEYS.get(key, key), value

    def due(self) -> int:
        """Return how many inputs must be answered by now: of candles the trades of minutes that are over."""
        return self.loaded if self._truth is None else sum(candle[5] for candle in self._truth.closed().values())

    def environment(self, state: Path) -> dict[str, str]:
        """Return what a peer's program is told."""
        codec = self.bench.codec("trade")
        schemas = {}
        for name in ("frame", "trade"):
            schemas[name] = state / f"{name}.avsc"
            schemas[name].write_text(json.dumps(event(name).schema))
        clickhouse = urlsplit(self.bench.settings.clickhouse.url)
        return {
            "BROKERS": self.bench.kafka.brokers,
            "GROUP": f"peer-{self.output}",
            "INPUT_TOPIC": self.input,
            "INPUT_SCHEMA": str(schemas["frame" if self.name == "normalise" else "trade"]),
            "REGISTRY_URL": self.bench.settings.registry.url,
            "OUTPUT_TOPIC": self.output,
            "OUTPUT_SCHEMA": str(schemas["trade"]),
            "OUTPUT_SCHEMA_ID": str(codec.schema_id),
            "OUTPUT_TABLE": self.table,
            "STATE_DIR": str(state),
            "CLICKHOUSE_HOST": clickhouse.hostname or "",
            "CLICKHOUSE_PORT": str(clickhouse.port),
            "CLICKHOUSE_USER": self.bench.settings.clickhouse.user,
            "CLICKHOUSE_PASSWORD": password_of(self.bench.settings.clickhouse),
        }
