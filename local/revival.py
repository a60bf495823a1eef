"""A server of the stack that ends unasked is started again, after a wait that grows, and that is told."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from local.process import Child, ending
from local.stage_process import FIRST_BACKOFF, LONGEST_BACKOFF, STEADY_SECONDS
from topology.retry import doubling

FULL = 64 * 1024 * 1024
"""Bytes free, below which a disk is full to a server that writes."""


class Server(Protocol):
    """A part of the stack."""

    child: Child

    def start(self) -> None:
        """Start and return when it answers; raises where that fails."""


class Revival:
    """Watches one server. `clock` is monotonic, in seconds; `free` gives the bytes free on the disk of a folder.

    `look` and `close` are called by one thread; a start runs on a thread of its own, since it takes seconds.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._name = name
        self._server = server
        self._clock = clock
        self._free = free
        self._pool = ThreadPoolExecutor(1, f"start-{name}")
        self._starting: Future[None] | None = None
        self._again_at: float | None = None
        self._up_since = clock()
        self._gone_since = 0.0
        self._wait = doubling(FIRST_BACKOFF, LONGEST_BACKOFF)

    def look(self) -> str:
        """Start the server again where it has ended and its wait is over; return what happened in words, or nothing."""
        if self._starting is not None:
            return self._started(self._starting) if self._starting.done() else ""
        if self._again_at is None:
            if self._server.child.is_running:
                return ""
            if self._clock() - self._up_since >= STEADY_SECONDS:
                self._wait = doubling(FIRST_BACKOFF, LONGEST_BACKOFF)
            self._gone_since = self._clock()
            return f"{self._name} {ending(self._server.child.returncode)}{self._disk()}; it starts again in {self._plan():.0f} s"
        if self._clock() >= self._again_at:
            self._again_at = None
            self._server.child.kill()  # reaped, and its group with it
            self._starting = self._pool.submit(self._server.start)
        return ""

    def close(self) -> None:
        """End a start under way; nothing is started any more."""
        if self._starting is not None:
            while not self._starting.done():
                self._server.child.kill()
                time.sleep(0.05)
        self._pool.shutdown()

    def _started(self, starting: "Future[None]") -> str:
        self._starting = None
        error = starting.exception()
        if error is None:
            self._up_since = self._clock()
            return f"{self._name} was started again, {self._up_since - self._gone_since:.0f} s after it had gone"
        return f"{self._name} does not start{self._disk()}; tried again in {self._plan():.0f} s: {error}"

    def _plan(self) -> float:
        wait = self._wait()
        self._again_at = self._clock() + wait
        return wait

    def _disk(self) -> str:
        folder = self._server.child.log.parent
        return f" (the disk of {folder} is full: make room, and it goes on by itself)" if self._free(folder) < FULL else ""
