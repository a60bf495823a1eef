"""One program put through it: a backlog, then a steady rate, then kill -9 in the middle of another backlog and a restart."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from bench.peers.job import Job
from bench.peers.outlets import Failed, Tally
from bench.peers.process_tree import ProcessTree
from topology.kafka import Publisher

LOOK = 0.1
STEADY = 2_000
"""Messages a second while latency is measured."""
STEADY_SECONDS = 6.0
SETTLED = 2.0
"""Seconds in which ClickHouse merges what the backlog left, before latency is measured."""
LIMIT = 240.0
"""Seconds for a backlog."""
MENDED = 120.0
"""So many seconds after the last output that a restarted program gave, what has not come counts as lost."""
QUIET = 3.0


class Sizes(NamedTuple):
    """Messages of the two backlogs."""

    backlog: int
    killed: int


class Speed(NamedTuple):
    """Inputs answered per second of CPU and of the clock, and the most memory in use, in megabytes."""

    core: float
    wall: float
    megabytes: float


def backlog(job: Job, count: int, start: Callable[[], ProcessTree]) -> tuple[ProcessTree, Speed]:
    """Start a program on a backlog; measure from the first sight of output to the last, so that its start is not counted."""
    job.bench.load(job.input, job.take(count))
    program = start()
    due, began = job.due(), time.monotonic()
    first: tuple[int, float, float] | None = None
    most = 0
    try:
        while True:
            done, cpu, now = job.outlet.count(), program.cpu(), time.monotonic()
            if done and first is None:
                first = done, cpu, now
            most = max(most, program.memory())
            if done >= due:
                break
            _alive(program, now - began, done, due)
            time.sleep(LOOK)
    except BaseException:  # Ctrl-C too: no program is left running
        program.kill()
        raise
    if first is None or done == first[0]:
        raise Failed("all of its output was there at once: the backlog is too short to measure it")
    return program, Speed((done - first[0]) / (cpu - first[1]), (done - first[0]) / (now - first[2]), most / 1e6)


def _alive(program: ProcessTree, waited: float, done: int, due: int) -> None:
    if program.ended() is not None:
        raise Failed(f"it ended with {program.ended()} after {done:,} of {due:,}: {program.said()}")
    if waited > LIMIT:
        raise Failed(f"it had done {done:,} of {due:,} after {LIMIT:.0f} s: {program.said()}")


def latency(job: Job) -> tuple[float, float] | None:
    """Publish at a steady rate and return p50 and p99 in milliseconds from publishing to readable; None where outputs are missing.

    The n-th message counts as answered when n outputs can be read: a program keeps the order of a partition.
    """
    count = int(STEADY * STEADY_SECONDS)
    messages = list(job.take(count))
    published: list[float] = []
    time.sleep(SETTLED)
    job.outlet.mark()

    def publish() -> None:
        with Publisher(job.bench.kafka, **{"linger.ms": 0}) as publisher:
            began = time.monotonic()
            for number, (key, value) in enumerate(messages):
                if (early := began + number / STEADY - time.monotonic()) > 0:
                    time.sleep(early)
                published.append(time.monotonic())
                publisher.publish(job.input, key, value)

    thread = threading.Thread(target=publish)
    thread.start()
    arrived = job.outlet.arrivals(STEADY_SECONDS + 6)
    thread.join()
    if len(arrived) < count:
        return None
    waits = sorted((there - sent) * 1_000 for sent, there in zip(published[STEADY:], arrived[STEADY:count], strict=True))
    return waits[len(waits) // 2], waits[len(waits) * 99 // 100]


def killed(job: Job, count: int, program: ProcessTree, start: Callable[[], ProcessTree]) -> tuple[ProcessTree, Tally]:
    """Kill a program in the middle of a backlog and start it again; return what was lost and doubled."""
    first, before, due_before = job.loaded, job.outlet.count(), job.due()
    job.outlet.mark()
    job.bench.load(job.input, job.take(count))
    due = job.due() - due_before
    began = time.monotonic()
    while job.outlet.count() - before < due / 2:
        if program.ended() is not None or time.monotonic() - began > LIMIT:
            raise Failed(f"it stood still at a second backlog: {program.said()}")
        time.sleep(0.02)
    program.kill()
    program = start()
    changed = time.monotonic()
    tally = job.outlet.tally(first, job.loaded)
    while time.monotonic() - changed < (MENDED if tally.lost else QUIET):
        time.sleep(LOOK)
        now = job.outlet.tally(first, job.loaded)
        if now != tally:
            tally, changed = now, time.monotonic()
    return program, tally
