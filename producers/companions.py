"""What runs side by side, none a reason for another to stop: after a fault it is started again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import isinf
from typing import Any

from producers.backoff import Backoff
from topology.errors import Fatal, Retry
from topology.grace import stopping
from topology.log import logger
from topology.metrics import retries

Tell = Callable[[BaseException, str], str]
"""Counts and tells a fault of our own, given the part of the producer it happened in; returns the reason in one line. Never raises;
may be called from any thread."""


async def keep_running(
    part: str, work: Callable[[], Awaitable[None]], tell: Tell, backoff: Backoff, clock: Callable[[], float], *, vital: bool = False
) -> None:
    """Run `work` until it returns or this is cancelled. Where it raises, that is told and it is run again after a wait.

    Fatal is raised on where the work is `vital`: capture or delivery itself. From all else it is told for as long as it lasts, like
    any fault: what a person must mend there stops neither. `clock` is monotonic seconds.
    """
    while True:
        began = clock()
        try:
            await work()
        except Retry as error:
            backoff.succeeded(clock() - began)
            seconds = max(backoff.wait(), error.after)
            retries.labels("producers", part).inc()
            logger().warning("waiting", part=part, reason=str(error), seconds=round(seconds, 1))
        except Fatal as error:
            if vital:
                raise
            tell(error, part)
            seconds = backoff.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and stays here
            tell(error, part)
            backoff.succeeded(clock() - began)
            seconds = backoff.wait()
        else:
            return
        await asyncio.sleep(seconds)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait as `ended` does."""
    for task in tasks:
        task.cancel()
    await ended(tasks)


async def ended(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until tasks have ended, however; for a share of the time to stop, as what was received is still to be delivered or kept."""
    bound = stopping.left(0.3)
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=None if isinf(bound) else bound)
    for task in done:
        if not task.cancelled():
            task.exception()  # whoever cares has been told; else asyncio says that nobody asked
    for task in late:
        logger().warning("not ended in time (stop_seconds); going on without it", task=str(task))
        task.cancel()


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, for so many seconds at most; return whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
