"""`tidewire up`: the whole platform on this machine, until Ctrl-C or for a while."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Any

from console.live_view import FOOTER, Page, lines
from console.summary import Outcome, faults_found, summary
from local.supervisor import Options, Supervisor
from topology.clickhouse import Questions
from topology.errors import Fatal, Retry
from topology.memory import share_arenas
from topology.settings import Settings
from topology.terminal import printable

LINE_SECONDS = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run:
    """One run in front of a person (`plain`: lines instead of a page) or a script."""

    def __init__(self, settings: Settings, options: Options, *, plain: bool, duration: float) -> None:
        self._plain = plain
        self._duration = duration
        self._notes: deque[str] = deque(maxlen=50)
        self._unprinted: list[str] = []
        self._live = False
        self._footer = FOOTER
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._running = False
        self._ready = False
        self.supervisor = Supervisor(settings, options, self.say)

    def say(self, line: str) -> None:
        """Tell the person what happened: on the page while it stands, else as a line."""
        stamped = f"{time.strftime('%H:%M:%S')} {printable(line, lines=True)}"
        self._notes.append(stamped)
        if self._live:
            self._unprinted.append(stamped)
        else:
            # The terminal may be gone (a closed window); what must be stopped in order is stopped all the same.
            with contextlib.suppress(OSError):
                print(stamped, flush=True)

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        share_arenas()
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            self.supervisor.start()
        except KeyboardInterrupt:
            self.supervisor.stop_servers()
            self.say("stopped while starting")
            return 1
        except BaseException:  # whatever it is, no server is left running
            self.supervisor.stop_servers()
            raise
        self._running = True
        started = time.monotonic()
        try:
            if self._plain:
                for name, address in self._addresses():
                    self.say(f"{name}: {address}")
            with self._shown(started):
                self._watch(started)
                self._footer = "Stopping in order … (Ctrl-C again: do not wait for what is unread)"
                seconds = time.monotonic() - started
                self.supervisor.stop()
                document: dict[str, Any] = self._summary(seconds) if self._duration else self._faults()
                for problem in document["problems"]:
                    if problem not in self.supervisor.troubles:  # those were said as they came
                        self.say(problem)
        finally:
            self.supervisor.stop_servers()
            self.say(f"stopped; the data stays in {self.supervisor.settings.state_dir} for the next start")
        if self._duration:
            print(printable(json.dumps(document)), flush=True)
        return 0 if document["ok"] else 1

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._running:
            raise KeyboardInterrupt
        if self._ended.is_set():
            self.supervisor.hurry = True
        self._ended.set()

    def _watch(self, started: float) -> None:
        next_line = started + LINE_SECONDS
        while not self._ended.wait(0.5):
            self.supervisor.watch()
            time_now = time.monotonic()
            if not self._ready and all(one.state == "ready" for one in self.supervisor.monitor.reading.stages.values()):
                self._ready = True
                self.say(f"every stage is ready, {time_now - self._begun:.1f} s after the start")
            if self._duration and time_now - started >= self._duration:
                return
            if not self._live and time_now >= next_line:
                next_line += LINE_SECONDS
                with contextlib.suppress(OSError):
                    print(lines(self.supervisor.monitor.reading, time_now - started), flush=True)

    @contextlib.contextmanager
    def _shown(self, started: float) -> Iterator[None]:
        """Show the page, where there is a terminal to show it on."""
        if self._plain:
            yield
            return
        from rich.console import Console
        from rich.live import Live

        self._live = True
        page = Live(get_renderable=lambda: self._page(started), console=Console(), screen=True, refresh_per_second=2)
        try:
            with page:
                yield
        finally:
            self._live = False
            with contextlib.suppress(OSError):
                print("\n".join(self._unprinted), flush=True)

    def _page(self, started: float) -> Page:
        supervisor = self.supervisor
        return Page(
            supervisor.monitor.reading,
            supervisor.market.origin,
            time.monotonic() - started,
            self._addresses(),
            list(self._notes),
            supervisor.market.unreachable,
            supervisor.market.left_out,
            self._footer,
        )

    def _addresses(self) -> list[tuple[str, str]]:
        settings = self.supervisor.settings
        found = [("Kafka", settings.kafka.brokers), ("ClickHouse", settings.clickhouse.url), ("schema registry", settings.registry.url)]
        if self.supervisor.simulator:
            found.append(("simulator", self.supervisor.simulator))
        return [*found, ("logs", str(self.supervisor.logs))]

    def _faults(self) -> dict[str, Any]:
        """Return all that is told of a run that a person has ended: the faults of our own."""
        problems = faults_found(self.supervisor.monitor.reading)
        return {"ok": not problems, "problems": problems}

    def _summary(self, seconds: float) -> dict[str, Any]:
        supervisor = self.supervisor
        reading = supervisor.monitor.read(everything=True)
        topics: dict[str, int] = {}
        rows: dict[str, int] = {}
        everything: dict[str, int] = {}
        gaps: dict[str, int] = {}
        try:
            topics = supervisor.monitor.published()
            questions = Questions(supervisor.settings.clickhouse)
            everything = questions.distinct_rows()
            rows = supervisor.monitor.inserted(everything)
            gaps = questions.open_gaps() if "gaps" in everything else {}
        except (Retry, Fatal) as error:
            supervisor.troubles.append(str(error))
        return summary(supervisor, reading, Outcome(topics, rows, everything, gaps), seconds)


def up(settings: Settings, options: Options, *, plain: bool, duration: float) -> int:
    """Run everything; return the exit code."""
    seen = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Run(settings, options, plain=plain or not seen, duration=duration).run()
