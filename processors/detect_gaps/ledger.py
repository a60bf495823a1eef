"""What the partitions of one process share: which gaps others have ended, and how many are open."""

import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterable

from topology import metrics

MOST_ENDED = 10_000
"""Ends remembered, the newest: a hole whose end was forgotten is given up by its age."""
ENDS = frozenset({"filled", "unfillable", "closed"})


class Ended:
    """Ids of gaps that have ended, as the topic of gaps tells: a container of them, the newest MOST_ENDED."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def note(self, gap_id: str, state: str) -> None:
        """Take a state of a gap. One that is opened again has not ended."""
        if state not in ENDS:
            self._ids.pop(gap_id, None)
            return
        self._ids[gap_id] = None
        self._ids.move_to_end(gap_id)
        if len(self._ids) > MOST_ENDED:
            self._ids.popitem(last=False)

    def __contains__(self, gap_id: object) -> bool:
        return gap_id in self._ids


class OpenGaps:
    """`tidewire_open_gaps`: the gaps that all partitions of this process hold open, by venue and channel.

    Each partition's work says its own share; a share ends with the work that said it, so that a partition given up is not counted.
    """

    def __init__(self) -> None:
        self._shares: dict[int, Counter[tuple[str, str]]] = {}
        self._lock = threading.Lock()
        self._shown: set[tuple[str, str]] = set()

    def say(self, work: object, share: Iterable[tuple[str, str]]) -> None:
        """Set the share of a partition's work: venue and channel of each gap it holds open."""
        key, count = id(work), Counter(share)
        if key not in self._shares:
            weakref.finalize(work, self._forget, key).atexit = False
        if self._shares.get(key) != count:
            self._shares[key] = count
            self._show()

    def _forget(self, key: int) -> None:
        self._shares.pop(key, None)
        self._show()

    def _show(self) -> None:
        with self._lock:
            total = sum(self._shares.values(), Counter[tuple[str, str]]())
            self._shown |= total.keys()
            for label in self._shown:
                metrics.open_gaps.labels(*label).set(total[label])
