"""Whether each stage's process is alive by its own word: one that hangs runs on as a process, and does nothing.

Only /health is asked, which is red where the loop that does the work has not turned for `health.hang_seconds`, or gives no answer where the
process itself stands still. A venue that refuses us, a server that is away, a fault of ours in one venue turn /ready or a line of /health,
never its status: a start anew would mend none of them.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from local.health_pages import page, pages_of
from local.sharing import by_process
from local.stage_process import StageProcess

LOOK_SECONDS = 2.0
LONGEST_GAP = 15.0
"""Seconds between two looks beyond which nobody was looking: we were stopped ourselves, or the machine slept."""
AT_ONCE = 8


class Hanging(NamedTuple):
    """A process that has been red for too long, its number, and what its page said."""

    process: StageProcess
    pid: int
    reason: str


class Spell:
    """How long one process has been red without interruption."""

    def __init__(self, pid: int, now: float) -> None:
        self.pid = pid
        self._last = now
        self._since: float | None = None

    def seconds(self, reason: str, now: float) -> float:
        """Note a look and return for how long, in seconds, every look has been red; `reason` is empty where this one is not."""
        if now - self._last > LONGEST_GAP or not reason:
            self._since = None
        self._last = now
        if reason and self._since is None:
            self._since = now
        return 0.0 if self._since is None else now - self._since


class Pulse:
    """Look at all children again and again, in a thread of its own. `longest` seconds of red are too long; 0: none are.

    `clock` is monotonic, in seconds; `ask` returns status and text of a page, status 0 where nobody answers.
    """

    def __init__(
        self,
        state_dir: Path,
        processes: Mapping[str, StageProcess],
        longest: float,
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[str], tuple[int, str]] = page,
    ) -> None:
        self._state_dir = state_dir
        self._processes = processes
        self._longest = longest
        self._clock = clock
        self._ask = ask
        self._spells: dict[StageProcess, Spell] = {}
        self._hanging: list[Hanging] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to look; not at all where no red is too long."""
        if self._longest:
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(LONGEST_GAP)

    def hanging(self) -> list[Hanging]:
        """Return those of which the last look said that they have been red for too long. Any thread."""
        return self._hanging

    def look(self, pool: ThreadPoolExecutor) -> None:
        """Ask each process that runs and has a page, all at once."""
        pages = pages_of(self._state_dir)
        asked = {process: pid for process in by_process(self._processes) if (pid := process.pid) in pages and pid is not None}
        reasons = dict(zip(asked, pool.map(lambda pid: self._red(pages[pid]), asked.values()), strict=True))
        now = self._clock()
        hanging: list[Hanging] = []
        for process, pid in asked.items():
            spell = self._spells.get(process)
            if spell is None or spell.pid != pid:
                spell = self._spells[process] = Spell(pid, now)
            if spell.seconds(reasons[process], now) >= self._longest:
                hanging.append(Hanging(process, pid, reasons[process]))
        self._hanging = hanging

    def _red(self, url: str) -> str:
        status, text = self._ask(f"{url}/health")
        if not status:
            return "its health page does not answer"
        if status != HTTPStatus.SERVICE_UNAVAILABLE:
            return ""
        try:
            return str(json.loads(text)["reason"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return ""  # a page that is not ours says nothing of a loop

    def _keep_looking(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, "pulse") as pool:
            while not self._stop.wait(LOOK_SECONDS):
                self.look(pool)
