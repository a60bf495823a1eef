"""Trades read one by one: for short blocks, for those columns can't hold exactly, and after a crash."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

from processors.build_candles.bar import Bar, one_trade
from processors.build_candles.intervals import SECOND
from processors.build_candles.sift import SeenOf, Sifted, Trade
from schemas.block_reader import Record
from processors.engine.seen import Verdict


class _Venue:
    """What is found of one venue while its rows pass."""

    __slots__ = ("bars", "forgotten", "mark", "marks", "odd", "offsets")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.marks: list[int] = []
        self.offsets: list[int] = []
        self.bars: dict[str, dict[int, Bar]] = {}
        self.odd: list[Trade] = []
        self.forgotten: list[Trade] = []


def crossing(marks: Sequence[int], offsets: Sequence[int], time: int) -> int:
    """Return the offset of the first trade that moved the watermark to a time; `marks` ascend."""
    return offsets[min(bisect_left(marks, time), len(offsets) - 1)]


def sift(
    records: Sequence[Record], offsets: Sequence[int], seen_of: SeenOf, marks: dict[str, int], *,
    buy: int, grace: int, ahead: int, one_by_one: Sequence[bool] | None = None,
) -> list[Sifted]:  # fmt: skip
    """Return what each venue's trades make. `marks` are the watermarks before; `buy` is the side that took the offer.

    `one_by_one` marks nothing, or for each record whether it must be skipped; then all others are taken by themselves.
    """
    venues: dict[str, _Venue] = {}
    for at, record in enumerate(records):
        name, symbol, offset = record["venue"], record["symbol"], offsets[at]
        venue = venues.get(name)
        if venue is None:
            venue = venues[name] = _Venue(marks.get(name, -1))
        time, received_at = record["event_time"], record["received_at"]
        timed = time is not None
        if not timed:
            time = received_at
        clock = min(time, received_at + ahead)
        venue.mark = max(venue.mark, clock)
        mark = venue.mark
        venue.marks.append(mark)
        venue.offsets.append(offset)
        if one_by_one is not None and one_by_one[at]:
            continue
        sequence, text = record["sequence"], record["trade_id"]
        seen = seen_of(name, symbol)
        verdict, epoch = seen.take(sequence, text, time, timed=timed)
        if verdict is Verdict.DUPLICATE:
            continue
        place = (time, -1 if sequence is None else sequence, text)
        price, size, bought, origin = record["price"], record["size"], record["side"] == buy, record["origin"]
        if verdict is Verdict.FORGOTTEN:
            venue.forgotten.append(Trade(symbol, place, price, size, bought, origin, epoch, offset, mark))
        elif one_by_one is not None or mark - time > grace:
            venue.odd.append(Trade(symbol, place, price, size, bought, origin, epoch, offset, mark))
        else:
            bar = one_trade(place, price, size, bought, epoch, offset, origin)
            seconds = venue.bars.setdefault(symbol, {})
            mine = seconds.setdefault(time - time % SECOND, bar)
            if mine is not bar:
                mine.add(bar)
    return [
        Sifted(name, venue.mark, partial(crossing, venue.marks, venue.offsets),
               [(symbol, list(seconds.values())) for symbol, seconds in venue.bars.items()], venue.odd, venue.forgotten)
        for name, venue in venues.items()
    ]  # fmt: skip
