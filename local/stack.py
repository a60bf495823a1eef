"""The whole local stack: a broker, a schema registry and ClickHouse, started together from one state folder."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from local.clearing import clear
from local.clickhouse.server import ClickHouse
from local.downloads import default_cache_dir
from local.java import find_java
from local.kafka import Kafka
from local.ports import remembered_ports
from local.registry import Registry
from local.revival import Revival
from local.watchdog import Watchdog
from topology import private, state_folder
from topology.addresses import Addresses
from topology.errors import Fatal

PARTS = ("kafka", "registry", "clickhouse")
PORTS = ("kafka", "kafka_controller", "registry", "registry_management", "clickhouse")
SECONDS_FOR_ANOTHER = 400.0


class LocalStack:
    """The stack of one state folder. Use it as a context manager, or call start() and stop().

    `lasting`: it is to run for longer than a minute, so that code which is compiled twice pays.
    """

    def __init__(
        self,
        state_dir: Path,
        cache_dir: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        allowed_hosts: Sequence[str] = (),
        *,
        lasting: bool = False,
    ) -> None:
        self.state_dir = state_dir.resolve()
        self.addresses = Addresses()
        self.parts: dict[str, Kafka | Registry | ClickHouse] = {}
        self._cache_dir = (cache_dir or default_cache_dir()).resolve()
        self._progress = progress
        self._allowed_hosts = allowed_hosts
        self._lasting = lasting
        self._watchdog: Watchdog | None = None
        self._revivals: list[Revival] = []
        self._lock: int | None = None

    @property
    def kafka(self) -> Kafka:
        """The broker, if this object started it."""
        part = self.parts["kafka"]
        if not isinstance(part, Kafka):
            raise TypeError("the part kafka is no broker")
        return part

    def start(self, parts: Iterable[str] = PARTS) -> Addresses:
        """Start the parts together, or join the process that runs this state folder already; returns their addresses.

        Raises Fatal, with nothing left running, if a part does not start.
        """
        wanted = tuple(parts)
        state_folder.take_up(self.state_dir)
        if not self._take_lock():
            self.addresses = self._join(wanted)
            return self.addresses
        self._address_file.unlink(missing_ok=True)
        try:
            self._watchdog = Watchdog()
            self.parts = self._make(wanted, self._watchdog)
            with ThreadPoolExecutor(len(PARTS)) as pool:
                for outcome in [pool.submit(part.start) for part in self.parts.values()]:
                    outcome.result()
        except BaseException:  # Ctrl-C too: no server is left running
            self.stop()
            raise
        self._revivals = [Revival(name, part) for name, part in self.parts.items()]
        self.addresses = Addresses(
            **{name: part.address for name, part in self.parts.items()}, clickhouse_password_file=self._password_file
        )
        private.write(self._address_file, json.dumps(asdict(self.addresses)))
        return self.addresses

    def lost(self) -> list[str]:
        """Return the names of the parts that this object started and that do not run now."""
        return [name for name, part in self.parts.items() if not part.child.is_running]

    def revive(self) -> list[str]:
        """Start again what this object started and what has ended unasked; return what happened in words. Call it about once a second."""
        return [words for revival in self._revivals if (words := revival.look())]

    def stop(self) -> None:
        """Stop what this object started; a stack it only joined goes on."""
        if self._lock is None:
            return
        for revival in self._revivals:
            revival.close()
        self._revivals = []
        self._address_file.unlink(missing_ok=True)
        with ThreadPoolExecutor(len(PARTS)) as pool:
            for outcome in [pool.submit(part.stop) for part in self.parts.values()]:
                outcome.result()
        self.parts = {}
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        self._give_lock_back()

    def fresh(self) -> Self:
        """Clear the state folder: the next start begins with nothing. Raises Fatal as `clear` does, while this stack runs too."""
        clear(self.state_dir)
        return self

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def _address_file(self) -> Path:
        return self.state_dir / state_folder.ADDRESSES

    @property
    def _password_file(self) -> str:
        part = self.parts.get("clickhouse")
        return str(part.password_file) if isinstance(part, ClickHouse) else ""

    @property
    def _lock_file(self) -> Path:
        return self.state_dir / state_folder.STACK_LOCK

    def _take_lock(self) -> bool:
        """Lock the state folder for this process; the system gives it back when the process ends, however it ends."""
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _give_lock_back(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _join(self, wanted: tuple[str, ...]) -> Addresses:
        """Read the addresses of the process that runs this folder, once it has started."""
        deadline = time.monotonic() + SECONDS_FOR_ANOTHER
        while time.monotonic() < deadline:
            if self._address_file.exists():
                addresses = Addresses(**json.loads(self._address_file.read_text()))
                if missing := [name for name in wanted if not getattr(addresses, name)]:
                    raise Fatal(f"The stack in {self.state_dir} runs without {', '.join(missing)}: stop it first.")
                return addresses
            time.sleep(0.1)
        raise Fatal(
            f"Another process holds {self._lock_file} and its stack has not started in {SECONDS_FOR_ANOTHER:.0f} s. "
            "End it, or choose another state folder."
        )

    def _make(self, wanted: tuple[str, ...], watchdog: Watchdog) -> dict[str, Kafka | Registry | ClickHouse]:
        if unknown := set(wanted) - set(PARTS):
            raise Fatal(f"No part of the stack is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
        ports = remembered_ports(self.state_dir / state_folder.PORTS, PORTS)
        made: dict[str, Kafka | Registry | ClickHouse] = {}
        java = find_java() if {"kafka", "registry"} & set(wanted) else None
        if java is not None and "kafka" in wanted:
            made["kafka"] = Kafka(
                self.state_dir, self._cache_dir, java, ports["kafka"], ports["kafka_controller"], watchdog, self._progress,
                lasting=self._lasting,
            )  # fmt: skip
        if java is not None and "registry" in wanted:
            made["registry"] = Registry(
                self.state_dir, self._cache_dir, java, ports["registry"], ports["registry_management"], watchdog,
                self._progress,
            )  # fmt: skip
        if "clickhouse" in wanted:
            made["clickhouse"] = ClickHouse(self.state_dir, ports["clickhouse"], watchdog, self._progress, self._allowed_hosts)
        return made
