"""One child process of the supervisor: its own group, its output in a log file, started again when it ends unasked.

One that ends with FATAL_CODE stays as it is: a person must act, and its last line says how.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.forked_process import Launch, Process, launch
from local.priority import yield_to_others
from local.process import ending
from local.watchdog import Watchdog
from topology import private
from topology.errors import FATAL_CODE
from topology.retry import doubling

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
STEADY_SECONDS = 60.0
"""A process that ran this long is forgiven its crashes before."""
LOG_BYTES = 50_000_000
"""A log longer than this at a start is moved aside (one is kept)."""
LAST_BYTES = 16_384
HANGING_GRACE = 5.0
"""Seconds in which one that hangs may still end in order; then it is killed."""


class StageProcess:
    """Run a command until it is stopped. `clock` is monotonic, in seconds; a watchdog ends the child when we are killed.

    `launch` starts the command: as any process, or as a fork of a server that has imported what it would.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        logs: Path,
        watchdog: Watchdog,
        clock: Callable[[], float] = time.monotonic,
        niceness: int = 0,
        launch: Launch = launch,
    ) -> None:
        self.name = name
        self.niceness = niceness
        self.log = logs / f"{name}.log"
        self.restarts = 0
        self.command = list(command)
        self.environment = dict(environment)
        self._watchdog = watchdog
        self._clock = clock
        self._launch = launch
        self._process: Process | None = None
        self._started = 0.0
        self._wait = doubling(FIRST_BACKOFF, LONGEST_BACKOFF)
        self._again_at: float | None = None
        self._begin = 0
        self._asked = False
        self._fatal = False
        self._kill_at: float | None = None
        """When it is killed, once it hangs and was told to end."""

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def is_stopped(self) -> bool:
        """Whether it ended because it was asked to."""
        return self._asked and self.pid is None

    @property
    def is_fatal(self) -> bool:
        """Whether it has ended for good: only a person can make it work."""
        return self._fatal

    @property
    def output(self) -> str:
        """What it has written since it was last started, up to its last 16 KiB."""
        if self._process is None:
            return ""
        with self.log.open("rb") as log:
            log.seek(max(self._begin, self.log.stat().st_size - LAST_BYTES))
            return log.read().decode(errors="replace")

    @property
    def last_line(self) -> str:
        """The last line of its output that says something."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def start(self) -> None:
        """Start it."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with private.appending(self.log) as log:
            self._begin = log.tell()
            self._process = self._launch(self.command, {**os.environ, **self.environment}, log)
        self._watchdog.watch(self._process.pid)
        yield_to_others(self._process.pid, self.niceness)
        self._started, self._again_at, self._asked, self._fatal, self._kill_at = self._clock(), None, False, False, None

    def revive(self) -> str:
        """Start it again where it has ended and its wait is over; return what happened in words, or nothing."""
        if self._process is None or self._asked or self._fatal:
            return ""
        if self._process.poll() is None:
            if self._kill_at is not None and self._clock() >= self._kill_at:
                self._signal(signal.SIGKILL)
            return ""
        if self._process.returncode == FATAL_CODE:
            self._fatal = True
            self._watchdog.forget(self._process.pid)
            return f"{self.name} has stopped and is not started again: {self.last_line}"
        if self._again_at is None:
            self._watchdog.forget(self._process.pid)
            if self._kill_at is None and self._clock() - self._started >= STEADY_SECONDS:
                self._wait = doubling(FIRST_BACKOFF, LONGEST_BACKOFF)
            wait = self._wait()
            self._again_at = self._clock() + wait
            return f"{self.name} {ending(self._process.returncode)}; it starts again in {wait:.0f} s: {self.last_line}"
        if self._clock() < self._again_at:
            return ""
        self.restarts += 1
        self.start()
        return f"{self.name} was started again"

    def end_hanging(self, pid: int, reason: str) -> str:
        """Tell it to end, if it is still the process `pid` that hangs; `revive` kills it after a grace, and starts it again.

        Return what is done, in words, or nothing where it was done before or is no more to be done.
        """
        if self.pid != pid or self._asked or self._kill_at is not None:
            return ""
        self._kill_at = self._clock() + HANGING_GRACE
        self._signal(signal.SIGTERM)
        return f"{self.name} hangs and is ended, to be started again: {reason}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM to it and its children."""
        if self.pid is not None:
            self._asked = True
            self._signal(signal.SIGTERM)

    def stop(self, grace: float) -> str:
        """Ask it to stop and kill it after `grace` seconds; return what went wrong, or nothing."""
        if self._process is None:
            return ""
        self.ask_to_stop()
        try:
            code = self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
            return f"{self.name} did not stop within {grace:.0f} s and was killed"
        finally:
            self._watchdog.forget(self._process.pid)
        if not self._asked:
            return f"{self.name} was not running: it {ending(code)}"
        return f"{self.name} {ending(code)} when it was asked to stop" if code not in {0, -signal.SIGTERM} else ""

    def _signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
