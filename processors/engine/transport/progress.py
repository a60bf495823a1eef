"""A stage that stands still ends itself, and says where it stood: started again it reads from its last commit.

Standing still is: something was delivered or waits in the log, partitions are assigned, and yet no commit moves. Nothing is
lost by it, but nothing says so either; the process looks alive for ever.
"""

import asyncio
import faulthandler
import gc
import os
import sys
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, Final

from faust.types import TP

from topology.ending import code_of, words_of

LOOKS: Final = 12
"""Looks in which nothing moved before a partition counts as standing still. Looks, not seconds: a process that was itself
suspended for an hour gets as many of them afterwards as any other."""


class Progress:
    """Which partitions have stood still, from one look to the next."""

    def __init__(self, looks: int = LOOKS) -> None:
        self._looks = looks
        self._still: dict[TP, tuple[int, int]] = {}

    def look(self, standing: Mapping[TP, tuple[int, int]]) -> list[str]:
        """Take (committed, end) of each partition held now; return a text for each that has stood still for too long."""
        before, self._still = self._still, {}
        for tp, (committed, end) in standing.items():
            last, looks = before.get(tp, (committed, 0))
            if committed < end:
                self._still[tp] = (committed, looks + 1 if last == committed else 1)
        return [
            f"{tp.topic}[{tp.partition}] is committed up to {committed} of {standing[tp][1]}"
            for tp, (committed, looks) in self._still.items()
            if looks > self._looks
        ]


async def watch(app: Any, seconds: float) -> None:
    """End the process with code 1 when no commit has moved for about `seconds`; write to stderr what every task waits for."""
    progress = Progress()
    while not app.should_stop:
        await asyncio.sleep(seconds / LOOKS)
        stuck = progress.look({} if app.rebalancing else app.consumer.standing())
        if stuck:
            app.log.error("Nothing was committed for %s seconds: ending, to start over. %s", seconds, "; ".join(stuck))
            _tell_where(asyncio.get_running_loop())
            # Not an exception: a shutdown in order waits for just what does not come.
            os._exit(1)


def end_anyway(seconds: float, name: str = "", error: BaseException | None = None) -> threading.Timer:
    """End the process in so many seconds unless it has ended by then; for one that failed, and has nothing left to keep.

    Cancel what it returns where the stage alone has ended, and the process goes on.

    Its code and its last line are as topology.ending has them for the error of the stage of this name.
    """
    loop = asyncio.get_running_loop()

    def end() -> None:
        _tell_where(loop)
        if error is None:
            os._exit(1)
        sys.stderr.write(f"{name}: {words_of(error)}\n")
        sys.stderr.flush()
        os._exit(code_of(error))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer


def _tell_where(loop: asyncio.AbstractEventLoop) -> None:
    faulthandler.dump_traceback(sys.stderr, all_threads=True)
    for task in asyncio.all_tasks(loop):
        sys.stderr.write(f"task {task.get_name()}: {' > '.join(_waits(task.get_coro()))}\n")
    sys.stderr.flush()


def _waits(waiting: Any) -> Iterator[str]:
    """Yield the places of a task's coroutines, from the outermost to what it waits for; `Task.print_stack` knows only the first."""
    while waiting is not None:
        if not (frame := _of(waiting, "frame")):
            # A step of an async generator, which tells of it to nobody but the collector; or what is waited for in the end.
            waiting = next((one for one in gc.get_referents(waiting) if isinstance(one, AsyncGenerator)), None)
            continue
        yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        waiting = _of(waiting, "await") or getattr(waiting, "gi_yieldfrom", None)


def _of(waiting: Any, what: str) -> Any:
    return next((found for kind in ("cr", "gi", "ag") if (found := getattr(waiting, f"{kind}_{what}", None))), None)
