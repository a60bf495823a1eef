"""Candles from the trades of one partition: a pure state that is given blocks and the time, and gives candles.

What is final never depends on when trades were read or how they were cut into blocks: a candle is final at the offset whose event
time moved the venue's watermark past its close and grace; each trade counted after that is one revision. What the clock says is a
presumption that leaves no trace (bar.py). Only provisional candles, and which of several versions in one block are published,
depend on the cut.

Crash safety. `changes` gives the entries of the state in the order in which they must be written: final candles, then heads, then
ids, then the partition's own entry, then what is deleted. Any prefix of that order can be restored from: an entry knows the offset it
was built up to, and skips what it holds; ids that a head counts and no slot holds are put there when their trades come again. The
stage must deliver the events of a block before it writes the changes that follow it, and commit offsets only after both: an event is
then repeated at most, and never lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from processors.build_candles import columns, rows
from processors.build_candles.bar import ORIGINS
from processors.build_candles.history import Key
from processors.build_candles.intervals import NAMES, PLACES
from processors.build_candles.settings import Settings
from processors.build_candles.sift import FIELDS, OUTSIDE, Rules, Sifted, Timeless, hour
from processors.build_candles.symbol import Symbol
from processors.engine.ids import Part
from processors.engine.seen import Seen
from schemas.block_reader import Block, Reader, Record, Rejected
from schemas.catalogue import Schema, event

FORMAT = 3
"""Of the state's entries; one that was written in another is Fatal, but for those of READ."""
READ = (2, FORMAT)
"""In 2, one epoch of numbers was kept besides the one that counts."""

SET_BACK = 1_000_000
"""Times of the clock may be this much out of order; one that is more has been set back (microseconds)."""


@dataclass(frozen=True, slots=True)
class Uncounted:
    """A trade that is missing from what is said of candles: its offset, of which intervals, and why."""

    offset: int
    intervals: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Built:
    """What a block made: candles to publish in order (records), trades that are not counted, and messages that are no trades."""

    candles: list[Record] = field(default_factory=list)
    uncounted: list[Uncounted] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skewed: dict[str, int] = field(default_factory=dict)
    """Venue → how many trades had a time too far ahead of their arrival."""


