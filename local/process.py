"""One child process: its own group, its output in a file, a readiness that is awaited and never hangs, an orderly end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.forked_process import ENDED_UNSEEN
from local.watchdog import Watchdog, end_groups
from topology import private
from topology.errors import Fatal

ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
"""For a server that has an allocator of its own: what the C library's keeps beside it is then in one place, not one for each thread."""
LAST_LINES = 15
POLL_SECONDS = 0.03
SECRET_NAMES = ("PASSWORD", "TOKEN", "SECRET")
"""Variables with such a word in their name are our own: a server we start has no use for them, and anybody can read its environment."""


class Child:
    """A program of the stack. `folder` receives NAME.log and NAME.pid."""

    def __init__(self, name: str, folder: Path, watchdog: Watchdog) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process number. Raises Fatal when it was not started."""
        if self._process is None:
            raise Fatal(f"{self.name} was not started.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended, as subprocess says it; None while it runs or where it was never started."""
        return self._process.poll() if self._process is not None else None

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it, after ending what an earlier, killed owner of the same folder left behind."""
        self.end_stale()
        with private.appending(self.log) as log:
            self._process = subprocess.Popen(  # noqa: S603 - the callers' commands are ours
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                env={**harmless(os.environ), **(environment or {})},
                start_new_session=True,
                umask=private.UMASK,
            )
        self._watchdog.watch(self._process.pid)
        private.write(self._pid_file, f"{self._process.pid}\n{command[0]}\n")

    def await_ready(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Return once is_ready() says so. Raises Fatal with the log's last lines if it ends or stays unready."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            if not self.is_running:
                code = self._process.returncode if self._process else None
                raise Fatal(f"{self.name} ended with code {code} before it was ready. {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise Fatal(f"{self.name} was not ready within {timeout:.0f} s. {self._last_words()}")
            time.sleep(POLL_SECONDS)

    def stop(self, grace: float = 15.0) -> int | None:
        """Ask it to stop, kill it after `grace` seconds; its exit code, or None if it was not started."""
        if self._process is None:
            return None
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
        self._reap()
        return self._process.returncode

    def kill(self) -> None:
        """Kill with signal 9, as a crash would."""
        if self._process is not None and self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._reap()

    def end_stale(self) -> None:
        """End the process that the pid file names, if it is still the program that was started from this folder."""
        if self.is_running or not self._pid_file.exists():
            return
        number, _, program = self._pid_file.read_text().strip().partition("\n")
        if number.isdigit() and _runs(int(number), program, str(self.log.parent)):
            end_groups({int(number)}, grace=5.0)
        self._pid_file.unlink()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._watchdog.forget(self._process.pid)
            self._pid_file.unlink(missing_ok=True)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:] if self.log.exists() else []
        return f"The end of {self.log}:\n" + "\n".join(f"    {line}" for line in lines)


def ending(code: int | None) -> str:
    """Say how a process ended, by its code as subprocess gives it."""
    if code == ENDED_UNSEEN:
        return "ended, and nobody saw how (the process that started it ended before)"
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def harmless(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what may hold a secret."""
    return {name: value for name, value in environment.items() if not any(word in name.upper() for word in SECRET_NAMES)}


def _runs(pid: int, program: str, folder: str) -> bool:
    """Whether this process is that program with that folder among its arguments (a number is soon another process's)."""
    answer = subprocess.run(  # noqa: S603 - the command is ours, and its one argument a number
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - POSIX has ps, and says not where
        capture_output=True,
        text=True,
        check=False,
    )
    return program in answer.stdout and folder in answer.stdout
