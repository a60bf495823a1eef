"""A program under measurement: all its processes together, whoever of them does the work."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.processes import stat, tree

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessTree:
    """A started program and its descendants; what they write goes into a file."""

    def __init__(self, command: Sequence[str], directory: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )

    def ended(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.poll()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._process.wait(60)

    def said(self) -> str:
        """Return the last lines of what it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-12:])

    def processes(self) -> list[int]:
        """Return the program and all its descendants that live."""
        return tree(self._process.pid)

    def cpu(self) -> float:
        """Return the CPU seconds of all: those that live, and those that ended and were waited for."""
        return sum(sum(map(int, fields[11:15])) for pid in self.processes() if (fields := stat(pid))) / TICK

    def memory(self) -> int:
        """Return the resident bytes of all."""
        total = 0
        for pid in self.processes():
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
            except (OSError, IndexError):
                continue  # it has just ended
        return total

    def kill(self) -> None:
        """End all of it as kill -9 does."""
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> None:
        """Ask it to end, and make it where it does not."""
        started = self.processes()
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
        for pid in started[1:]:
            _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
