"""Our own bugs while running: each is counted, turns its venue red, and is told once a minute; the process goes on.

What is meant is an exception that nobody raised on purpose: a venue's dialect that meets a message it was not written for, a table
whose schema does not fit. What the outside did wrong is a Reject, what will pass is a Retry (topology/errors.py): not these.
"""

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from topology import metrics
from topology.clock import now
from topology.log import logger

TELL_AFTER: Final = 60_000_000
"""Microseconds between two lines of the log about the same kind of fault."""
RED_FOR: Final = 300_000_000
"""Microseconds for which a venue stays red after its last fault."""
KINDS_AT_MOST: Final = 500
"""Kinds remembered for log and health; of more, the ones longest quiet are forgotten."""
REASON_AT_MOST: Final = 500
OURS: Final = Path(__file__).parents[1]
PACKAGES: Final = frozenset(
    {"schemas", "dialects", "topology", "producers", "processors", "sinks", "local", "console", "simulator", "tests"}
)
"""Our own code under OURS, where libraries may be installed too."""


class FaultKind(NamedTuple):
    """What makes two faults the same to a reader of the log."""

    venue: str
    event: str
    place: str
    """The exception's type and where in our code it was raised."""


@dataclass(slots=True)
class FaultCount:
    """One kind of fault so far. Times in microseconds."""

    total: int
    untold: int
    told_at: int
    last_at: int
    reason: str


class FaultBook:
    """Which faults there were, and which are worth a line now. Pure: the time is passed in."""

    def __init__(self) -> None:
        self._counts: dict[FaultKind, FaultCount] = {}

    def note(self, kind: FaultKind, reason: str, at: int, times: int = 1) -> int:
        """Take a fault; return how many of its kind are to be told now, 0 where its kind was told less than a minute ago."""
        count = self._counts.get(kind)
        if count is None:
            if len(self._counts) >= KINDS_AT_MOST:
                del self._counts[min(self._counts, key=lambda one: self._counts[one].last_at)]
            count = self._counts[kind] = FaultCount(0, 0, at - TELL_AFTER, at, reason)
        count.total += times
        count.untold += times
        count.last_at, count.reason = at, reason
        if 0 <= at - count.told_at < TELL_AFTER:
            return 0
        untold, count.untold, count.told_at = count.untold, 0, at
        return untold

    def red(self, at: int) -> list[dict[str, str | int]]:
        """Return the kinds seen in the last five minutes, newest first: venue, event, count, last_at (microseconds) and reason."""
        recent = [(kind, one) for kind, one in self._counts.items() if at - one.last_at < RED_FOR]
        return [
            {"venue": kind.venue, "event": kind.event, "count": one.total, "last_at": one.last_at, "reason": one.reason}
            for kind, one in sorted(recent, key=lambda pair: -pair[1].last_at)
        ]


class Faults:
    """The faults of one stage's process; may be called from any thread. `clock` gives microseconds since 1970 UTC."""

    def __init__(self, stage: str, clock: Callable[[], int] = now) -> None:
        self._stage = stage
        self._clock = clock
        self._book = FaultBook()
        self._lock = threading.Lock()

    def tell(self, error: BaseException, *, venue: str = "", event: str = "", times: int = 1) -> str:
        """Count a fault (`tidewire_faults_total`), turn its venue red, and log it unless its kind was told within the minute.

        `venue` and `event` are labels of a metric: names of ours, never a text from outside; empty where none is to blame.
        `times`: how many messages met it. Returns the reason in one line, for a dead letter or a gap.
        """
        reason = reason_of(error)
        metrics.faults.labels(self._stage, venue, event).inc(times)
        with self._lock:
            untold = self._book.note(FaultKind(venue, event, f"{type(error).__name__} {place_of(error)}"), reason, self._clock(), times)
        if untold:
            logger().error("A fault of our own; all else goes on.", venue=venue, event_name=event, times=untold, exc_info=error)
        return reason

    def red(self) -> list[dict[str, str | int]]:
        """Return the faults of the last five minutes, each with its stage; see FaultBook.red. Called by the health server's threads."""
        with self._lock:
            return [{"stage": self._stage, **one} for one in self._book.red(self._clock())]


def reason_of(error: BaseException) -> str:
    """Return an exception as the last line of its traceback, and the place in our code: `KeyError: 'p' (dialects/a.py:88 in read)`."""
    text = traceback.format_exception_only(error)[-1].strip() or type(error).__name__
    place = place_of(error)
    return f"{text[:REASON_AT_MOST]} ({place})" if place else text[:REASON_AT_MOST]


def place_of(error: BaseException) -> str:
    """Return the innermost line of our own code that an exception passed, `path:line in function`; empty where there is none."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(OURS) and path.relative_to(OURS).parts[0] in PACKAGES:
            return f"{path.relative_to(OURS)}:{line} in {frame.f_code.co_name}"
    return ""
