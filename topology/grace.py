"""How long this process may still take once it was asked to stop: one bound (`stop_seconds`) for every wait, and an end when it is over.

Whoever stops a process kills it after a while (Kubernetes after 30 s). What is not done by then is lost or done again without a word; what
has not been done in time here is told, and the process ends by itself.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

WAITING_SHARE: Final = 0.8
"""Of the whole time, for all that waits: what is left is for writing down what could not be delivered, and for leaving."""


class Grace:
    """The time left to one process. `clock` is monotonic, in seconds; `end` ends the process with an exit code, at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, end: Callable[[int], object] = os._exit) -> None:
        self._clock = clock
        self._end = end
        self._seconds = 0.0
        self._until: float | None = None

    def begin(self, seconds: float) -> None:
        """Note that the process was asked to stop, and shall have ended in so many seconds; only the first time counts.

        Called by signal handlers, on the main thread.
        """
        if self._until is not None:
            return
        self._seconds = seconds
        self._until = self._clock() + seconds * WAITING_SHARE
        timer = threading.Timer(seconds, self._over)
        timer.daemon = True
        timer.start()

    def left(self, share: float = 1.0) -> float:
        """Return how many seconds waits may take now, or a share of them; without end while nobody has asked us to stop. Any thread."""
        return float("inf") if self._until is None else max(0.0, self._until - self._clock()) * share

    def _over(self) -> None:
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
        sys.stderr.write(f"did not stop within {self._seconds:g} s (stop_seconds) and ends now; above is what each thread waited for\n")
        sys.stderr.flush()
        self._end(1)


stopping: Final = Grace()
"""Of this process."""
