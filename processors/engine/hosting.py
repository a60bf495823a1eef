"""Several processors in one process, each on a thread and an event loop of its own: `python -m processors NAME …`.

What fails in one stays there. It is begun again within a second, with a loop, an app and clients made anew, and reads from its last commit;
one for which only a person can do something stays as it is, and is told of. One that fails and does not end, or stands still, or whose
loop hangs, ends the process, and whoever runs that starts it again.

A thread each, for the work of one then holds up no other's loop, and what a loop still has to do when its stage has failed ends with it.
"""

import asyncio
import importlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from structlog.contextvars import bind_contextvars

from processors.engine.partition import NewTask
from processors.engine.stage import Stage, made
from topology import private
from topology.ending import code_of, words_of
from topology.errors import Fatal, Retry, TidewireError
from topology.faults import Faults
from topology.flow import stages
from topology.grace import stopping
from topology.health import Health, Part
from topology.heartbeat import Heartbeat
from topology.log import configure, logger
from topology.memory import collect_rarely, share_arenas
from topology.registry import Registry
from topology.retry import doubling
from topology.secrets.audit import act_as
from topology.secrets.shipping import shipping
from topology.settings import Settings
from topology.settings import settings as read

PROCESS: Final = "processors"
"""What a process is called that hosts several."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
STEADY_SECONDS: Final = 60.0
"""A stage that worked this long is forgiven its failures before."""


class NotEnded(Exception):
    """A stage failed and what it had begun could not be ended: its clients may still be members of its group."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor as the module that runs it says it: see `processors.engine.stage.main`."""

    name: str
    topics_of: Callable[[Settings], tuple[str, ...]]
    begin_of: Callable[[Settings, Registry], NewTask]
    checkpoint_seconds_of: Callable[[Settings], float]
    background: bool


def processor(name: str) -> Processor:
    """Return the processor of a stage; LookupError where no stage of that name is one."""
    declared = stages()[name]
    module: Any = importlib.import_module(f"{declared.package}.__main__")
    if not declared.changelog:
        raise LookupError(f"{name} is no processor")
    often = getattr(module, "checkpoint_seconds_of", lambda settings: settings.processors.checkpoint_seconds)
    return Processor(name, module.topics_of, module.begin_of, often, declared.background)


class Hosted:
    """One of several processors of a process. `beating` gives a heartbeat for each of its loops, `silent` says that one has ended."""

    def __init__(self, settings: Settings, what: Processor, beating: Callable[[str], Heartbeat], silent: Callable[[str], object]) -> None:
        self.name = what.name
        self.faults = Faults(what.name)
        self.fatal: TidewireError | None = None
        """Why it is not begun again."""
        self._settings = settings
        self._what = what
        self._beating = beating
        self._silent = silent
        self._stage: Stage | None = None
        self._waits_for = "starting"
        self._stop = threading.Event()
        self._wake: Callable[[], object] | None = None

    def part(self) -> Part:
        """Return how it is. Called by the health page's thread."""
        if self.fatal is not None:
            return Part("failed", words_of(self.fatal))
        stage = self._stage
        reason = stage.status() if stage is not None else self._waits_for
        return Part("waiting" if reason else "ready", reason)

    def ask_to_stop(self) -> None:
        """Let it make its last checkpoint and leave its group; `run` returns when it has. Any thread but its own."""
        self._stop.set()
        if (wake := self._wake) is not None:
            with suppress(RuntimeError):  # its loop has ended just now
                wake()

    def run(self) -> None:
        """Work until asked to stop, or only a person can mend what is wrong; on a thread of its own. Raises NotEnded."""
        bind_contextvars(stage=self.name)
        wait = doubling(FIRST_WAIT, LONGEST_WAIT)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                asyncio.run(self._live())
                self._waits_for = "it has ended, and is begun again"
            except Fatal as error:
                self.fatal = error
                logger().error("stopped: a person must act; the other stages go on", reason=str(error))
                return
            except Retry as error:
                self._waits_for = f"begins again: {error}"
                logger().warning("begins again", reason=str(error))
            except NotEnded:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and stays in this stage
                self._waits_for = f"begins again after a fault: {self.faults.tell(error)}"
            if time.monotonic() - began >= STEADY_SECONDS:
                wait = doubling(FIRST_WAIT, LONGEST_WAIT)
            self._stop.wait(wait())

    async def _live(self) -> None:
        """Be a stage from its first question to the broker to its end; raises why it ended where nobody asked it to."""
        what, settings = self._what, self._settings
        stage = made(  # blocks this loop, which nobody else is on
            settings, self.name, what.topics_of(settings), what.begin_of, what.checkpoint_seconds_of(settings),
            background=what.background, faults=self.faults, sleep=self._stop.wait,
        )  # fmt: skip
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(asked.set)
        if self._stop.is_set():
            asked.set()
        self._beating(self.name).follow(loop)
        self._stage = stage
        try:
            await _work(stage, asked)
        finally:
            self._stage = self._wake = None
            self._silent(self.name)
            stage.close()


async def _work(stage: Stage, asked: asyncio.Event) -> None:
    """Run a stage's app until `asked` is set or the app crashes, and end it in order. Raises why it crashed, NotEnded."""
    app = stage.app
    app.finalize()
    starting = asyncio.create_task(app.start())
    waiting = {starting, asyncio.create_task(asked.wait()), asyncio.create_task(app.wait_until_stopped())}
    done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if done == {starting} and starting.exception() is None:
        _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    failed = app._crash_reason or (None if starting.cancelled() else starting.exception())  # noqa: SLF001 - mode tells it to nobody
    if failed is not None:
        stage.fail(failed)  # the process ends where what follows does not
    try:
        await app.stop()
    except Exception as error:
        raise NotEnded(f"{stage.name} did not end in order") from error
    if failed is not None:
        raise failed


async def host(settings: Settings, names: Sequence[str]) -> None:
    """Run processors until SIGTERM or SIGINT. Raises Fatal where nothing is left that a start anew would help, NotEnded."""
    loop = asyncio.get_running_loop()
    health = Health(settings, PROCESS)
    hosted = [Hosted(settings, processor(name), health.begin_beating, health.end_beating) for name in names]
    health.faults = [one.faults for one in hosted]
    health.parts = {one.name: one.part for one in hosted}
    collect_rarely()

    def end() -> None:
        stopping.begin(settings.stop_seconds)
        for one in hosted:
            one.ask_to_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    with health, shipping(settings, PROCESS), ThreadPoolExecutor(len(hosted), "stage") as pool:
        health.heartbeat.follow(loop)
        try:
            await asyncio.gather(*(loop.run_in_executor(pool, one.run) for one in hosted))
        except BaseException:
            end()  # those that still can end in order do, within a bound
            raise
    if all(one.fatal is not None for one in hosted):
        raise Fatal("; ".join(f"{one.name}: {one.fatal}" for one in hosted))


def main(names: Sequence[str]) -> int:
    """Host processors as a process; return its exit code. Its last line says why it ended where that was not asked for."""
    try:
        act_as(PROCESS)
        settings = read()
        private.keep()
        share_arenas()
        configure(settings.log, PROCESS)
        asyncio.run(host(settings, names))
    except (TidewireError, NotEnded) as error:
        print(f"{PROCESS}: {words_of(error)}", file=sys.stderr, flush=True)
        return code_of(error)
    return 0
