"""How the trades of one gap come in, reply after reply, and when to ask no more. Pure; times in microseconds since 1970 UTC.

A gap may claim any last sequence: one absurd id of a venue makes a hole of 10¹⁸ trades, and a market that is never still answers for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count, takewhile
from typing import Any

LATER = 60_000_000
"""Trades that are later than a gap's end by so much are not of the gap: ids and times of one venue may differ in order, by far less."""
MOST_PAGES = 10_000
"""Replies to one gap: of a thousand trades each they hold more than two days of the busiest pair, so that only nonsense is cut."""
NOTHING_NEW_SECONDS = 5.0
"""A venue's history may lag its stream: where a reply holds nothing new, it is asked once more after so long before that is its word."""


class Paging:
    """The trades from `first` to `last`, both inclusive, made after `from_time` and before `to_time`, where these are known."""

    def __init__(self, first: int, last: int, from_time: int | None, to_time: int | None) -> None:
        self.wanted = first
        """The sequence to ask for."""
        self.time = from_time
        """The time after which to ask."""
        self.wait = 0.0
        """Seconds to wait before asking, once `take` has said to ask for more."""
        self.pages = 0
        self.why = ""
        """Why not all have come, once `take` has said that it is over; empty where they have."""
        self._last = last
        self._all = last - first + 1
        self._got = 0
        begun = to_time is not None and (from_time is None or from_time <= to_time)
        self._until = to_time + LATER if begun and to_time is not None else None

    def take(self, trades: Sequence[Mapping[str, Any]]) -> bool:
        """Take the trades of a reply, as events; return whether to ask for more."""
        self.pages += 1
        new = {one["sequence"]: one for one in trades if one["sequence"] is not None and one["sequence"] >= self.wanted}
        row = _in_a_row(new)
        self._got += sum(number <= self._last for number in row)
        if not row:
            asks_once_more, self.wait = self.wait == 0, NOTHING_NEW_SECONDS
            return asks_once_more or self._over("")
        if row[-1] >= self._last:
            return self._over("")
        self.wait = 0.0
        if self._until is not None and min(one["event_time"] for one in new.values()) > self._until:
            return self._over(", and those it gives now are later than the gap's end")
        if self.pages >= MOST_PAGES:
            return self._over(f" in {self.pages} replies, and no more are asked for")
        self.wanted, self.time = row[-1] + 1, new[row[-1]]["event_time"]
        return True

    def _over(self, why: str) -> bool:
        if self._got < self._all:
            self.why = f"the venue gave {self._got} of {self._all} trades{why}"
        return False


def _in_a_row(found: Iterable[int]) -> range:
    """Return the lowest of some sequences and those that follow it one by one: behind a jump there may be no more than one absurd id."""
    ids = sorted(found)
    follows = takewhile(lambda pair: pair[0] == pair[1], zip(ids, count(ids[0]), strict=False)) if ids else ()
    return range(ids[0], ids[0] + sum(1 for _ in follows)) if ids else range(0)
