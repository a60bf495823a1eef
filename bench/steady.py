"""`tidewire up` at 2,000 frames a second for ten minutes: latencies seen from outside, cores and memory by process.

Everything is real but the market: the simulator's sockets, producers, broker, stages, ClickHouse, all on this machine.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import clickhouse_connect
from confluent_kafka import Consumer

from bench.processes import Used, used
from bench.result import Result, result
from schemas.catalogue import event
from schemas.codec import Codec, schema_id
from topology.addresses import located
from topology.clickhouse import password_of
from topology.clock import now
from topology.kafka import consumer, failure
from topology.settings import ClickHouse, Kafka, Settings

FIGURES = (
    "frame_to_topic_p50_ms",
    "frame_to_topic_p99_ms",
    "frame_to_row_p50_ms",
    "frame_to_row_p99_ms",
    "steady_cores",
    "up_memory_mb",
    "memory_growth_mb",
)
RATE = 2000
SECONDS = float(os.environ.pop("TIDEWIRE_BENCH_STEADY_SECONDS", "600"))  # popped: to the stages it would be a misspelt setting
WARM_SECONDS = 30.0
START_LIMIT = 180.0
TOPICS = ("trade", "quote", "book_delta")


class Up:
    """`tidewire up --plain --simulated` in a temporary directory, and the addresses it printed."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        command = [sys.executable, "-m", "console.command_line", "up", "--plain", "--simulated", "--rate", str(RATE)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"TIDEWIRE_STATE_DIR": str(self.state)}, text=True
        )
        self._lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._lines += self._process.stdout

    def address(self, name: str) -> str:
        """Wait for a line `hh:mm:ss name: address`."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._process.poll() is None:
            for line in list(self._lines):
                if found := re.match(rf"[\d:]+ {name}: (\S+)$", line):
                    return found[1]
            time.sleep(0.1)
        raise RuntimeError("tidewire up did not start:\n" + "".join(self._lines[-20:]))

    def stop(self) -> None:
        """Stop everything in order."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(180)

    def used(self) -> dict[str, Used]:
        """Return what each of its processes has used."""
        return used(self._process.pid)


def read_topics(reader: Consumer, until: float, delays: list[float]) -> None:
    """Note the time from receipt to here of every event that comes, in milliseconds, until a monotonic time."""
    codecs = {event(name).topic.of(): event(name) for name in TOPICS}
    known: dict[tuple[str, bytes], Codec] = {}
    while time.monotonic() < until:
        for message in reader.consume(1_000, 0.001):
            if failure(message) is not None:
                raise RuntimeError(str(message.error()))
            value, topic, at = message.value() or b"", message.topic() or "", now()
            codec = known.get((topic, value[:5]))
            if codec is None:
                codec = known[topic, value[:5]] = Codec(codecs[topic], schema_id(value))
            delays.append((at - codec.decode(value)["received_at"]) / 1_000)


def poll_rows(server: ClickHouse, until: float, delays: list[float]) -> None:
    """Note for the newest row at each look how old its frame was when a query first saw it, and every older one seen first."""
    client = clickhouse_connect.get_client(dsn=server.url, password=password_of(server), database="tidewire")
    seen = now()
    question = "SELECT toUnixTimestamp64Micro(received_at) AS time FROM trades WHERE time > {seen:Int64} ORDER BY time LIMIT 100000"
    while time.monotonic() < until:
        rows = [row[0] for row in client.query(question, parameters={"seen": seen}).result_rows]
        at = now()
        delays += [(at - time_of) / 1_000 for time_of in rows]
        seen = max(rows, default=seen)
        time.sleep(0.25)
    client.close()


def quantile(delays: list[float], share: float) -> float:
    """Return the value below which a share of the delays lies."""
    ordered = sorted(delays)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run(progress: Callable[[str], None]) -> list[Result]:
    """Start it, look from outside, stop it."""
    to_topic: list[float] = []
    to_row: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tidewire-bench-") as name:
        up = Up(Path(name))
        try:
            kafka = Kafka(brokers=up.address("Kafka"))
            clickhouse = located(Settings(state_dir=up.state), "clickhouse").clickhouse
            progress(f"at {RATE:,} frames/s for {SECONDS:.0f} s")
            time.sleep(WARM_SECONDS)
            reader = consumer(kafka, "bench.onlooker", **{"auto.offset.reset": "latest", "fetch.wait.max.ms": 1})
            reader.subscribe([event(one).topic.of() for one in TOPICS])
            before = up.used()
            until = time.monotonic() + SECONDS
            rows = threading.Thread(target=poll_rows, args=(clickhouse, until, to_row))
            rows.start()
            read_topics(reader, until, to_topic)
            rows.join()
            after = up.used()
            reader.close()
        finally:
            up.stop()
    where = (
        f"`tidewire up` with the simulator at {RATE:,} frames/s for {SECONDS:.0f} s, everything on {os.cpu_count()} cores; "
        f"from the frame's received_at to"
    )
    topic_how = f"{where} this bench's consumer; {len(to_topic):,} events, {len(to_topic) / SECONDS:,.0f}/s"
    row_how = f"{where} the first query (every 0.25 s) that sees the trade's row; {len(to_row):,} rows"
    no = Used(0.0, 0.0)
    cores = {name: (after[name].cpu - before.get(name, no).cpu) / SECONDS for name in after}
    growth = {name: after[name].memory - before.get(name, no).memory for name in after}
    cores_how = f"`tidewire up` and all it starts in that run, the onlooker not: {_listed(cores, '.2f')}"
    memory_how = (
        f"proportional set size after {SECONDS:.0f} s of that run: {_listed({name: one.memory for name, one in after.items()}, '.0f')}"
    )
    growth_how = f"proportional set size, over the {SECONDS:.0f} s of that run: {_listed(growth, '+.0f')}"
    fastest = max(growth, key=growth.__getitem__)
    return [
        result("frame_to_topic_p50_ms", quantile(to_topic, 0.5), "milliseconds", topic_how),
        result("frame_to_topic_p99_ms", quantile(to_topic, 0.99), "milliseconds", topic_how),
        result("frame_to_row_p50_ms", quantile(to_row, 0.5), "milliseconds", row_how),
        result("frame_to_row_p99_ms", quantile(to_row, 0.99), "milliseconds", row_how),
        result("steady_cores", sum(cores.values()), "cores", cores_how),
        result("up_memory_mb", sum(one.memory for one in after.values()), "MB, all processes", memory_how),
        result("memory_growth_mb", growth[fastest], f"MB, {fastest}, the fastest growing process", growth_how),
    ]


def _listed(figures: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {figures[name]:{form}}" for name in sorted(figures, key=lambda name: -figures[name]))
