"""The deltas of many messages as columns, those of each book one behind the other, and where they go on from each other. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import polars as pl

from dialects.continuity import Run
from dialects.judge import SKEW
from processors.rebuild_books.contents import Changes
from schemas.catalogue import event

_HEADER = (
    *("venue", "symbol", "origin", "connection_id", "connection_sequence", "received_at", "frame_index", "frames_lost", "venue_lost"),
    "event_time",
)
_LEVELS = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
FIELDS = (*_HEADER, *_LEVELS, "is_snapshot", "first_sequence", "last_sequence", "previous_sequence", "checksum")
"""The fields of a book_delta that a block is made of; `previous_sequence` only so that a number beyond all bounds is noticed."""
COARSE = 10**10
"""Numbers of at most eight decimals, as nearly all are, are counted in these, which 64 bits hold."""
_ORIGINS: Sequence[str] = next(field["type"]["symbols"] for field in event("book_delta").fields if field["name"] == "origin")


class Block:
    """Deltas in rows, those of a book one behind the other in the order of their messages."""

    def __init__(self, frame: pl.DataFrame) -> None:
        """Take columns of FIELDS as `Messages.frame` gives them, a row a message."""
        wide = frame.with_row_index("message").sort("venue", "symbol", maintain_order=True)
        links = wide.select(_links())
        self.messages: list[int] = wide["message"].to_list()
        """The place of each row's message in the batch."""
        self.plain: list[bool] = links["plain"].to_list()
        """Whether a delta is a change, of which nothing must be looked at alone."""
        self._header: dict[str, list[Any]] = {name: wide[name].to_list() for name in _HEADER}
        self._header["origin"] = [_ORIGINS[place] for place in self._header["origin"]]
        self.received_at: list[int] = self._header["received_at"]
        self._first: list[int | None] = wide["first_sequence"].to_list()
        self._last: list[int | None] = wide["last_sequence"].to_list()
        self._breaks: dict[str, list[int]] = {
            name: [*links[name].not_().arg_true().to_list(), len(wide)] for name in ("same", "by_ids", "by_connection")
        }
        self._levels = [_Decimals(wide[name]) for name in _LEVELS]

    def books(self) -> Iterator[tuple[int, int]]:
        """Yield the rows of each book: the first, and the one behind the last."""
        starts = self._breaks["same"]
        yield from pairwise(starts)

    def name(self, row: int) -> tuple[str, str]:
        """Return venue and symbol."""
        return self._header["venue"][row], self._header["symbol"][row]

    def end(self, row: int, *, by_ids: bool) -> int:
        """Return the row behind the last that goes on from a row without a break: by its ids, or as its connection brings it."""
        breaks = self._breaks["by_ids" if by_ids else "by_connection"]
        return breaks[bisect_right(breaks, row)]

    def run(self, begin: int, end: int) -> Run | None:
        """Return what rows that go on from each other by their ids say together; None where the first has none that it could."""
        header, last = self._header, end - 1
        first, its, final, oldest = self._first[begin], self._last[begin], self._last[last], header["event_time"][begin]
        if first is None or its is None or final is None or its < first:
            return None
        if oldest is not None and oldest > self.received_at[begin] + SKEW:
            return None
        time = header["event_time"][last]
        lost, venue_lost = header["frames_lost"][last], header["venue_lost"][last]
        at, until = self.received_at[begin], self.received_at[last]
        return Run(first, final, header["connection_id"][begin], at, until, oldest, time, time, lost, venue_lost)

    def header(self, row: int) -> dict[str, Any]:
        """Return what an event that follows from a delta has of it."""
        return {name: column[row] for name, column in self._header.items()}

    def last(self, row: int) -> int | None:
        """Return the last update id that a delta covers."""
        return self._last[row]

    def changes(self, begin: int, end: int) -> tuple[Changes, Changes]:
        """Return what rows change in turn, of bids and of asks; as counts of 10⁻¹⁸."""
        bids, bid_sizes, asks, ask_sizes = (levels.of(begin, end) for levels in self._levels)
        return (bids, bid_sizes), (asks, ask_sizes)

    def most_levels(self, begin: int, end: int) -> int:
        """Return how many levels rows change at most."""
        return self._levels[0].count(begin, end) + self._levels[2].count(begin, end)


class _Decimals:
    """The decimals of a column of lists, one list behind the other."""

    def __init__(self, column: pl.Series) -> None:
        lengths = column.list.len()
        self._starts: list[int] = [0, *lengths.cum_sum().to_list()]
        counts = column.filter(lengths > 0).explode().to_physical()
        coarse = counts // _COARSE
        if (coarse * _COARSE == counts).all() and (small := coarse.cast(pl.Int64, strict=False)).null_count() == 0:
            self._counts = [count * COARSE for count in small.to_list()]
        else:
            self._counts = counts.to_list()

    def of(self, begin: int, end: int) -> list[int]:
        return self._counts[self._starts[begin] : self._starts[end]]

    def count(self, begin: int, end: int) -> int:
        return self._starts[end] - self._starts[begin]


_COARSE = pl.Series([COARSE], dtype=pl.Int128)


@cache
def _links() -> list[pl.Expr]:
    """Return what is asked of each row: whether it is plain, and whether it goes on from the one before it."""

    def before(name: str) -> pl.Expr:
        return pl.col(name).shift(1)

    def unchanged(*names: str) -> pl.Expr:
        return pl.all_horizontal((pl.col(name) == before(name)).fill_null(value=False) for name in names)

    time, at, number = pl.col("event_time"), pl.col("received_at"), pl.col("connection_sequence")
    first, last = pl.col("first_sequence"), pl.col("last_sequence")
    whole = [pl.col(f"{side}_prices").list.len() == pl.col(f"{side}_sizes").list.len() for side in ("bid", "ask")]
    plain = pl.all_horizontal(~pl.col("is_snapshot"), pl.col("checksum").is_null(), *whole)
    steady = unchanged("venue", "symbol", "connection_id") & plain & plain.shift(1) & (at >= at.shift(1))
    in_time = pl.when(time.is_null()).then(time.shift(1).is_null()).otherwise((time >= time.shift(1)) & (time <= at + SKEW))
    by_ids = steady & (first - 1 == last.shift(1)) & (last >= first) & in_time
    frame_after = (number > number.shift(1)) | (unchanged("connection_sequence") & (pl.col("frame_index") > before("frame_index")))
    by_connection = steady & unchanged("frames_lost", "venue_lost") & frame_after
    return [
        plain.alias("plain"),
        unchanged("venue", "symbol").alias("same"),
        by_ids.fill_null(value=False).alias("by_ids"),
        by_connection.fill_null(value=False).alias("by_connection"),
    ]
