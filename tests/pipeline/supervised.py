"""A pipeline whose stages and servers are started again when they end, as `tidewire up` does it, and each end is kept to be told."""

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from simulator.server import Simulator
from tests.pipeline.harness import SERVERS, Pipeline
from topology.clock import now
from topology.errors import FATAL_CODE

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class End:
    """A stage that ended unasked; `at` in microseconds since 1970 UTC."""

    stage: str
    code: int
    at: int
    words: str


class SupervisedPipeline(Pipeline):
    """Start again what ends unasked: stages after a second, servers by the stack's own revival where `revives` says so.

    `ends` are the stages that ended, `told` what the stack said of its servers.
    """

    def __init__(self, directory: Path, simulator: Simulator | None = None, *, revives: bool = False, **options: Any) -> None:
        super().__init__(directory, simulator, **options)
        self.ends: list[End] = []
        self.told: list[str] = []
        self._revives = revives
        self._struck: set[str] = set()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def close(self) -> None:
        """Stop watching, then everything."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await super().close()

    def has_ended(self, stage: str) -> bool:
        """Whether a stage has ended for a person to act."""
        return self.processes[stage].poll() == FATAL_CODE

    def restarts(self) -> Counter[str]:
        """Return how often each stage has ended unasked."""
        return Counter(end.stage for end in self.ends)

    def kill(self, stage: str) -> None:
        """Kill one stage with SIGKILL; it stays away until it is started by name."""
        self._struck.add(stage)
        super().kill(stage)

    def start(self, stage: str) -> None:
        """Start one stage."""
        super().start(stage)
        self._struck.discard(stage)

    def signal(self, part: str, number: signal.Signals) -> None:
        """Send a signal to a stage or a server, and to all that it has started."""
        pid = self.stack.parts[SERVERS[part]].child.pid if part in SERVERS else self.processes[part].pid
        os.killpg(pid, number)

    def bytes_of(self, stage: str) -> int:
        """Return how much memory a stage holds now."""
        pages = int(Path(f"/proc/{self.processes[stage].pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._revives:
                self.told += await asyncio.to_thread(self.stack.revive)
            self._start_again([stage for stage in self.processes if stage not in self._struck])

    def _start_again(self, stages: Collection[str]) -> None:
        for stage in stages:
            process = self.processes[stage]
            if (code := process.poll()) is not None and code != FATAL_CODE:
                self._watchdog.forget(process.pid)
                self.ends.append(End(stage, code, now(), self.log(stage, 3)))
                self.start(stage)
