"""The whole way on real parts, each stage its own process, against a simulator whose truth is known."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import clickhouse_connect

from simulator.server import Simulator, SimulatorSettings
from topology.health import running
from topology.registry import Registry
from topology.settings import Kafka
from topology.settings import Registry as RegistrySettings
from topology.stack import LocalStack
from topology.topics import all_topics, create, register

STAGES: dict[str, tuple[str, ...]] = {
    "binance": ("producers", "binance"),
    "kraken": ("producers", "kraken"),
    "normalise": ("processors.normalise",),
    "build_candles": ("processors.build_candles",),
    "detect_gaps": ("processors.detect_gaps",),
    "rebuild_books": ("processors.rebuild_books",),
    "clickhouse": ("sinks.clickhouse",),
}
PRODUCERS = ("binance", "kraken")
POLL = 0.2


class Pipeline:
    """Everything between a simulated exchange and a query. Market time moves only when a test steps the simulator."""

    def __init__(self, directory: Path, simulator: Simulator, stages: Sequence[str] = tuple(STAGES), **environment: str) -> None:
        self.directory = directory
        self.simulator = simulator
        self.stages = tuple(stages)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.stack = LocalStack(directory / "stack")
        self._environment = environment

    async def __aenter__(self) -> Self:
        addresses = await asyncio.to_thread(self.stack.start)
        venues = {
            venue: {
                "websocket": self.simulator.addresses[f"{venue}_ws"],
                "rest": self.simulator.addresses[f"{venue}_rest"],
                "origin": "simulated",
                "symbols": [
                    listing.instrument.wire_symbol for (name, _), listing in self.simulator.market.listings.items() if name == venue
                ],
            }
            for venue in self.simulator.venues
        }
        self._environment = {
            "TIDEWIRE_STATE_DIR": str(self.directory / "state"),
            "TIDEWIRE_KAFKA__BROKERS": addresses.kafka,
            "TIDEWIRE_REGISTRY__URL": addresses.registry,
            "TIDEWIRE_CLICKHOUSE__URL": addresses.clickhouse,
            "TIDEWIRE_VENUES": json.dumps(venues),
            "TIDEWIRE_PRODUCER__BACKOFF_FIRST": "0.1",
            "TIDEWIRE_PRODUCER__BACKOFF_MOST": "1",
            "TIDEWIRE_CANDLES__IDLE_SECONDS": "2",
            "TIDEWIRE_CANDLES__GRACE_SECONDS": "0.5",
        } | self._environment
        kafka = Kafka(brokers=addresses.kafka)
        await asyncio.to_thread(create, kafka, all_topics())
        await asyncio.to_thread(register, Registry(RegistrySettings(url=addresses.registry)), all_topics())
        try:
            for stage in reversed(self.stages):
                self.start(stage)
            await self.ready(self.stages)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop every stage, then the stack."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()
        await asyncio.to_thread(self.stack.stop)

    @property
    def environment(self) -> dict[str, str]:
        """What a stage is told."""
        return {**os.environ, **self._environment}

    def start(self, stage: str) -> None:
        """Start one stage as its own process; its log goes to <directory>/<stage>.log."""
        module, *arguments = STAGES[stage]
        with (self.directory / f"{stage}.log").open("ab") as log:
            self.processes[stage] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self, stage: str) -> None:
        """Kill one stage with SIGKILL and wait until it is gone."""
        self.processes[stage].send_signal(signal.SIGKILL)
        self.processes[stage].wait()

    def stop(self, stage: str) -> int:
        """Ask one stage to stop; return its exit code."""
        self.processes[stage].terminate()
        return self.processes[stage].wait(60)

    async def ready(self, stages: Sequence[str], seconds: float = 60) -> None:
        """Wait until stages say that they are ready."""
        wanted = {self.processes[stage].pid: stage for stage in stages}

        async def waiting() -> list[str]:
            urls = {one["pid"]: one["url"] for one in running(self.directory / "state")}
            left = []
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as client:
                for pid, stage in wanted.items():
                    if self.processes[stage].poll() is not None:
                        raise AssertionError(f"{stage} ended with {self.processes[stage].returncode}:\n{self.log(stage)}")
                    reason = "no answer"
                    if pid in urls:
                        try:
                            async with client.get(f"{urls[pid]}/ready") as answer:
                                reason = "" if answer.ok else await answer.text()
                        except aiohttp.ClientError as error:
                            reason = str(error)
                    if reason:
                        left.append(f"{stage}: {reason}")
            return left

        deadline = time.monotonic() + seconds
        while left := await waiting():
            assert time.monotonic() < deadline, f"not ready: {left}\n" + "\n".join(self.log(one.partition(":")[0]) for one in left)
            await asyncio.sleep(POLL)

    def log(self, stage: str, lines: int = 30) -> str:
        """Return the end of a stage's log."""
        return "\n".join((self.directory / f"{stage}.log").read_text(errors="replace").splitlines()[-lines:])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        client = clickhouse_connect.get_client(dsn=self.stack.addresses.clickhouse, database="tidewire")
        try:
            return [tuple(row) for row in client.query(sql).result_rows]
        finally:
            client.close()

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Wait until a condition holds and return its value; the logs of stages that died are shown when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            last: object
            try:
                if value := await asyncio.to_thread(condition):
                    return value
                last = value
            except (clickhouse_connect.driver.exceptions.Error, AssertionError) as error:
                last = error
            dead = [stage for stage, process in self.processes.items() if process.poll() not in {None, -signal.SIGKILL}]
            assert not dead, f"{dead} ended while waiting until {what}:\n" + "\n".join(self.log(stage) for stage in dead)
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; last: {last}\n{self.directory}"
            await asyncio.sleep(POLL)

    def true_trades(self) -> dict[tuple[str, str], list[tuple[str, str, str, str, int]]]:
        """Return every trade made: (venue, symbol) → (id, price, size, taker's side, time in microseconds), oldest first."""
        made = {}
        for (venue, symbol), listing in self.simulator.market.listings.items():
            price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
            made[venue, listing.instrument.wire_symbol] = [
                (str(one.trade_id), price(one.price), size(one.size), "buy" if one.taker_buys else "sell", one.time_ns // 1000)
                for one in self.simulator.truth.tape(venue, symbol).trades()
            ]
        return made


def settings(**changes: Any) -> SimulatorSettings:
    """Return a small market for tests."""
    return SimulatorSettings(**({"levels": 50, "rate": 2000.0} | changes))
