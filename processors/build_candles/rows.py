"""Trades read one by one: for short blocks, for those columns can't hold exactly, and after a crash."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

from processors.build_candles.amounts import amounts
from processors.build_candles.bar import Bar, one_trade
from processors.build_candles.intervals import SECOND
from processors.build_candles.sift import EARLIEST, FUTURE, LATEST, Rules, SeenOf, Sifted, Timeless, Trade, another_hour
from processors.engine.seen import Verdict
from schemas.block_reader import Record


class _Venue:
    """What is found of one venue while its rows pass."""

    __slots__ = ("alone", "bars", "forgotten", "mark", "marks", "odd", "offsets", "skewed")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.alone = False
        """Its first trade moved the watermark into another hour."""
        self.marks: list[int] = []
        self.offsets: list[int] = []
        self.bars: dict[str, dict[int, Bar]] = {}
        self.odd: list[Trade] = []
        self.forgotten: list[tuple[int, str, str]] = []
        self.skewed = 0


def crossing(marks: Sequence[int], offsets: Sequence[int], time: int) -> int:
    """Return the offset of the first trade that moved the watermark to a time; `marks` ascend."""
    return offsets[min(bisect_left(marks, time), len(offsets) - 1)]


def sift(
    records: Sequence[Record], offsets: Sequence[int], begin: int, seen_of: SeenOf, marks: dict[str, int], rules: Rules,
    one_by_one: Sequence[bool] | None = None,
) -> tuple[list[Sifted], list[Timeless], int]:  # fmt: skip
    """Return what each venue's trades make from the place `begin`, those whose time cannot be, and up to which place (exclusive).

    `marks` are the watermarks before; before and behind the trade that moves a venue's into another hour, a stretch ends (sift.hour).
    `one_by_one` marks nothing, or for each record whether it is counted already; then all others are taken by themselves.
    """
    venues: dict[str, _Venue] = {}
    timeless: list[Timeless] = []
    buy, base, kinds_outside, grace, skew = rules
    end = len(records)
    for at in range(begin, end):
        record = records[at]
        name, symbol, offset, text = record["venue"], record["symbol"], offsets[at], record["trade_id"]
        time, received_at = record["event_time"], record["received_at"]
        timed = time is not None
        if not timed:
            time = received_at
        if time < EARLIEST or received_at > LATEST or time > received_at + FUTURE:
            timeless.append(Timeless(offset, symbol, text))
            continue
        venue = venues.get(name)
        if venue is None:
            venue = venues[name] = _Venue(marks.get(name, -1))
        supported = time <= received_at + skew
        clock = time if supported else received_at
        mark = max(venue.mark, clock)
        another = another_hour(venue.mark, mark)
        if venue.marks and (another or venue.alone):
            end = at
            break
        venue.alone = another
        venue.mark = mark
        if not supported:
            timed = False
            venue.skewed += 1
        venue.marks.append(mark)
        venue.offsets.append(offset)
        sequence, seen = record["sequence"], seen_of(name, symbol)
        if sequence is not None and sequence < 0:
            sequence = None
        if one_by_one is not None and one_by_one[at]:
            seen.remember(sequence, text, time, clock, timed=timed, mark=mark)
            continue
        outside = record["trade_kind"] in kinds_outside
        verdict, epoch = seen.take(sequence, text, time, clock, timed=timed, offset=offset, mark=mark, spans=not outside)
        if verdict is Verdict.FORGOTTEN:
            venue.forgotten.append((offset, symbol, text))
        if verdict is not Verdict.NEW or outside:
            continue
        place = (time, -1 if sequence is None else sequence, text)
        moved, bought, price, origin = amounts(record, base), record["side"] == buy, record["price"], record["origin"]
        if one_by_one is not None or mark - time > grace:
            venue.odd.append(Trade(symbol, place, price, moved, bought, origin, epoch, offset, mark))
        else:
            bar = one_trade(place, price, moved, bought, epoch, offset, origin)
            seconds = venue.bars.setdefault(symbol, {})
            mine = seconds.setdefault(time - time % SECOND, bar)
            if mine is not bar:
                mine.add(bar)
    return [
        Sifted(name, venue.mark, partial(crossing, venue.marks, venue.offsets),
               [(symbol, list(seconds.values())) for symbol, seconds in venue.bars.items()], venue.odd, venue.forgotten, venue.skewed)
        for name, venue in venues.items()
    ], timeless, end  # fmt: skip
