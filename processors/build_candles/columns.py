"""Trades read as columns: thousands at a time, with the same result as one by one.

All numbers are exact. A price and a size are counts of 10⁻¹⁸ in 128-bit integers, whose product may not fit; so a power
of ten that divides every size (and, where needed, every price) of the stretch is taken out first. Where that is not
enough the stretch is read as rows: polars would wrap around without a word.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import polars as pl

from processors.build_candles.bar import Bar
from processors.build_candles.intervals import SECOND
from processors.build_candles.sift import SeenOf, Sifted, Trade
from processors.engine.seen import Seen, Verdict

_ROOM = 2**127
_POWERS = (10**10, 10**5)
_UNIT = pl.Series([_POWERS[0]], dtype=pl.Int128)


class _Scaled(NamedTuple):
    values: pl.Series
    unit: int


def sift(
    frame: pl.DataFrame, offsets: Sequence[int], seen_of: SeenOf, marks: dict[str, int], *, buy: int, grace: int, ahead: int
) -> list[Sifted] | None:
    """Return what each venue's trades make, as `rows.sift` does; None where columns can't hold them exactly."""
    column = pl.col
    time = column("event_time").fill_null(column("received_at"))
    clock = pl.min_horizontal(time, column("received_at") + ahead)
    wide = frame.select_seq(
        "venue", "symbol", "trade_id", "sequence", "origin", "side",
        column("price").to_physical(),
        column("size").to_physical(),
        time=time,
        timed=column("event_time").is_not_null(),
        clock=clock,
        mark=clock.cum_max(),
        less=column("size").to_physical() // _UNIT,
    )  # fmt: skip
    exact = _exact(wide["price"], wide["size"], wide["less"])
    if exact is None:
        return None
    price, size = exact
    kept = [wide[name] for name in ("venue", "symbol", "trade_id", "sequence", "origin", "time", "timed", "clock", "mark")]
    whole = pl.DataFrame([
        *kept,
        price.values.alias("price"),
        size.values.alias("size"),
        (price.values * size.values).alias("quote"),
        (size.values * (wide["side"] == buy).cast(pl.Int128)).alias("bought"),
    ]).with_row_index("row")  # fmt: skip
    venues = [whole] if whole["venue"].n_unique() == 1 else _apart(whole)
    return [_Venue(part, offsets, marks, price.unit, size.unit, grace).sift(seen_of) for part in venues]


def _apart(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Return the trades of each venue, with a watermark of its own."""
    return [part.with_columns(mark=pl.col("clock").cum_max()) for part in frame.partition_by("venue", maintain_order=True)]


def _exact(price: pl.Series, size: pl.Series, less: pl.Series) -> tuple[_Scaled, _Scaled] | None:
    """Return prices and sizes in units that keep their products and sums within 128 bits; `less` is the size at 8 decimals."""
    highest = max(_magnitude(price), 1)
    sizes = _Scaled(less, _POWERS[0]) if (less * _UNIT == size).all() else _scaled(size)
    most = max(_magnitude(sizes.values), 1) * len(size)
    if highest * most < _ROOM:
        return _Scaled(price, 1), sizes
    prices = _scaled(price)
    return (prices, sizes) if max(_magnitude(prices.values), 1) * most < _ROOM else None


def _scaled(values: pl.Series) -> _Scaled:
    for power in _POWERS:
        unit = pl.Series([power], dtype=pl.Int128)
        less = values // unit
        if (less * unit == values).all():
            return _Scaled(less, power)
    return _Scaled(values, 1)


def _magnitude(values: pl.Series) -> int:
    return max(abs(_highest(values)), abs(_lowest(values)))


def _highest(values: pl.Series) -> int:
    return cast("int", values.max())  # integers without nulls, as everywhere here


def _lowest(values: pl.Series) -> int:
    return cast("int", values.min())


def _sum(values: pl.Series) -> int:
    return cast("int", values.sum())


