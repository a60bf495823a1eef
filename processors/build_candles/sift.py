"""What both ways of reading trades, rows and columns, make of a stretch of them."""

from collections.abc import Callable
from typing import NamedTuple

from processors.build_candles.bar import Bar, Place
from processors.engine.seen import Seen

FIELDS = ("venue", "symbol", "origin", "received_at", "event_time", "trade_id", "sequence", "price", "size", "side")
"""The fields of a trade that a candle is made from."""


class Trade(NamedTuple):
    """A trade that must be taken by itself. Price and size in 10⁻¹⁸, times in microseconds."""

    symbol: str
    place: Place
    price: int
    size: int
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
    forgotten: list[Trade]
    """Trades so old that nobody can tell whether they were counted."""


SeenOf = Callable[[str, str], Seen]
"""Gives what a venue's symbol has shown so far."""
