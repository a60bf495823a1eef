"""What both ways of reading trades, rows and columns, make of a stretch of them."""

from collections.abc import Callable
from typing import NamedTuple

from processors.build_candles.bar import Amounts, Bar, Place
from processors.build_candles.intervals import DAY, HOUR
from processors.engine.seen import Seen

FIELDS = (
    "venue", "symbol", "origin", "received_at", "event_time", "trade_id", "sequence", "price", "size", "side",
    "size_unit", "size_base", "size_quote", "trade_kind",
)  # fmt: skip
"""The fields of a trade that a candle is made from."""
OUTSIDE = ("block", "rfq", "combo_leg")
"""Kinds of trades that were agreed outside the order book: they enter no candle. Their numbers are seen where they have any."""
LATEST = 7_258_118_400 * 1_000_000
"""The year 2200: what says it arrived later has no time."""
EARLIEST = 0
FUTURE = DAY
"""A trade that says it will be this much after its arrival, or more, has no time that anybody could build a candle for."""


def hour(mark: int) -> int:
    """Return the hour of a watermark: what a candle's retention is counted by.

    A candle is given up as one, for late trades and for what their ids prove: else an id would close its hole and not be counted. What is
    proven is judged at the end of a stretch, so no stretch has trades of a venue from before and after that moment.

    The trade that moves the watermark into an hour ends its stretch: it may make candles final that are given up with it (of a second,
    where the venue was quiet for hours), and what comes behind it must not tell of them.
    """
    return mark - mark % HOUR


def another_hour(before: int, mark: int) -> bool:
    """Say whether a watermark is in another hour than the one before it; the first of all has none before it (-1), and no candles."""
    return before >= 0 and hour(before) != hour(mark)


class Rules(NamedTuple):
    """How trades are read: places among the symbols of enums, and times in microseconds."""

    buy: int
    """The side that took the offer."""
    base: int
    """The unit of sizes in base currency."""
    outside: frozenset[int]
    """The kinds of OUTSIDE."""
    grace: int
    skew: int
    """An event time this much ahead of its arrival is supported by it; a later one moves the watermark to its arrival alone."""


class Trade(NamedTuple):
    """A trade that must be taken by itself. Price in 10⁻¹⁸, times in microseconds."""

    symbol: str
    place: Place
    price: int
    amounts: Amounts | None
    """None where nobody knows them."""
    bought: bool
    origin: int
    epoch: int
    offset: int
    mark: int
    """The venue's watermark with this trade."""


class Sifted(NamedTuple):
    """The trades of one venue in a stretch, without duplicates."""

    venue: str
    mark: int
    """The venue's watermark after the stretch."""
    crossed: Callable[[int], int]
    """Gives the offset at which the watermark reached a time."""
    bars: list[tuple[str, list[Bar]]]
    """Symbol → its trades in bars of one second, none of which can be late."""
    odd: list[Trade]
    """Trades to be taken one by one, in order: they may be late."""
    forgotten: list[tuple[int, str, str]]
    """Trades so old that nobody can tell whether they were counted: offset, symbol, id."""
    skewed: int
    """How many had a time that their arrival does not support."""


class Timeless(NamedTuple):
    """A trade whose time cannot be: its offset, symbol and id."""

    offset: int
    symbol: str
    text: str


SeenOf = Callable[[str, str], Seen]
"""Gives what a venue's symbol has shown so far."""
