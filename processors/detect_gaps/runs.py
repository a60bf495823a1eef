"""Stretches of a block in which streams go on as they should, found by column: most of all that ever comes. Pure."""

from collections.abc import Callable, Sequence
from functools import cache

import polars as pl

from dialects.continuity import Run
from dialects.judge import SKEW

Take = Callable[[tuple[str, ...], Run], bool]
"""Moves a stream, given its key, over a run; False where its events must be looked at one by one, and nothing is changed then."""


def run_on(frame: pl.DataFrame, key: Sequence[str], take: Take) -> list[int]:
    """Let each stream that goes on without a break do so at once; return the rows of all others, in order.

    `frame` has the columns of `key` (the stream), and `row`, `first`, `last` (ids, not null), `connection_id`, `received_at`, `event_time`
    (microseconds, or null), `frames_lost`, `venue_lost`, and `plain`: whether a row may be part of a run at all.
    """
    streams = frame.group_by(key, maintain_order=True).agg(_aggregates())
    width = len(key)
    left = [row[:width] for row in streams.iter_rows() if not (row[width] and take(row[:width], Run(*row[width + 1 :])))]
    if not left:
        return []
    broken = pl.DataFrame(left, schema={name: frame.schema[name] for name in key}, orient="row")
    return frame.join(broken, on=list(key), how="semi", nulls_equal=True)["row"].sort().to_list()


@cache
def _aggregates() -> list[pl.Expr]:
    """Return what is asked of each stream's rows: whether they are a run, and the fields of it, in the order of Run."""
    first, last, received_at = pl.col("first"), pl.col("last"), pl.col("received_at")
    time, timed = pl.col("event_time"), pl.col("event_time").drop_nulls()
    sound = (
        pl.col("plain").all()
        & (last >= first).all()
        & ((first - last.shift(1)) == 1).all()  # null before the first, which `all` passes over
        & (received_at.diff() >= 0).all()
        & (pl.col("connection_id") == pl.col("connection_id").first()).all()
        & (time <= received_at + SKEW).all()
        & (timed.diff() >= 0).all()
    )
    return [
        sound.alias("sound"),
        first.first().alias("run_first"),
        last.last().alias("run_last"),
        pl.col("connection_id").first().alias("run_connection"),
        received_at.first().alias("run_received_first"),
        received_at.last().alias("run_received_at"),
        timed.first().alias("run_oldest"),
        timed.last().alias("run_newest"),
        time.last().alias("run_time"),
        pl.col("frames_lost").last().alias("run_frames_lost"),
        pl.col("venue_lost").last().alias("run_venue_lost"),
    ]
