"""All stages together: the highest rate of frames at which none of them falls behind.

Frames go straight into the raw topic, so that neither an exchange nor the simulator is the limit. First a backlog says what
to expect, then rates below and above are held, the highest first, until one is found at which nothing falls behind.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from bench.market import frames
from bench.result import Result, result
from bench.stage_rate import Bench, cpu_seconds, fresh
from local.monitor import topics_of
from topology.clock import now
from topology.flow import stages
from topology.kafka import Publisher
from topology.lag import Offsets

FIGURES = ("pipeline",)
STAGES = {stage.name: (stage.package, topics_of(stage.reads)) for stage in stages().values() if stage.runs and not stage.per_venue}
Message = tuple[bytes, bytes]
Unread = dict[str, int]
BACKLOG = 150_000
SHARES = (1.2, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
HOLD_SECONDS = 20.0
SETTLE_SECONDS = 6.0
TICK = 0.02
LIMIT = 300.0
BEHIND_SECONDS = 1.0
"""A stage that ends the hold with more than this much work unread, and more than it began with, has fallen behind."""


class Running:
    """The stages as processes, and how far each is behind."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._offsets = Offsets(bench.kafka)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start every stage."""
        for name, (module, _) in STAGES.items():
            with (self._bench.directory / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen([sys.executable, "-m", module], env=self._bench.environment, stdout=log, stderr=log)

    def stop(self) -> None:
        """Stop every stage."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(60)
        self._offsets.close()

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds used so far by each stage and server."""
        pids = {name: process.pid for name, process in self.processes.items()}
        pids |= {"Kafka": self._bench.server("kafka"), "ClickHouse": self._bench.server("clickhouse")}
        return {name: cpu_seconds(pid) for name, pid in pids.items()}

    def behind(self) -> dict[str, int]:
        """Return how many messages each stage has not read yet; all of them while it does not answer."""
        topics = {topic for _, reads in STAGES.values() for topic in reads}
        ends: dict[str, int] = dict.fromkeys(topics, 0)
        for (topic, _), end in self._offsets.ends(self._offsets.partitions(topics)).items():
            ends[topic] += end
        left = {}
        for name, (_, reads) in STAGES.items():
            process = self.processes[name]
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}; see {self._bench.directory}")
            read = self._bench.sample(process.pid, "tidewire_events_in_total")
            left[name] = sum(ends[topic] for topic in reads) - int(read.done if read else 0)
        return left

    def until_level(self) -> float:
        """Wait until nothing is left to read; return when."""
        deadline = time.monotonic() + LIMIT
        while any(one > 0 for one in self.behind().values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"still behind after {LIMIT:.0f} s: {self.behind()}; see {self._bench.directory}")
            time.sleep(0.2)
        return time.monotonic()


@contextmanager
def running(bench: Bench) -> Iterator[Running]:
    """Give the stages, to be started; they are stopped at the end."""
    stages = Running(bench)
    try:
        yield stages
    finally:
        stages.stop()


def hold(
    source: Iterator[tuple[bytes, bytes]], publisher: Publisher, stages: Running, rate: float
) -> tuple[dict[str, int], dict[str, int]]:
    """Publish at a rate (frames per second) for a while; return what was unread after it settled, and at the end."""
    began = time.monotonic()
    sent = 0
    first: dict[str, int] = {}
    while (gone := time.monotonic() - began) < HOLD_SECONDS:
        due = int(rate * gone) - sent
        publisher.publish_many(("raw.binance", key, value) for key, value in islice(source, due))
        sent += due
        if not first and gone > SETTLE_SECONDS:
            first = stages.behind()
        time.sleep(TICK)
    return first, stages.behind()


def run(progress: Callable[[str], None]) -> list[Result]:
    """Find the rate."""
    with fresh() as bench, running(bench) as everything:
        source = frames(bench.codec("frame", "raw.binance"), now)
        bench.load("raw.binance", islice(source, 4))
        everything.start()
        everything.until_level()
        publisher = Publisher(bench.kafka)
        progress(f"a backlog of {BACKLOG:,} frames")
        spent, began = everything.cpu(), time.monotonic()
        publisher.publish_many(("raw.binance", key, value) for key, value in islice(source, BACKLOG))
        publisher.flush()
        drained = BACKLOG / (everything.until_level() - began)
        costs = ", ".join(f"{name} {(cpu - spent[name]) * 1e6 / BACKLOG:.0f}" for name, cpu in everything.cpu().items())
        progress(f"worked off at {drained:,.0f} frames/s; CPU µs a frame: {costs}")
        held = 0.0
        tried = []
        for share in SHARES:
            rate = drained * share
            first, last = hold(source, publisher, everything, rate)
            growing = {name: left for name, left in last.items() if left > rate * BEHIND_SECONDS and left > first.get(name, 0)}
            tried.append(f"{rate:,.0f}: {', '.join(growing) + ' fell behind' if growing else 'held'}")
            progress(tried[-1])
            publisher.flush()
            everything.until_level()
            if not growing:
                held = rate
                break
    how = (
        f"3 trades, 5 quotes, 2 book deltas of 10, four symbols, into the raw topic by a process of its own that shares the "
        f"{os.cpu_count()} cores with broker, ClickHouse and five stages; held {HOLD_SECONDS:.0f} s each, the highest first: "
        f"{'; '.join(tried)}; a backlog of {BACKLOG:,} was published and worked off at {drained:,.0f}/s, CPU µs a frame: {costs}"
    )
    return [result("pipeline", held, "frames per second", how)]
