"""Trying again what raised Retry: one rule for all who wait, on threads and on asyncio.

A wait is as long as the caller's `wait` says (`doubling`, where it says nothing), and never shorter than the error asks for. Clock and
sleep are passed in. Each wait is counted (tidewire_retries); the first is logged, then one a minute; `say` hears each reason, and "" when
it is over.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from topology.errors import Retry
from topology.log import logger
from topology.metrics import retries

FIRST, LONGEST = 1.0, 30.0
TOLD_EVERY = 60.0
"""Seconds between two log lines of one thing that is waited for."""

T = TypeVar("T")


def doubling(first: float = FIRST, longest: float = LONGEST) -> Callable[[], float]:
    """Return a function which gives the seconds of one wait after the other: `first`, then twice the one before, up to `longest`."""
    waits = itertools.count()
    return lambda: min(first * 2.0 ** min(next(waits), 32), longest)


class Attempts:
    """The attempts at one thing: how long to wait after each that failed, and who hears of it.

    `stage` and `what` name it in metric and log, `about` says which one in the log alone: a label must not be any text. `wait` gives
    the seconds of the next wait (see `doubling`); `say` is called by whoever calls `failed` and `worked`; `clock` gives seconds.
    Used by `persist` and `persist_async`, and by itself where the caller may not sleep, but does it again when its time has come.
    """

    def __init__(
        self,
        stage: str,
        what: str,
        *,
        about: str = "",
        wait: Callable[[], float] | None = None,
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage = stage
        self._what = what
        self._named = {"what": what, "about": about} if about else {"what": what}
        self._wait = wait or doubling()
        self._say = say
        self._clock = clock
        self._failures = 0
        self._told_at = 0.0

    def failed(self, error: Retry) -> float:
        """Count one failure, tell of it, and return how many seconds to wait."""
        seconds = max(self._wait(), error.after)
        self._failures += 1
        retries.labels(self._stage, self._what).inc()
        if self._say:
            self._say(str(error))
        if self._failures == 1 or self._clock() >= self._told_at + TOLD_EVERY:
            self._told_at = self._clock()
            logger().warning("waiting", **self._named, attempt=self._failures, reason=str(error), seconds=round(seconds, 1))
        return seconds

    def worked(self) -> None:
        """Say that it is over, where an attempt had failed."""
        if self._failures:
            logger().info("going on", **self._named, attempts=self._failures + 1)
            self._failures = 0
            if self._say:
                self._say("")


def persist(call: Callable[[], T], attempts: Attempts, sleep: Callable[[float], bool | None] = time.sleep) -> T:
    """Return what `call` returns, trying again while it raises Retry; on a thread that may wait.

    `sleep` takes seconds; where it returns True (as `threading.Event.wait` does once it is set) the last Retry is raised.
    """
    while True:
        try:
            result = call()
        except Retry as error:
            if sleep(attempts.failed(error)):
                raise
        else:
            attempts.worked()
            return result


async def persist_async(
    call: Callable[[], Awaitable[T]], attempts: Attempts, sleep: Callable[[float], Awaitable[bool | None]] = asyncio.sleep
) -> T:
    """Return what `call` returns, trying again while it raises Retry; on an event loop. What blocks goes through `asyncio.to_thread`.

    `sleep` as in `persist`, awaited: where it returns True the last Retry is raised.
    """
    while True:
        try:
            result = await call()
        except Retry as error:
            if await sleep(attempts.failed(error)):
                raise
        else:
            attempts.worked()
            return result
