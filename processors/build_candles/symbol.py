"""The candles of one symbol: open ones at hand, final ones in the history, and which of them must be published."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from processors.build_candles.bar import Bar, one_trade
from processors.build_candles.history import History
from processors.build_candles.intervals import MINUTE, NAMES, SECOND, spans
from processors.build_candles.proof import prove
from processors.build_candles.sift import Trade, hour
from processors.engine.seen import Seen
from schemas.block_reader import Record

_NEVER = 2**62


class Symbol:
    """One symbol's state. An interval is named by its place in NAMES."""

    def __init__(self, venue: str, symbol: str, keep: int) -> None:
        """Begin with nothing. `keep`: see Seen."""
        self.venue = venue
        self.symbol = symbol
        self.seen = Seen(keep)
        self.applied = -1
        self.history = History()
        self._open: list[dict[int, Bar]] = [{} for _ in NAMES]
        self._next_end = _NEVER
        self._next_presumable = _NEVER
        self._changed: dict[tuple[int, int], Bar] = {}
        self.due: dict[tuple[int, int], Bar] = {}
        """Candles that are final and have changed: to be published with this stretch, before any checkpoint holds them."""
        self.too_large: list[tuple[int, str]] = []
        """Candles whose sums have grown beyond what can be published: the offset of the trade with which they had, and the interval."""
        self._heavy = False
        """An open candle's sums may grow so with trades that alone are small: none of these may wait, to be told with their own block."""
        self._longest_unshown = _NEVER
        self._pending: Bar | None = None
        """The newest minute's trades that are not yet in the candles of a minute and longer: most blocks bring a few trades."""
        self._added = -1
        self.dirty = False

    def merge(self, seconds: Sequence[Bar]) -> None:
        """Add trades, given as bars of one second each, to every interval."""
        self.dirty = True
        minutes: dict[int, Bar] = {}
        for bar in seconds:
            time = bar.first[0]
            start = time - time % SECOND
            self._put(0, start, start + SECOND, bar)
            minute = time - time % MINUTE
            mine = minutes.get(minute)
            if mine is None:
                minutes[minute] = bar.within(0, 0)
            else:
                mine.add(bar)
        for minute, bar in minutes.items():
            pending = self._pending
            if pending is not None and pending.start == minute:
                pending.add(bar)
                continue
            self._add_pending()
            bar.start = minute
            self._pending = bar
            self._next_end = min(self._next_end, minute + MINUTE)
            self._next_presumable = min(self._next_presumable, minute + MINUTE)
        if self._pending is not None and (self._heavy or not self._pending.light()):
            self._add_pending()

    def take(
        self, trade: Trade, grace: int, retention: Sequence[int], crossed: Callable[[int], int], *, again: bool = False
    ) -> tuple[list[Record], list[str]]:
        """Add one trade which may be late; return finals it made at once, and the intervals for which it is too late.

        `again` says that some of its candles may hold it already: those built up to its offset are left alone.
        """
        self.dirty = True
        self._add_pending()
        made: list[Record] = []
        too_late: list[str] = []
        time = trade.place[0]
        one = one_trade(trade.place, trade.price, trade.amounts, trade.bought, trade.epoch, trade.offset, trade.origin)
        second = time - time % SECOND
        for place, (start, end) in enumerate(((second, second + SECOND), *spans(time - time % MINUTE))):
            bar = self._find(place, start)
            if bar is not None and again and bar.version >= trade.offset:
                continue
            if trade.mark < end + grace:
                self._put(place, start, end, one)
            elif end + retention[place] <= hour(trade.mark):
                too_late.append(NAMES[place])
            elif bar is None:
                bar = one.within(start, end)
                made += self._finish(place, bar, trade.offset)
                self._weigh(place, bar, trade.offset, fitted=True)
            else:
                if not bar.final:
                    made += self._finish(place, bar, crossed(end + grace))
                fitted = bar.fits()
                bar.add(one)
                self._weigh(place, bar, trade.offset, fitted=fitted)
                bar.revision += 1
                self._put_back(place, bar)
        return made, too_late

    def settle(self, retention: Sequence[int]) -> None:
        """Move the candles of which the block's trades have changed what is proven (proof.py), and that do not hold these trades."""
        touched, self.seen.touched = self.seen.touched, []
        for time, by, offset, mark in touched:
            minute, second = time - time % MINUTE, time - time % SECOND
            self._touch(0, second, second + SECOND, by, offset, mark, retention[0])
            if by is not None and by - by % MINUTE == minute:
                continue
            if self._pending is not None and self._pending.start == minute:
                self._add_pending()
            for place, (start, end) in enumerate(spans(minute), 1):
                self._touch(place, start, end, by, offset, mark, retention[place])

    def _touch(self, place: int, start: int, end: int, by: int | None, offset: int, mark: int, retention: int) -> None:
        if (by is not None and start <= by < end) or end + retention <= hour(mark):
            return
        bar = self._find(place, start)
        if bar is None or bar.version >= offset:
            return
        bar.version = offset
        self.dirty = True
        if bar.final:
            self._put_back(place, bar)
        elif bar.presumed:
            self.due[place, start] = bar

    def finish(self, reached: int, version: Callable[[int], int]) -> list[Record]:
        """Make every candle final that closed at or before a time; `version` gives it from the candle's close."""
        if self._next_end > reached:
            return []
        self._add_pending()
        made: list[Record] = []
        self._next_end = _NEVER
        for place, bars in enumerate(self._open):
            closed = [bar for bar in bars.values() if bar.end <= reached]
            for bar in closed:
                made += self._finish(place, bar, version(bar.end))
            self._next_end = min(self._next_end, min((bar.end for bar in bars.values()), default=_NEVER))
        self.dirty = True
        return made

    def presume(self, reached: int) -> list[Record]:
        """Make every open candle that closed at or before a time final by the clock, until one of its trades comes."""
        if self._next_presumable > reached:
            return []
        self._add_pending()
        made: list[Record] = []
        self._next_presumable = _NEVER
        for place, bars in enumerate(self._open):
            for bar in bars.values():
                if bar.end > reached:
                    self._next_presumable = min(self._next_presumable, bar.end)
                elif not bar.presumed:
                    bar.presumed = True
                    self._changed.pop((place, bar.start), None)
                    made += self._records(place, bar)
        return made

    def publish_due(self) -> list[Record]:
        """Return the final candles that changed."""
        made = [record for (place, _), bar in self.due.items() for record in self._records(place, bar)]
        self.due.clear()
        return made

    def publish(self, now: int, every: int) -> list[Record]:
        """Return the open candles that changed and were not published in the last `every`."""
        made: list[Record] = []
        if self._pending is not None and self._added + every <= now:
            self._add_pending()
            self._added = now
        if self._longest_unshown + every > now:
            return made
        self._longest_unshown = _NEVER
        for key, bar in list(self._changed.items()):
            if bar.shown + every <= now:
                bar.shown = now
                del self._changed[key]
                made += self._records(key[0], bar)
            else:
                self._longest_unshown = min(self._longest_unshown, bar.shown)
        return made

    def set_back(self, now: int) -> None:
        """Take that the clock was set back: nothing was published later than now, or it would wait until the clock is there again."""
        self._added, self._longest_unshown = min(self._added, now), min(self._longest_unshown, now)
        for bars in self._open:
            for bar in bars.values():
                bar.shown = min(bar.shown, now)

    def head(self, applied: int) -> bytes:
        """Return all but the final candles, as bytes, built up to an offset."""
        self._add_pending()
        self.applied = applied
        self.dirty = self.seen.changed = False
        bars = [[bar.dump() for bar in bars.values()] for bars in self._open]
        return msgspec.msgpack.encode([applied, self.seen.dump(), bars])

    def restore(self, head: bytes) -> None:
        """Take what `head` wrote; the history must be restored before."""
        state: list[Any] = msgspec.msgpack.decode(head)
        self.applied = state[0]
        self.seen.load(state[1])
        for place, bars in enumerate(state[2]):
            for bar in map(Bar.load, bars):
                if self.history.find(place, bar.start) is None:  # else it became final after this head was written
                    self._open[place][bar.start] = bar
                    self._heavy = self._heavy or not bar.light()
                    self._next_end = min(self._next_end, bar.end)
                    self._next_presumable = min(self._next_presumable, bar.end)

    def _add_pending(self) -> None:
        bar = self._pending
        if bar is not None:
            self._pending = None
            for place, (start, end) in enumerate(spans(bar.start), 1):
                self._put(place, start, end, bar)

    def _find(self, place: int, start: int) -> Bar | None:
        return self._open[place].get(start) or self.history.find(place, start)

    def _put(self, place: int, start: int, end: int, more: Bar) -> None:
        bar = self._open[place].get(start)
        fitted = bar is None or not self._heavy or bar.fits()
        if bar is None:
            bar = self._open[place][start] = more.within(start, end)
            self._next_end = min(self._next_end, end)
        else:
            bar.add(more)
            bar.presumed = False
        if not bar.light():
            self._heavy = True
            self._weigh(place, bar, more.version, fitted=fitted)
        self._next_presumable = min(self._next_presumable, end)
        self._changed[place, start] = bar
        self._longest_unshown = min(self._longest_unshown, bar.shown)

    def _weigh(self, place: int, bar: Bar, offset: int, *, fitted: bool) -> None:
        if fitted and not bar.fits():
            self.too_large.append((offset, NAMES[place]))

    def _finish(self, place: int, bar: Bar, version: int) -> list[Record]:
        bar.final = True
        bar.version = max(bar.version, version)
        self._open[place].pop(bar.start, None)
        self._changed.pop((place, bar.start), None)
        self.due.pop((place, bar.start), None)
        self.history.put(place, bar)
        return self._records(place, bar)

    def _put_back(self, place: int, bar: Bar) -> None:
        self.history.put(place, bar)
        self.due[place, bar.start] = bar

    def _records(self, place: int, bar: Bar) -> list[Record]:
        """Return what is to be published of a candle: one record, or none where its sums fit in none."""
        return [bar.record(self.venue, self.symbol, NAMES[place], prove(bar, self.seen))] if bar.fits() else []
