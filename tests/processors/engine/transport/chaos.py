"""Workers joining, leaving and dying under load, and what that cost: records lost, read twice, seconds to recover."""

import json
import os
import random
import signal
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer

from local.forked_process import Process
from tests.forks import forked
from tests.processors.engine.transport.broker import Broker

KINDS = ("join", "leave", "kill")
PATIENCE = 60.0
LINES = 40


@dataclass(frozen=True, slots=True)
class Toll:
    """What one kind of disturbance cost.

    `seconds` until every record written before it was committed, of those that did not run into another.
    """

    kind: str
    count: int
    lost: int
    twice: int
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of chaos came to; `wrong` names each table entry that is not the exact count and sum."""

    tolls: tuple[Toll, ...]
    records: int
    lost: int
    twice: int
    wrong: tuple[str, ...]
    stuck: tuple[str, ...]
    crashed: tuple[str, ...]


@dataclass
class _Disturbance:
    kind: str
    at: float
    ends: dict[int, int]
    seconds: float = 0.0
    lost: int = 0
    twice: int = 0


@dataclass
class Chaos:
    """One run: `disturbances` of the three kinds in seeded order on a group of 1 to 3 workers.

    One in three disturbances comes without waiting for the one before to be over.
    """

    broker: Broker
    directory: Path
    disturbances: int
    seed: int = 1
    partitions: int = 6
    records_a_second: int = 1500
    stage: str = "tests.processors.engine.transport.counting_stage"
    topic: str = ""
    workers: list[Process] = field(default_factory=list)
    log: list[_Disturbance] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)
    """Each worker's, by process id."""
    settled: bool = True
    written: dict[int, int] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Run it to the end; no worker is left behind."""
        chance = random.Random(self.seed)
        self.topic = self.broker.topic(self.partitions)
        self.written = dict.fromkeys(range(self.partitions), 0)
        done = threading.Event()
        load = threading.Thread(target=self._write, args=(done,), daemon=True)
        try:
            self._start()
            self._start()
            load.start()
            self._recovered(_Disturbance("start", time.time(), dict.fromkeys(range(self.partitions), 1)))
            for number in range(self.disturbances):
                self._disturb(KINDS[number % len(KINDS)], chance)
            done.set()
            load.join()
            if not self.workers:
                self._start()
            self._recovered(_Disturbance("end", time.time(), dict(self.written)))
        finally:
            done.set()
            self._stop_all()
        return self._judge()

    def _start(self) -> None:
        log = self.directory / f"{len(self.logs)}.log"
        with log.open("wb") as output:
            arguments = [self.broker.address, f"{self.topic}-group", self.topic, str(self.partitions), str(self.directory)]
            worker = forked(self.stage, arguments, os.environ, output)
        self.workers.append(worker)
        self.logs[worker.pid] = log

    def _disturb(self, kind: str, chance: random.Random) -> None:
        if kind == "join" and len(self.workers) == 3:
            self._stop(self.workers.pop(0), signal.SIGTERM)
        if kind != "join" and len(self.workers) == 1:
            self._start()
        alone = self.settled
        disturbance = _Disturbance(kind, time.time(), dict(self.written))
        self.log.append(disturbance)
        if kind == "join":
            self._start()
        else:
            sign = signal.SIGTERM if kind == "leave" else signal.SIGKILL
            self._stop(self._grown(chance), sign)
        self.settled = chance.random() < 2 / 3
        if self.settled:
            self._recovered(disturbance)
            disturbance.seconds *= alone
        else:
            time.sleep(chance.uniform(0.1, 1.5))

    def _grown(self, chance: random.Random) -> Process:
        """Take a worker out that has been given records: one that is still starting would be no disturbance."""
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            self._check_workers()
            given = [worker for worker in self.workers if _size(self.directory / str(worker.pid) / "deliveries")]
            if given:
                worker = chance.choice(given)
                self.workers.remove(worker)
                return worker
            time.sleep(0.05)
        self.stuck.append("no worker is given anything")
        return self.workers.pop(0)

    def _stop(self, worker: Process, sign: signal.Signals) -> None:
        worker.send_signal(sign)
        # A process too young to have set its handlers dies of SIGTERM itself.
        self._note(worker, worker.wait(30), 0, -sign)

    def _note(self, worker: Process, code: int, *wanted: int) -> None:
        if code not in wanted:
            self.crashed.append(f"a worker ended with {code}:\n{self._last_lines(worker)}\n")

    def _last_lines(self, worker: Process) -> str:
        return "\n".join(self.logs[worker.pid].read_text(errors="replace").splitlines()[-LINES:])

    def _stop_all(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            try:
                self._note(worker, worker.wait(20), 0, -signal.SIGTERM)
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                self.stuck.append(f"worker {worker.pid} does not stop")

    def _write(self, done: threading.Event) -> None:
        producer = Producer({"bootstrap.servers": self.broker.address, "enable.idempotence": True, "linger.ms": 2})
        every = 0.02
        while not done.wait(every):
            for _ in range(int(self.records_a_second * every / self.partitions) or 1):
                for partition, number in self.written.items():
                    producer.produce(self.topic, b"%d" % number, partition=partition)
                    self.written[partition] = number + 1
            producer.poll(0)
        producer.flush(30)

    def _recovered(self, disturbance: _Disturbance) -> None:
        """Wait until all that was written before it is committed, and time it."""
        deadline = time.time() + PATIENCE
        while behind := self._behind(disturbance.ends):
            self._check_workers()
            if time.time() > deadline:
                self.stuck.append(f"after {disturbance.kind}: {behind}")
                return
            time.sleep(0.1)
        disturbance.seconds = time.time() - disturbance.at

    def _behind(self, ends: dict[int, int]) -> dict[int, tuple[int, int]]:
        committed = self.broker.committed(f"{self.topic}-group", self.topic, self.partitions)
        return {part: (committed.get(part, 0), end) for part, end in ends.items() if committed.get(part, 0) < end}

    def _check_workers(self) -> None:
        for worker in [worker for worker in self.workers if worker.poll() is not None]:
            self.workers.remove(worker)
            self._note(worker, worker.wait())
            self._start()

    # ---- what it came to

    def _judge(self) -> Outcome:
        lost, twice = self._count()
        tolls = []
        for kind in KINDS:
            of_kind = [one for one in self.log if one.kind == kind]
            seconds = tuple(one.seconds for one in of_kind if one.seconds)
            tolls.append(
                Toll(
                    kind,
                    len(of_kind),
                    sum(one.lost for one in of_kind),
                    sum(one.twice for one in of_kind),
                    seconds,
                )
            )
        records = sum(self.written.values())
        return Outcome(tuple(tolls), records, lost, twice, self._wrong(), tuple(self.stuck), tuple(self.crashed))

    def _count(self) -> tuple[int, int]:
        lost = twice = 0
        lines = [line.split() for path in self.directory.glob("*/deliveries") for line in path.read_text().splitlines()]
        for partition, end in self.written.items():
            spans = sorted((float(at), int(first), int(last)) for at, part, first, last in lines if int(part) == partition)
            given = bytearray(end)
            for at, first, last in spans:
                again = sum(given[first:last])
                given[first:last] = b"\x01" * (last - first)
                twice += again
                self._blame("twice", again, [one for one in self.log if one.at <= at])
            for offset in (offset for offset in range(end) if not given[offset]):
                lost += 1
                self._blame("lost", 1, [one for one in self.log if one.ends[partition] <= offset])
        return lost, twice

    def _blame(self, what: str, count: int, before: list[_Disturbance]) -> None:
        # The last disturbance before it; of what came before all of them, the first.
        if count and self.log:
            one = before[-1] if before else self.log[0]
            setattr(one, what, getattr(one, what) + count)

    def _wrong(self) -> tuple[str, ...]:
        last = {key: json.loads(value or b"null") for _, key, value in self._changelog()}
        wanted = {b"%d" % part: [end, end, end * (end - 1) // 2] for part, end in self.written.items()}
        return tuple(f"partition {key.decode()}: {last.get(key)} for {want}" for key, want in wanted.items() if last.get(key) != want)

    def _changelog(self) -> list[tuple[int, bytes, bytes | None]]:
        return self.broker.read(f"{self.topic}-group-counts-changelog")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def table(outcome: Outcome) -> str:
    """Return the outcome as a table of text."""
    rows = [("disturbance", "count", "lost", "twice", "median s", "worst s")]
    for one in outcome.tolls:
        seconds = one.seconds or (0.0,)
        rows.append((one.kind, str(one.count), str(one.lost), str(one.twice), f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.append(f"{outcome.records} records; crashed: {', '.join(outcome.crashed) or 'none'}; stuck: {', '.join(outcome.stuck) or 'none'}")
    lines += list(outcome.wrong)
    return "\n".join(lines)
