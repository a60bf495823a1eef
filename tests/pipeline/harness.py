"""The whole way on real parts, each stage its own process, against a simulator whose truth is known."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import aiohttp
import clickhouse_connect

from local import LocalStack
from local.forked_process import ForkServer, Process
from local.watchdog import Watchdog
from simulator.server import Simulator, SimulatorSettings
from tests.forks import shared
from tests.pipeline.emptying import empty
from tests.uncounted import uncounted, uncounted_children
from topology.clickhouse import password_of
from topology.errors import Retry
from topology.flow import stages
from topology.registry import Registry
from topology.running import running
from topology.settings import ClickHouse, Kafka
from topology.settings import Registry as RegistrySettings
from topology.topics import all_topics, create, register

PRODUCERS = ("binance", "kraken")
"""Two venues that differ: what each venue must do by itself is tested in tests/contracts."""
STAGES: dict[str, tuple[str, ...]] = {
    **{venue: ("producers", venue) for venue in PRODUCERS},
    "normalise": ("processors.normalise",),
    "build_candles": ("processors.build_candles",),
    "detect_gaps": ("processors.detect_gaps",),
    "rebuild_books": ("processors.rebuild_books",),
    "clickhouse": ("sinks.clickhouse",),
}
HOSTED = tuple(name for name, stage in stages().items() if stage.background and stage.changelog)
PROCESSES = {stage: module for stage, module in STAGES.items() if stage not in HOSTED} | {"processors": ("processors", *HOSTED)}
"""Each venue in a process of its own, what works in the background in one."""
TOGETHER = {"producers": ("producers", *PRODUCERS), **{stage: module for stage, module in PROCESSES.items() if stage not in PRODUCERS}}
"""As `tidewire up` runs them on a small machine: all venues in one process too."""
SERVERS = {"broker": "kafka", "schema registry": "registry", "database": "clickhouse"}
"""Parts of the stack by what the tests call them: `clickhouse` is the sink."""
BEFORE_PYTHON = {"LD_PRELOAD", "PYTHONPATH"}
"""Of the environment, what a fork has from its server or not at all."""
POLL = 0.2


class Pipeline:
    """Everything between a simulated exchange and a query, its stages forked as `tidewire up` forks them.

    Market time moves only when a test steps the simulator.

    Without a simulator, frames are put straight into the raw topics (tests/pipeline/raw.py), and no producer runs.
    `counted`: coverage counts the stages' lines, which makes them slower. `stack`: one that runs already and is emptied first, for
    tests that leave the servers alone; else the pipeline has one of its own, that may be killed. `environment`: settings of the stages.
    `topics`: how topics are made, by the names of the settings under `kafka` (partitions, replication_factor).
    """

    _watchdog: Watchdog
    """Ends the stages of a run that is interrupted."""
    _forks: ForkServer

    def __init__(
        self,
        directory: Path,
        simulator: Simulator | None = None,
        stages: Sequence[str] = tuple(STAGES),
        *,
        origin: str = "simulated",
        counted: bool = False,
        stack: LocalStack | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        topics: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.directory = directory
        self.simulator = simulator
        self.stages = tuple(stage for stage in stages if simulator is not None or stage not in {"producers", *PRODUCERS})
        self.processes: dict[str, Process] = {}
        self.stack = stack or LocalStack(directory / "stack")
        self._shares = stack is not None
        self._origin = origin
        self._counted = counted
        self._environment = {**{f"TIDEWIRE_KAFKA__{name.upper()}": str(value) for name, value in topics.items()}, **environment}
        self._topics = topics
        self._client: Any = None

    async def __aenter__(self) -> Self:
        if self._shares:
            await asyncio.to_thread(empty, self.stack)
        else:
            with uncounted_children():
                await asyncio.to_thread(self.stack.start)
        addresses = self.stack.addresses
        self._environment = {
            "PYTHONFAULTHANDLER": "1",
            "TIDEWIRE_STATE_DIR": str(self.directory / "state"),
            "TIDEWIRE_KAFKA__BROKERS": addresses.kafka,
            "TIDEWIRE_REGISTRY__URL": addresses.registry,
            "TIDEWIRE_CLICKHOUSE__URL": addresses.clickhouse,
            "TIDEWIRE_CLICKHOUSE__PASSWORD_FILE": addresses.clickhouse_password_file,
            "TIDEWIRE_VENUES": json.dumps(self._venues()),
            "TIDEWIRE_PRODUCER__BACKOFF_FIRST": "0.1",
            "TIDEWIRE_PRODUCER__BACKOFF_MOST": "1",
            "TIDEWIRE_CANDLES__IDLE_SECONDS": "2",
            "TIDEWIRE_CANDLES__GRACE_SECONDS": "0.5",
            "TIDEWIRE_BOOKS__CHECKPOINT_SECONDS": "1",
        } | self._environment
        kafka = Kafka.model_validate({"brokers": addresses.kafka, **self._topics})
        self._watchdog = Watchdog()
        self._own = self._own_forks()
        self._forks = self._own or shared()
        try:
            await asyncio.to_thread(create, kafka, all_topics())
            await asyncio.to_thread(register, Registry(RegistrySettings(url=addresses.registry)), all_topics())
            await self.start_all()
        except BaseException:  # cancelled or not: `__aexit__` is not called for what did not start
            await self.close()
            raise
        return self

    def _venues(self) -> dict[str, Any]:
        if self.simulator is None:
            return {}
        listings = self.simulator.market.listings.items()
        return {
            venue: {
                "websocket": self.simulator.addresses[f"{venue}_ws"],
                "rest": self.simulator.addresses[f"{venue}_rest"],
                "origin": self._origin,
                "symbols": [listing.instrument.wire_symbol for (name, _), listing in listings if name == venue],
            }
            for venue in self.simulator.venues
        }

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop every stage, then the stack where it is the pipeline's own."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, 60)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
            self._watchdog.forget(process.pid)
        await asyncio.to_thread(self._watchdog.close)
        if self._own is not None:
            await asyncio.to_thread(self._own.close)
        if self._client is not None:
            self._client.close()
        if not self._shares:
            await asyncio.to_thread(self.stack.stop)

    def _own_forks(self) -> ForkServer | None:
        """Return a server of this pipeline's own where its stages need what the shared one lacks."""
        if self._counted or BEFORE_PYTHON & self._environment.keys():
            return ForkServer(self.directory, self.environment, print)
        return None

    @property
    def environment(self) -> dict[str, str]:
        """What a stage is told."""
        found = {**os.environ, **self._environment}
        return found if self._counted else uncounted(found)

    def carries(self, stage: str) -> bool:
        """Whether a stage is one of this pipeline's, in a process of its own or with others."""
        return stage in self.stages or ("processors" in self.stages and stage in HOSTED)

    async def start_all(self) -> None:
        """Start every stage and wait until all are ready."""
        for stage in reversed(self.stages):
            self.start(stage)
        await self.ready(self.stages)

    async def stop_all(self) -> None:
        """Ask every stage that runs to stop, in the order of the flow, and see that each ends well."""
        for stage in [stage for stage in self.stages if stage in self.processes]:
            code = await asyncio.to_thread(self.stop, stage)
            assert code == 0, f"{stage} ended with {code}:\n{self.log(stage)}"

    def start(self, stage: str) -> None:
        """Start one stage as its own process; its log goes to <directory>/<stage>.log."""
        self.start_as(stage, (STAGES | PROCESSES | TOGETHER).get(stage, ("producers", stage)))

    def start_as(self, stage: str, command: Sequence[str], environment: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start what a command runs (module, then arguments) as a stage of any name; `environment`: settings of it alone."""
        module, *arguments = command
        with (self.directory / f"{stage}.log").open("ab") as log:
            process = self._forks.launch([sys.executable, "-m", module, *arguments], {**self.environment, **environment}, log)
        self.processes[stage] = process
        self._watchdog.watch(process.pid)

    def kill(self, stage: str) -> None:
        """Kill one stage with SIGKILL and wait until it is gone."""
        self.processes[stage].send_signal(signal.SIGKILL)
        self.processes[stage].wait()
        self._watchdog.forget(self.processes[stage].pid)

    def stop(self, stage: str) -> int:
        """Ask one stage to stop; return its exit code."""
        process = self.processes.pop(stage)
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        self._watchdog.forget(process.pid)
        return code

    async def strike(self, part: str) -> None:
        """Kill -9 a stage or a server."""
        if part in SERVERS:
            await asyncio.to_thread(self.stack.parts[SERVERS[part]].kill)
        else:
            await asyncio.to_thread(self.kill, part)

    async def mend(self, part: str) -> None:
        """Start what was killed again, where it was and with what it had kept; a stage is not waited for."""
        if part in SERVERS:
            await asyncio.to_thread(self.stack.parts[SERVERS[part]].start)
        else:
            self.start(part)

    async def ready(self, stages: Sequence[str], seconds: float = 150) -> None:
        """Wait until stages say that they are ready."""

        async def waiting() -> list[str]:
            urls = {one["pid"]: one["url"] for one in running(self.directory / "state")}
            left = []
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as client:
                for stage in stages:
                    pid = self.processes[stage].pid
                    if self.has_ended(stage):
                        raise AssertionError(f"{stage} ended with {self.processes[stage].returncode}:\n{self.log(stage)}")
                    reason = "no answer"
                    if pid in urls:
                        try:
                            async with client.get(f"{urls[pid]}/ready") as answer:
                                reason = "" if answer.ok else await answer.text()
                        except (aiohttp.ClientError, TimeoutError) as error:
                            reason = str(error) or "no answer in 5 s"
                    if reason:
                        left.append(f"{stage}: {reason}")
            return left

        deadline = time.monotonic() + seconds
        while left := await waiting():
            if time.monotonic() > deadline:
                late = [one.partition(":")[0] for one in left]
                raise AssertionError(f"not ready: {left}\n" + "\n".join(self.last_words(stage) for stage in late))
            await asyncio.sleep(POLL)

    def has_ended(self, stage: str) -> bool:
        """Whether a stage has ended for good."""
        return self.processes[stage].poll() is not None

    def last_words(self, stage: str) -> str:
        """Abort a stage that hangs and return the end of its log, which says where it hung."""
        self.processes[stage].send_signal(signal.SIGABRT)
        self.processes[stage].wait(10)
        return self.log(stage, 80)

    def log(self, stage: str, lines: int = 30) -> str:
        """Return the end of a stage's log."""
        return "\n".join((self.directory / f"{stage}.log").read_text(errors="replace").splitlines()[-lines:])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return [tuple(row) for row in self._asking().query(sql).result_rows]

    def command(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._asking().command(sql)

    def _asking(self) -> Any:
        """Return the one client: a new one asks for all settings of the server, which costs more than most queries."""
        if self._client is None:
            addresses = self.stack.addresses
            self._client = clickhouse_connect.get_client(
                dsn=addresses.clickhouse,
                password=password_of(ClickHouse(password_file=addresses.clickhouse_password_file)),
                database="tidewire",
                autogenerate_session_id=False,
            )
        return self._client

    def last_lines(self) -> str:
        """Return the end of every stage's log."""
        return "\n".join(line for stage in self.processes for line in [f"-- {stage}", *self.log(stage).splitlines()[-8:]])

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 120) -> Any:
        """Wait until a condition holds and return its value; the logs of stages that died are shown when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            last: object
            try:
                if value := await asyncio.to_thread(condition):
                    return value
                last = value
            except (clickhouse_connect.driver.exceptions.Error, Retry, AssertionError) as error:
                last = error
            dead = [stage for stage, process in self.processes.items() if self.has_ended(stage) and process.returncode != -signal.SIGKILL]
            assert not dead, f"{dead} ended while waiting until {what}:\n" + "\n".join(self.log(stage) for stage in dead)
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; last: {last}\n{self.directory}\n{self.last_lines()}"
            await asyncio.sleep(POLL)


def settings(**changes: Any) -> SimulatorSettings:
    """Return a small market for tests."""
    small: dict[str, Any] = {"levels": 50, "rate": 2000.0, "venues": PRODUCERS}
    return SimulatorSettings(**small | changes)
