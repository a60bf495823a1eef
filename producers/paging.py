"""How the trades of one gap come in, reply after reply, and when to ask no more. Pure; times in microseconds since 1970 UTC.

A gap may claim any last sequence: one absurd id of a venue makes a hole of 10¹⁸ trades, and a market that is never still answers for ever.

Some venues are asked by stretches of time, and of each give the newest trades alone, as many as they like. So a reply that begins behind
what was asked for may lack what came before: half the stretch is asked for, down to a second. One that holds nothing new says that there
was no trade: the stretch that follows is asked for, up to where the gap ends. After each that was whole the next is twice as long.
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
SHORTEST, LONGEST = 1, 3600
"""Seconds of a stretch: the venues take whole ones, and an hour's trades may be all that a quiet day has."""


class Paging:
    """The trades from `first` to `last`, both inclusive, made after `from_time` and before `to_time`, where these are known.

    `stretch`: seconds of which they are asked for at first (Dialect.trades_stretch); 0 where a reply holds those that follow what is known.
    """

    def __init__(self, first: int, last: int, from_time: int | None, to_time: int | None, stretch: int = 0) -> None:
        self.wanted = first
        """The sequence to ask for."""
        self.time = from_time
        """The time from which on to ask."""
        self.wait = 0.0
        """Seconds to wait before asking, once `take` has said to ask for more."""
        self.pages = 0
        self.why = ""
        """Why not all have come, once `take` has said that it is over; empty where they have."""
        self._last = last
        self._all = last - first + 1
        self._got = 0
        self._stretch = stretch
        self._known = from_time
        """The time of the last trade that is known: the stretches that hold nothing lie behind it."""
        self._asked_again = False
        begun = to_time is not None and (from_time is None or from_time <= to_time)
        self._until = to_time + LATER if begun and to_time is not None else None

    @property
    def until(self) -> int | None:
        """The time up to which to ask; None where only the beginning is to be said."""
        return self.time + self._stretch * 1_000_000 if self._stretch and self.time is not None else None

    def take(self, trades: Sequence[Mapping[str, Any]]) -> bool:
        """Take the trades of a reply, as events; return whether to ask for more."""
        self.pages, self.wait = self.pages + 1, 0.0
        new = {one["sequence"]: one for one in trades if one["sequence"] is not None and one["sequence"] >= self.wanted}
        row = _in_a_row(new)
        if row and row[0] > self.wanted and self._stretch > SHORTEST:
            self._stretch = max(self._stretch // 2, SHORTEST)
            return self._goes_on()
        until, self._stretch = self.until, min(self._stretch * 2, LONGEST)
        self._got += sum(number <= self._last for number in row)
        if not row:
            return self._nothing_new(until)
        if row[-1] >= self._last:
            return self._over("")
        self._asked_again = False
        if self._until is not None and min(one["event_time"] for one in new.values()) > self._until:
            return self._over(", and those it gives now are later than the gap's end")
        self.wanted, time = row[-1] + 1, new[row[-1]]["event_time"]
        if (self._known is None or time >= self._known) and (self._until is None or time <= self._until):
            self.time = time  # else it is no time of the gap, by which nothing is to be asked for
        self._known = self.time
        return self._goes_on()

    def _nothing_new(self, until: int | None) -> bool:
        """Go on with the stretch that follows; at the gap's end begin once more with the first that held nothing, after a while."""
        if until is not None and self._until is not None and until < self._until:
            self.time = until
            return self._goes_on()
        if self._asked_again:
            return self._over("")
        self._asked_again, self.time, self.wait = True, self._known, NOTHING_NEW_SECONDS
        return self._goes_on()

    def _goes_on(self) -> bool:
        return self.pages < MOST_PAGES or self._over(f" in {self.pages} replies, and no more are asked for")

    def _over(self, why: str) -> bool:
        if self._got < self._all:
            self.why = f"the venue gave {self._got} of {self._all} trades{why}"
        return False


def _in_a_row(found: Iterable[int]) -> range:
    """Return the lowest of some sequences and those that follow it one by one: behind a jump there may be no more than one absurd id."""
    ids = sorted(found)
    follows = takewhile(lambda pair: pair[0] == pair[1], zip(ids, count(ids[0]), strict=False)) if ids else ()
    return range(ids[0], ids[0] + sum(1 for _ in follows)) if ids else range(0)
