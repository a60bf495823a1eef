"""Trades read as columns: thousands at a time, with the same result as one by one."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import repeat

import polars as pl

from processors.build_candles.amounts import LESS, Part, exactly, highest, lowest, total
from processors.build_candles.bar import UNIT, Amounts, Bar
from processors.build_candles.intervals import HOUR, SECOND
from processors.build_candles.sift import EARLIEST, FUTURE, LATEST, Rules, SeenOf, Sifted, Timeless, Trade, another_hour, hour
from processors.engine.seen import Seen, Touch, Verdict


def sift(
    frame: pl.DataFrame, offsets: Sequence[int], seen_of: SeenOf, marks: dict[str, int], rules: Rules
) -> tuple[list[Sifted], list[Timeless]] | int | None:
    """Return what each venue's trades make, as `rows.sift` does; None where columns can't hold them exactly.

    Where a venue's watermark moves into another hour, a row before which the stretch must be cut (sift.hour).
    """
    wide = frame.select_seq(_expressions(rules.skew))
    timeless: list[Timeless] = []
    one = bool((wide["venue"] == wide["venue"][0]).all())
    if not wide["sound"].all():
        others = wide.filter(~wide["sound"]).select("row", "symbol", "trade_id").iter_rows()
        timeless = [Timeless(offsets[row], symbol, text) for row, symbol, text in others]
        wide, one = wide.filter(wide["sound"]), False
    venues = [wide] if one else wide.partition_by("venue", maintain_order=True)
    exact = [exactly(part, part["mark"] if one else part["clock"].cum_max(), rules) for part in venues]
    ready = [part for part in exact if part is not None]
    if len(ready) < len(exact):
        return None
    found = [_Venue(part, offsets, marks, rules) for part in ready]
    later = [row for venue in found if (row := venue.another_hour()) is not None]
    return min(later) if later else ([venue.sift(seen_of) for venue in found], timeless)


@cache
def _expressions(skew: int) -> list[pl.Expr]:
    """Return what is asked of each trade; `skew` as in Rules."""
    received_at = pl.col("received_at")
    time = pl.col("event_time").fill_null(received_at)
    supported = time <= received_at + skew
    clock = pl.when(supported).then(time).otherwise(received_at)
    sound = (time >= EARLIEST) & (received_at <= LATEST) & (time <= received_at + FUTURE)
    named = ("venue", "symbol", "trade_id", "origin", "side", "size_unit", "size_base", "size_quote", "trade_kind")
    return [
        pl.int_range(pl.len()).alias("row"),
        *map(pl.col, named),
        pl.when(pl.col("sequence") >= 0).then(pl.col("sequence")).alias("sequence"),
        pl.col("price").to_physical(),
        pl.col("size").to_physical(),
        LESS,
        time.alias("time"),
        (pl.col("event_time").is_not_null() & supported).alias("timed"),
        clock.alias("clock"),
        clock.cum_max().alias("mark"),
        sound.alias("sound"),
        (~supported).alias("skewed"),
    ]


class _Venue:
    """The trades of one venue in a stretch, as columns."""

    def __init__(self, part: Part, offsets: Sequence[int], marks: dict[str, int], rules: Rules) -> None:
        frame = part.frame
        self.name = part.venue
        mark = frame["mark"]
        self.before = before = marks.get(self.name, -1)
        self.marks = mark if mark[0] >= before else mark.clip(lower_bound=before)
        self.rows = frame["row"]
        self.frame = frame if mark[0] >= before else frame.with_columns(self.marks.alias("mark"))
        self.late = highest(self.marks - frame["time"]) > rules.grace
        self.skewed = part.skewed
        self.outside, self.other_units = "outside" in frame.columns, "moved" in frame.columns
        self.offsets = offsets
        self.price, self.size, self.grace = part.price, part.size, rules.grace
        self.odd: list[Trade] = []
        self.forgotten: list[tuple[int, str, str]] = []

    def another_hour(self) -> int | None:
        """Return the row before which the watermark moves into another hour, or behind the first where that does; None where none does."""
        begin = hour(self.marks[0])
        if len(self.marks) > 1 and another_hour(self.before, begin):
            at = 1
        elif hour(self.marks[-1]) != begin:
            at = bisect_left(self.marks, begin + HOUR)
        else:
            return None
        row: int = self.rows[at]
        return row

    def crossed(self, time: int) -> int:
        """Return the offset of the first trade that moved the watermark to a time."""
        at = min(bisect_left(self.marks, time), len(self.marks) - 1)
        row: int = self.rows[at]
        return self.offsets[row]

    def sift(self, seen_of: SeenOf) -> Sifted:
        """Return what the venue's trades make."""
        bars: list[tuple[str, list[Bar]]] = []
        symbols = self.frame["symbol"]
        alone = (symbols == symbols[0]).all()  # cheaper to find than to take a frame apart that is one part
        for part in [self.frame] if alone else self.frame.partition_by("symbol", maintain_order=True):
            symbol = part["symbol"][0]
            seen = seen_of(self.name, symbol)
            epoch = seen.epoch
            ordered = not (self.outside and part["outside"].any()) and self._in_order(part, seen)
            fresh = part if ordered else self._one_by_one(part, seen)
            if self.late and len(fresh):
                late = fresh["mark"] - fresh["time"] > self.grace
                if late.any():
                    self._set_aside(fresh.filter(late), epoch)
                    fresh = fresh.filter(~late)
            if len(fresh):
                bars.append((symbol, list(self._bars(fresh if ordered else _sorted(fresh), epoch, ordered=ordered))))
        self.odd.sort(key=_offset)
        return Sifted(self.name, self.marks[-1], self.crossed, bars, self.odd, self.forgotten, self.skewed)

    def _one_by_one(self, part: pl.DataFrame, seen: Seen) -> pl.DataFrame:
        """Return the new trades of a symbol whose trades are not all new and in order; set those of another epoch aside."""
        epoch, offsets = seen.epoch, self.offsets
        keep: list[bool] = []
        outside = part["outside"].to_list() if self.outside else repeat(False)
        names = ("sequence", "trade_id", "time", "clock", "timed", "row", "mark")
        columns = [part[name].to_list() for name in names]
        for at, (sequence, text, time, clock, timed, row, mark, out) in enumerate(zip(*columns, outside, strict=False)):
            verdict, its = seen.take(sequence, text, time, clock, timed=timed, offset=offsets[row], mark=mark, spans=not out)
            keep.append(verdict is Verdict.NEW and its == epoch and not out)
            if verdict is Verdict.FORGOTTEN:
                self.forgotten.append((offsets[row], part["symbol"][0], text))
            elif verdict is Verdict.NEW and its != epoch and not out:
                self._set_aside(part[at : at + 1], its)
        return part if all(keep) else part.filter(pl.Series(keep, dtype=pl.Boolean))

    def _in_order(self, part: pl.DataFrame, seen: Seen) -> bool:
        """Say whether all trades of a symbol are new, numbered and in order; if so, remember them."""
        sequence, time = part["sequence"], part["time"]
        if sequence.null_count() or not time.is_sorted():
            return False
        first, last, count = sequence[0], sequence[-1], len(part)
        known = seen.runs.highest
        if known is not None and first <= known:
            return False
        steps = sequence.slice(1) - sequence.slice(0, count - 1)
        if count > 1 and lowest(steps) < 1:
            return False
        if seen.past and not seen.in_order(first, highest(steps) if count > 1 else 1, time[0], timed=bool(part["timed"].all())):
            return False
        opened, closed = time[0], time[-1]
        clock = highest(part["clock"]) if self.skewed else closed
        if last - first + 1 == count:
            self._extend(part, 0, seen, (first, last, opened, closed), clock)
        else:
            jumps = [*(steps > 1).arg_true(), count - 1]
            for begin, end in zip([0, *(at + 1 for at in jumps)], jumps, strict=False):
                self._extend(part, begin, seen, (sequence[begin], sequence[end], time[begin], time[end]), clock)
        if opened // SECOND != closed // SECOND:
            self._touch(part, time, seen)
        return True

    def _extend(self, part: pl.DataFrame, begin: int, seen: Seen, ends: tuple[int, int, int, int], clock: int) -> None:
        for other in seen.extend(*ends, clock):
            if other // SECOND != ends[2] // SECOND:
                seen.touched.append(Touch(other, ends[2], self.offsets[part["row"][begin]], part["mark"][begin]))

    def _touch(self, part: pl.DataFrame, time: pl.Series, seen: Seen) -> None:
        """Tell whom trades in order touch: each first one of a second, the one before it."""
        count, newest = len(part), time[-1]
        second = time[0] // SECOND
        while second != newest // SECOND:
            at = bisect_left(time, (second + 1) * SECOND, 0, count)
            its = time[at]
            second = its // SECOND
            seen.touched.append(Touch(time[at - 1], its, self.offsets[part["row"][at]], part["mark"][at]))

    def _set_aside(self, part: pl.DataFrame, epoch: int) -> None:
        self.odd += self._trades(part, epoch)

    def _trades(self, part: pl.DataFrame, epoch: int) -> Iterator[Trade]:
        fields = ("symbol", "time", "sequence", "trade_id", "price", "size", "quote", "bought", "origin", "row", "mark")
        others = part.select("moved", "moved_bought", "paid", "known").rows() if self.other_units else [(0, 0, 0, True)] * len(part)
        for (symbol, time, sequence, text, price, size, quote, bought, origin, row, mark), (moved, other_bought, paid, known) in zip(
            part.select(fields).iter_rows(), others, strict=True
        ):
            amounts = Amounts(size * self.size + moved, quote * (self.price * self.size) + paid * UNIT) if known else None
            place = (time, -1 if sequence is None else sequence, text)
            yield Trade(
                symbol, place, price * self.price, amounts, bought != 0 or other_bought != 0, origin, epoch, self.offsets[row], mark
            )  # fmt: skip

    def _bars(self, part: pl.DataFrame, epoch: int, *, ordered: bool) -> Iterator[Bar]:
        """Yield the trades of one symbol, in order of time and sequence, as bars of one second."""
        time, sequence, text, row = part["time"], part["sequence"], part["trade_id"], part["row"]
        price, size, quote, bought, origin = part["price"], part["size"], part["quote"], part["bought"], part["origin"]
        numbered = sequence.null_count() == 0
        unit, small = self.price, self.size
        begin, count = 0, len(part)
        while begin < count:
            opened: int = time[begin]
            second_end = opened - opened % SECOND + SECOND
            end = count if time[-1] < second_end else bisect_left(time, second_end, begin, count)
            length = end - begin
            prices, numbers = price.slice(begin, length), sequence.slice(begin, length)
            some = numbered or numbers.null_count() == 0
            newest: int = row[end - 1] if ordered else highest(row.slice(begin, length))
            bar = Bar(
                (opened, _number(sequence[begin]), text[begin]),
                (time[end - 1], _number(sequence[end - 1]), text[end - 1]),
                (price[begin] * unit, highest(prices) * unit, lowest(prices) * unit, price[end - 1] * unit),
                (
                    total(size.slice(begin, length)) * small,
                    total(quote.slice(begin, length)) * (unit * small),
                    total(bought.slice(begin, length)) * small,
                ),
                length,
                (lowest(numbers), highest(numbers)) if some else (-1, -1),
                epoch if some else -1,
                self.offsets[newest],
                highest(origin.slice(begin, length)),
            )
            if self.other_units:
                bar.volume += total(part["moved"].slice(begin, length))
                bar.quote += total(part["paid"].slice(begin, length)) * UNIT
                bar.bought += total(part["moved_bought"].slice(begin, length))
                if not part["known"].slice(begin, length).all():
                    bar.epoch = -1
            yield bar
            begin = end


def _offset(trade: Trade) -> int:
    return trade.offset


def _number(sequence: int | None) -> int:
    return -1 if sequence is None else sequence


def _sorted(part: pl.DataFrame) -> pl.DataFrame:
    return part.sort(pl.col("time"), pl.col("sequence").fill_null(-1), pl.col("trade_id"))