class Builder:
    """The candles of one partition of the trades topic."""

    def __init__(self, writer_of: Callable[[int], Schema], settings: Settings | None = None) -> None:
        """Begin with nothing. `writer_of` gives the schema registered under an id; LookupError where there is none."""
        self.settings = settings or Settings()
        self.applied = -1
        """The last offset applied."""
        self.marks: dict[str, int] = {}
        """Venue → watermark: its highest event time, in microseconds."""
        self._reader = reader(writer_of)
        place = {name: self._reader.symbols(name).index for name in ("side", "size_unit", "trade_kind")}
        self._rules = Rules(
            place["side"]("buy"),
            place["size_unit"]("base"),
            frozenset(map(place["trade_kind"], OUTSIDE)),
            self.settings.grace,
            self.settings.skew,
        )
        self._retention: Sequence[int] = [self.settings.retention[name] for name in NAMES]
        self._symbols: dict[tuple[str, str], Symbol] = {}
        self._heard: dict[str, int] = {}
        self._now = -1
        self._again_until = -1

    def apply(self, block: Block, now: int) -> Built:
        """Count a block of trades and return what that makes. `now` is the wall clock, in microseconds."""
        built = Built()
        self._mind(now)
        block = block.after(self.applied)
        if not block.offsets:
            return built
        again, block = block.cut(self._again_until)
        if again.offsets:
            self._apply_rows(again, built, now, again=True)
        if block.offsets:
            self._apply_block(block, built, now)
        for symbol in self._symbols.values():
            built.candles += symbol.publish(now, self.settings.every)
        return built

    def tick(self, now: int) -> list[Record]:
        """Return the candles which the passing of time publishes: open ones that are due, and those of a venue gone quiet.

        To be called when there is nothing left to read. Called before, it says that candles are final whose trades are still to
        come; they take that back.
        """
        made: list[Record] = []
        self._mind(now)
        idle, grace = self.settings.idle, self.settings.grace
        for symbol in self._symbols.values():
            if now - self._heard.setdefault(symbol.venue, now) >= idle:
                made += symbol.presume(now - grace - idle)
            made += symbol.publish(now, self.settings.every)
        return made

    def changes(self) -> list[tuple[str, bytes | None]]:
        """Return the entries of the state that changed since the last call, in the order to write them; None deletes."""
        written: list[tuple[str, bytes | None]] = []
        heads: list[tuple[str, bytes | None]] = []
        ids: list[tuple[str, bytes | None]] = []
        deleted: list[tuple[str, bytes | None]] = []
        for (venue, name), symbol in self._symbols.items():
            mark = self.marks.get(venue, -1)
            symbol.history.forget(hour(mark), self._retention)
            symbol.seen.forget(mark)
            written += [(self._chunk(venue, name, key), value) for key, value in symbol.history.written(self.applied)]
            if symbol.dirty or symbol.seen.changed:
                heads.append((f"head|{venue}|{name}", symbol.head(self.applied)))
            ids += [(_slot(venue, name, key), value) for key, value in symbol.seen.ids.written()]
            deleted += [(self._chunk(venue, name, key), None) for key in symbol.history.deleted()]
            deleted += [(_slot(venue, name, key), None) for key in symbol.seen.ids.deleted()]
        if not (written or heads or ids or deleted):
            return []
        own = msgspec.msgpack.encode([FORMAT, self.applied, self.marks])
        return [*written, *heads, *ids, ("partition", own), *deleted]

    def restore(self, entries: Mapping[str, bytes]) -> None:
        """Take the entries of this partition as `changes` gave them, into a builder that has nothing yet.

        Raises Outdated where they were written in another form.
        """
        own = entries.get("partition")
        if own is not None:
            written: list[Any] = msgspec.msgpack.decode(own)
            if len(written) != 3 or written[0] not in READ:
                raise Outdated(f"{written[0] if len(written) == 3 else 1}, not {FORMAT}")
            _, self.applied, self.marks = written
        prefix = "final|"
        for key, value in entries.items():
            if key.startswith(prefix):
                name, interval, begin = key[len(prefix) :].rsplit("|", 2)
                venue, _, name = name.partition("|")
                built = self._symbol(venue, name).history.restore((PLACES[interval], int(begin)), value)
                self._again_until = max(self._again_until, built)
        prefix = "head|"
        for key, value in entries.items():
            if key.startswith(prefix):
                venue, _, name = key[len(prefix) :].partition("|")
                symbol = self._symbol(venue, name)
                symbol.restore(value)
                self._again_until = max(self._again_until, symbol.applied)
        prefix = "ids|"
        slots: dict[tuple[str, str], dict[Part, bytes]] = {}
        for key, value in entries.items():
            if key.startswith(prefix):
                name, slot, part = key[len(prefix) :].rsplit("|", 2)
                venue, _, name = name.partition("|")
                slots.setdefault((venue, name), {})[int(slot), int(part)] = value
        for (venue, name), parts in slots.items():
            self._seen(venue, name).ids.restore(parts)

    def _mind(self, now: int) -> None:
        """Where the clock was set back, wait from now on, not from when it was."""
        if now < self._now - SET_BACK:
            self._heard = {venue: min(at, now) for venue, at in self._heard.items()}
            for symbol in self._symbols.values():
                symbol.set_back(now)
        self._now = now

    def _apply_block(self, block: Block, built: Built, now: int) -> None:
        for stretch, frame in self._reader.frames(block, self.settings.smallest):
            found = None
            if frame is not None:
                found = columns.sift(frame, stretch.offsets, self._seen, self.marks, self._rules)
            if found is None:
                self._apply_rows(stretch, built, now)
            elif isinstance(found, int):
                for part in stretch.cut(stretch.offsets[found] - 1):
                    self._apply_block(part, built, now)
            else:
                self._count(*found, built, now, again=False)
                self.applied = stretch.offsets[-1]

    def _apply_rows(self, block: Block, built: Built, now: int, *, again: bool = False) -> None:
        records, offsets, rejected = self._reader.rows(block)
        built.rejected += rejected
        skip = None
        if again:
            skip = [self._symbol(one["venue"], one["symbol"]).applied >= at for one, at in zip(records, offsets, strict=True)]
        begin = 0
        while begin < len(records):
            sifted, timeless, begin = rows.sift(records, offsets, begin, self._seen, self.marks, self._rules, skip)
            self._count(sifted, timeless, built, now, again=again)
        self.applied = block.offsets[-1]

    def _count(self, sifted: Sequence[Sifted], timeless: Sequence[Timeless], built: Built, now: int, *, again: bool) -> None:
        grace = self.settings.grace
        for offset, name, text in timeless:
            built.uncounted.append(
                Uncounted(offset, NAMES, f"{text} of {name} is of no time: before 1970, or more than a day after it came")
            )
        for venue, mark, crossed, bars, odd, forgotten, skewed in sifted:
            for name, seconds in bars:
                symbol = self._symbol(venue, name)
                symbol.merge(seconds)
                built.uncounted += _told(symbol)
            for trade in odd:
                symbol = self._symbol(venue, trade.symbol)
                made, too_late = symbol.take(trade, grace, self._retention, crossed, again=again)
                built.candles += made
                built.uncounted += _told(symbol)
                if too_late:
                    why = f"{trade.place[2]} of {trade.symbol} came after its candles had been given up"
                    built.uncounted.append(Uncounted(trade.offset, tuple(too_late), why))
            for offset, name, text in forgotten:
                why = f"{text} of {name} is older than what is remembered of its ids, so it may have been counted"
                built.uncounted.append(Uncounted(offset, NAMES, why))
            if skewed:
                built.skewed[venue] = built.skewed.get(venue, 0) + skewed
            self.marks[venue] = mark
            self._heard[venue] = now
            version = _after(crossed, grace)
            for symbol in self._symbols.values():
                if symbol.venue == venue:
                    if symbol.seen.touched:
                        symbol.settle(self._retention)
                    built.candles += symbol.finish(mark - grace, version)
                    if symbol.due:
                        built.candles += symbol.publish_due()

    def _symbol(self, venue: str, name: str) -> Symbol:
        found = self._symbols.get((venue, name))
        if found is None:
            found = self._symbols[venue, name] = Symbol(venue, name, self.settings.ids)
        return found

    def _seen(self, venue: str, name: str) -> Seen:
        return self._symbol(venue, name).seen

    def _chunk(self, venue: str, name: str, key: Key) -> str:
        return f"final|{venue}|{name}|{NAMES[key[0]]}|{key[1]}"


class Outdated(Exception):
    """The state was written in another form than this."""


def _told(symbol: Symbol) -> list[Uncounted]:
    """Say once of a symbol's candles that their sums can't be published."""
    if not symbol.too_large:
        return []
    intervals: dict[int, list[str]] = {}
    for offset, interval in symbol.too_large:
        intervals.setdefault(offset, []).append(interval)
    symbol.too_large.clear()
    what = "have a volume below zero or more than 38 digits of vwap, of which 18 are decimals"
    why = f"with it candles of {symbol.symbol} {what}: they are not published"
    return [Uncounted(offset, tuple(names), why) for offset, names in intervals.items()]


def _slot(venue: str, name: str, key: Part) -> str:
    return f"ids|{venue}|{name}|{key[0]}|{key[1]}"


def _after(crossed: Callable[[int], int], grace: int) -> Callable[[int], int]:
    return lambda end: crossed(end + grace)


@cache
def reader(writer_of: Callable[[int], Schema]) -> Reader:
    """Return a reader of trades, one for all partitions that look schemas up in the same way."""
    found = Reader(event("trade"), FIELDS, writer_of)
    if tuple(found.symbols("origin")) != ORIGINS:
        raise ValueError("the origins of a trade are not those candles count by")
    return found
