"""A process of producers: one venue, or several that share an interpreter, a loop and a health page.

What fails in one venue stays there. Alone in its process it ends that, and whoever runs the process starts it again; beside others it is
begun again here, within a second. One for which only a person can do something stays as it is, and is told of.
"""

import asyncio
import logging
import random
import signal
import sys
import time
from collections.abc import Sequence

from structlog.contextvars import bind_contextvars

from producers import STAGE
from producers.backoff import Backoff
from producers.companions import is_set_within
from producers.stage import Stage
from topology import private
from topology.ending import words_of
from topology.errors import FATAL_CODE, Fatal, Retry
from topology.faults import Faults
from topology.grace import stopping
from topology.health import Health, Part
from topology.log import configure, logger
from topology.memory import share_arenas
from topology.secrets.shipping import shipping
from topology.settings import Settings


def name_of(venues: Sequence[str]) -> str:
    """Return what a process is called that carries these venues: `producers-kraken`, or `producers` where they are several."""
    return STAGE.child(venues[0]) if len(venues) == 1 else STAGE.name


class Carried:
    """One of several venues of a process. Its producer is made anew each time it begins again; its faults are counted over all of them."""

    def __init__(self, settings: Settings, venue: str) -> None:
        self.venue = venue
        self.faults = Faults(STAGE.child(venue))
        self.fatal: Fatal | None = None
        """Why it is not begun again."""
        self._settings = settings
        self._stage: Stage | None = None
        self._waits_for = "starting"

    def part(self) -> Part:
        """Return how it is. Called by the health page's thread."""
        if self.fatal is not None:
            return Part("failed", words_of(self.fatal))
        reason = self._stage.status() if self._stage is not None else self._waits_for
        return Part("waiting" if reason else "ready", reason)

    async def run(self, stop: asyncio.Event) -> None:
        """Produce until `stop` is set, or only a person can mend what is wrong."""
        bind_contextvars(venue=self.venue)
        backoff = Backoff(self._settings.producer.backoff_first, self._settings.producer.backoff_most, random.random)
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._stage = Stage(self._settings, self.venue, self.faults)
                await self._stage.run(stop)
                self._waits_for = "it has ended, and is begun again"
            except Fatal as error:
                self.fatal = error
                logger().error("stopped: a person must act; the other venues go on", reason=str(error))
                return
            except Retry as error:
                self._waits_for = str(error)
                logger().warning("begins again", reason=str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and stays in this venue
                self._waits_for = f"begins again after a fault: {self.faults.tell(error, venue=self.venue, event='producer')}"
            self._stage = None
            backoff.succeeded(time.monotonic() - began)
            await is_set_within(stop, backoff.wait())


async def produce(settings: Settings, venues: Sequence[str], duration: float = 0) -> None:
    """Run the producers of venues until SIGTERM or SIGINT, or for `duration` seconds where it is not 0.

    Raises Fatal where there is nothing left that a start anew would help.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        stopping.begin(settings.stop_seconds)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if duration:
        loop.call_later(duration, end)
    with shipping(settings, name_of(venues)):
        await (_alone(settings, venues[0], stop) if len(venues) == 1 else _together(settings, venues, stop))


async def _alone(settings: Settings, venue: str, stop: asyncio.Event) -> None:
    stage = Stage(settings, venue)
    with Health(settings, stage.name, stage.status, [stage.faults]) as health:
        health.heartbeat.follow(asyncio.get_running_loop())
        await stage.run(stop)


async def _together(settings: Settings, venues: Sequence[str], stop: asyncio.Event) -> None:
    carried = {STAGE.child(venue): Carried(settings, venue) for venue in venues}
    with Health(
        settings, name_of(venues), faults=[one.faults for one in carried.values()], parts={name: one.part for name, one in carried.items()}
    ) as health:
        health.heartbeat.follow(asyncio.get_running_loop())
        await asyncio.gather(*(asyncio.create_task(one.run(stop), name=name) for name, one in carried.items()))
    if not stop.is_set():
        raise Fatal("; ".join(f"{name}: {one.fatal}" for name, one in carried.items()))


def main(settings: Settings, venues: Sequence[str], duration: float = 0) -> int:
    """Run producers as a process; return its exit code."""
    name = name_of(venues)
    private.keep()
    share_arenas()
    configure(settings.log, name)
    logging.getLogger("picows").setLevel(logging.WARNING)
    try:
        asyncio.run(produce(settings, venues, duration))
    except Fatal as error:
        logger().error("stopped: a person must act", reason=str(error))
        print(f"{name}: {words_of(error)}", file=sys.stderr)
        return FATAL_CODE
    except Retry as error:
        logger().error("stopped while it waited; what it waited for is not done", reason=str(error))
        return 1
    return 0