class _Venue:
    """The trades of one venue in a stretch, as columns."""

    def __init__(self, frame: pl.DataFrame, offsets: Sequence[int], marks: dict[str, int], price: int, size: int, grace: int) -> None:
        self.name: str = frame["venue"][0]
        mark = frame["mark"]
        before = marks.get(self.name, -1)
        self.marks = mark if mark[0] >= before else mark.clip(lower_bound=before)
        self.rows = frame["row"]
        self.frame = frame if mark[0] >= before else frame.with_columns(self.marks.alias("mark"))
        self.late = _highest(self.marks - frame["time"]) > grace
        self.offsets = offsets
        self.price, self.size, self.grace = price, size, grace
        self.odd: list[Trade] = []
        self.forgotten: list[Trade] = []

    def crossed(self, time: int) -> int:
        """Return the offset of the first trade that moved the watermark to a time."""
        at = min(bisect_left(self.marks, time), len(self.marks) - 1)
        row: int = self.rows[at]
        return self.offsets[row]

    def sift(self, seen_of: SeenOf) -> Sifted:
        """Return what the venue's trades make."""
        bars: list[tuple[str, list[Bar]]] = []
        for part in self.frame.partition_by("symbol", maintain_order=True):
            symbol = part["symbol"][0]
            seen = seen_of(self.name, symbol)
            epoch = seen.epoch
            fresh, ordered = (part, True) if _in_order(part, seen) else self._one_by_one(part, seen)
            if self.late and len(fresh):
                late = fresh["mark"] - fresh["time"] > self.grace
                if late.any():
                    self._set_aside(fresh.filter(late), epoch)
                    fresh = fresh.filter(~late)
            if len(fresh):
                bars.append((symbol, list(self._bars(fresh if ordered else _sorted(fresh), epoch, ordered=ordered))))
        self.odd.sort(key=_offset)
        return Sifted(self.name, self.marks[-1], self.crossed, bars, self.odd, self.forgotten)

    def _one_by_one(self, part: pl.DataFrame, seen: Seen) -> tuple[pl.DataFrame, bool]:
        """Return the new trades of a symbol whose trades are not all new and in order; set those of another epoch aside."""
        epoch = seen.epoch
        keep: list[bool] = []
        for at, (sequence, text, time, timed) in enumerate(part.select("sequence", "trade_id", "time", "timed").iter_rows()):
            verdict, its = seen.take(sequence, text, time, timed=timed)
            keep.append(verdict is Verdict.NEW and its == epoch)
            if verdict is Verdict.FORGOTTEN:
                self.forgotten += self._trades(part[at : at + 1], its)
            elif verdict is Verdict.NEW and its != epoch:
                self._set_aside(part[at : at + 1], its)
        return part.filter(pl.Series(keep, dtype=pl.Boolean)), False

    def _set_aside(self, part: pl.DataFrame, epoch: int) -> None:
        self.odd += self._trades(part, epoch)

    def _trades(self, part: pl.DataFrame, epoch: int) -> Iterator[Trade]:
        fields = ("symbol", "time", "sequence", "trade_id", "price", "size", "bought", "origin", "row", "mark")
        for symbol, time, sequence, text, price, size, bought, origin, row, mark in part.select(fields).iter_rows():
            place = (time, -1 if sequence is None else sequence, text)
            yield Trade(symbol, place, price * self.price, size * self.size, bought != 0, origin, epoch, self.offsets[row], mark)

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
            newest: int = row[end - 1] if ordered else _highest(row.slice(begin, length))
            yield Bar(
                (opened, _number(sequence[begin]), text[begin]),
                (time[end - 1], _number(sequence[end - 1]), text[end - 1]),
                (price[begin] * unit, _highest(prices) * unit, _lowest(prices) * unit, price[end - 1] * unit),
                (
                    _sum(size.slice(begin, length)) * small,
                    _sum(quote.slice(begin, length)) * (unit * small),
                    _sum(bought.slice(begin, length)) * small,
                ),
                length,
                (_lowest(numbers), _highest(numbers)) if some else (-1, -1),
                epoch if some else -1,
                self.offsets[newest],
                _highest(origin.slice(begin, length)),
            )
            begin = end


def _offset(trade: Trade) -> int:
    return trade.offset


def _number(sequence: int | None) -> int:
    return -1 if sequence is None else sequence


def _sorted(part: pl.DataFrame) -> pl.DataFrame:
    return part.sort(pl.col("time"), pl.col("sequence").fill_null(-1), pl.col("trade_id"))


def _in_order(part: pl.DataFrame, seen: Seen) -> bool:
    """Say whether all trades of a symbol are new, numbered and in order; if so, remember them."""
    sequence, time = part["sequence"], part["time"]
    if sequence.null_count() or not time.is_sorted():
        return False
    first, last, count = sequence[0], sequence[-1], len(part)
    highest = seen.ranges.highest
    if highest is not None and first <= highest:
        return False
    if count == 1:
        seen.extend(first, last, time[-1])
        return True
    steps = sequence.slice(1) - sequence.slice(0, count - 1)
    if _lowest(steps) < 1:
        return False
    if last - first + 1 == count:
        seen.extend(first, last, time[-1])
        return True
    begin = first
    jumps = (steps > 1).arg_true()
    for at in jumps:
        seen.extend(begin, sequence[at], time[-1])
        begin = sequence[at + 1]
    seen.extend(begin, last, time[-1])
    return True
