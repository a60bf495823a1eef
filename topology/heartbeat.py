"""Whether the loop that does a stage's work still turns: a thread that answers for it would answer for ever."""

import asyncio
import faulthandler
import sys
import time
from collections.abc import Callable
from typing import Final

BEAT_SECONDS: Final = 1.0


class Heartbeat:
    """The beats of one loop. `longest` seconds without one mean that it hangs; before the first there is nothing to say."""

    def __init__(self, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest = longest
        self._clock = clock
        self._beat_at: float | None = None
        self._told = False

    def beat(self) -> None:
        """Note that the loop has turned; called by it."""
        self._beat_at = self._clock()
        self._told = False

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat each second from now on, for as long as this event loop turns; called on its thread. No task, so nothing cancels it."""
        self.beat()
        loop.call_later(BEAT_SECONDS, self.follow, loop)

    def hanging(self) -> str:
        """Return why the stage counts as hanging, or nothing. Any thread; the first to notice writes to stderr where every thread is."""
        since = 0.0 if self._beat_at is None else self._clock() - self._beat_at
        if since <= self._longest:
            return ""
        if not self._told:
            self._told = True
            faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
        return f"its loop has not turned for {since:.0f} s (health.hang_seconds); where it stands is in its log"
