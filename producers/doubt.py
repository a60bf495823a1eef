"""How long an answer that nobody understands is asked about before it is taken for the venue's last word. Pure: the clock is passed in."""

from collections.abc import Callable

from topology.errors import Reject
from topology.retry import doubling

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 120.0
"""The waits between the questions, doubling."""
LASTING_SECONDS = 600.0
"""What stays unclear for so long lasts: a venue that restarts, or what stands before it, is past that by then."""
FEWEST = 4
"""Answers that are needed to say so, however long they took."""


class Doubt:
    """The answers to one request that nobody understood, in a row. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.over()

    def over(self) -> None:
        """Note an answer that was understood."""
        self._since: float | None = None
        self._count = 0
        self._wait = doubling(FIRST_SECONDS, LONGEST_SECONDS)

    def again(self, error: Exception, after: float = 0.0) -> float:
        """Note one that was not; return in how many seconds to ask again, `after` at least. Raises Reject where it has lasted."""
        at = self._clock()
        self._since = at if self._since is None else self._since
        self._count += 1
        if self._count >= FEWEST and at - self._since >= LASTING_SECONDS:
            raise Reject(f"the venue answered what nobody here understands {self._count} times in {at - self._since:.0f} s: {error}")
        return max(self._wait(), after)
