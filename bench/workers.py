"""Several workers of normalise on one backlog: frames per second of wall time, and per second of the CPU of all of them.

The workers join first and share the partitions. Then they are stopped (SIGSTOP) while the backlog is published, so that neither a start,
nor a rebalance, nor whoever publishes is part of what is measured, and go on (SIGCONT) together.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bench.normalise import frames
from bench.result import Result, result
from bench.stage_rate import LIMIT, SAMPLE, Bench, Rate, cpu_seconds, fresh
from topology.errors import Retry
from topology.kafka import connection
from topology.settings import Kafka

COUNTS = (1, 2, 4)
FIGURES = tuple(f"workers_{count}{kind}" for count in COUNTS for kind in ("", "_core"))
PARTITIONS = 8
FRAMES = 400_000
CONNECTIONS = 64
"""Each is in one partition: so many that none of the partitions has far more than another."""
SESSION_SECONDS = 60
"""None of the workers is missed while it is stopped."""
GROUP = "tidewire.normalise"


def shares(kafka: Kafka, group: str, topic: str, timeout: float = 10.0) -> list[int]:
    """Return how many partitions of a topic each member of a group has now, the fewest first.

    Retry where the brokers do not say: also while a group's coordinator is sought, or reads what it has to know.
    """
    admin = AdminClient(connection(kafka))
    try:
        members = admin.describe_consumer_groups([group], request_timeout=timeout)[group].result(2 * timeout).members
    except KafkaException as error:
        raise Retry(f"the broker at {kafka.brokers} did not say who is in {group}: {error.args[0].str()}") from error
    held = [one.assignment.topic_partitions if one.assignment else [] for one in members]
    return sorted(sum(place.topic == topic for place in places) for places in held)


@contextmanager
def sharing(bench: Bench, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start so many workers, and give them once each has its share of the partitions; they are ended afterwards."""
    environment = bench.environment | {"TIDEWIRE_PROCESSORS__SESSION_TIMEOUT": str(SESSION_SECONDS)}
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(count):
            with (bench.directory / f"worker-{number}.log").open("ab") as log:
                command = [sys.executable, "-m", "processors.normalise"]
                workers.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        _until(lambda: _shares(bench) == [PARTITIONS // count] * count, f"{count} workers share the partitions", workers, bench)
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
            worker.send_signal(signal.SIGCONT)
        for worker in workers:
            worker.wait(60)


def _shares(bench: Bench) -> list[int]:
    try:
        return shares(bench.kafka, GROUP, "raw.binance")
    except Retry:
        return []  # not yet: the caller counts the time


def _published(bench: Bench, workers: Sequence[subprocess.Popen[bytes]]) -> float:
    samples = [bench.sample(worker.pid, "tidewire_events_out_total") for worker in workers]
    return sum(one.done for one in samples if one is not None)


def _until(holds: Callable[[], bool], what: str, workers: Sequence[subprocess.Popen[bytes]], bench: Bench) -> float:
    """Wait until a condition holds; return when. RuntimeError where a worker ends, or it does not within the limit."""
    deadline = time.monotonic() + LIMIT
    while not holds():
        if ended := [worker.returncode for worker in workers if worker.poll() is not None]:
            raise RuntimeError(f"a worker ended with {ended[0]} before {what}; see {bench.directory}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {LIMIT:.0f} s: {what}; see {bench.directory}")
        time.sleep(SAMPLE)
    return time.monotonic()


def measured(count: int) -> Rate:
    """Return how fast so many workers work off the backlog: by the clock, and by the CPU that all of them used."""
    with fresh(partitions=PARTITIONS) as bench, sharing(bench, count) as workers:
        backlog = list(frames(bench, FRAMES, CONNECTIONS, CONNECTIONS))
        bench.load("raw.binance", frames(bench, CONNECTIONS, 0, CONNECTIONS))
        _until(lambda: _published(bench, workers) >= CONNECTIONS, "each partition has been read", workers, bench)
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        bench.load("raw.binance", backlog)
        spent, began = sum(cpu_seconds(worker.pid) for worker in workers), time.monotonic()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        ended = _until(lambda: _published(bench, workers) >= FRAMES + CONNECTIONS, "the backlog is worked off", workers, bench)
        cpu = sum(cpu_seconds(worker.pid) for worker in workers) - spent
    return Rate(FRAMES / (ended - began), FRAMES / cpu)


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure each number of workers, on a stack of its own."""
    how = (
        f"a backlog of {FRAMES:,} Binance trade frames of {CONNECTIONS} connections in {PARTITIONS} partitions, from when the workers go "
        f"on to the last delivered event; workers and broker share {os.cpu_count()} cores: more workers than cores left beside the broker "
        "can't raise the wall rate, and show what sharing costs"
    )
    found: list[Result] = []
    alone: Rate | None = None
    for count in COUNTS:
        progress(f"{count} of normalise on {FRAMES:,} frames")
        rate = measured(count)
        peer = "one worker" if alone else ""
        found.append(result(f"workers_{count}", rate.wall, "frames per second", how, peer, alone and alone.wall))
        found.append(result(f"workers_{count}_core", rate.core, "frames per core-second", how, peer, alone and alone.core))
        alone = alone or rate
    return found
