"""Candles computed from the tape with Decimal, by the plainest reading of their definition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from simulator.instruments import Instrument
from simulator.market import Trade

UNIT_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Candle:
    """One interval in which trades happened; prices and quote volume in the quote currency, volumes in the base.

    Of an instrument whose contracts are of the quote currency, volumes are quotients of 60 digits.
    """

    open_time: int
    """Microseconds since the epoch."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    taker_buy_volume: Decimal
    trades: int
    first_trade_id: int
    last_trade_id: int


def interval_us(interval: str) -> int:
    """Microseconds of `1s`, `5m`, `1h`, `1d`.

    Raises:
        ValueError: not a whole number and one of s, m, h, d.
    """
    number, unit = interval[:-1], interval[-1:]
    if unit not in UNIT_US or not number.isdigit() or int(number) == 0:
        raise ValueError(f"interval {interval!r} is not a whole number followed by s, m, h or d")
    return int(number) * UNIT_US[unit]


def candles(instrument: Instrument, trades: list[Trade], interval: str) -> list[Candle]:
    """Candles of the intervals in which something traded, oldest first; trades come in the order of their ids.

    Raises:
        ValueError: an unknown interval.
    """
    width = interval_us(interval)
    price_text = instrument.price_writer()
    groups: dict[int, list[Trade]] = {}
    for trade in trades:
        time_us = trade.time_ns // 1000
        groups.setdefault(time_us - time_us % width, []).append(trade)
    made = []
    for open_time, group in groups.items():
        prices = [Decimal(price_text(trade.price)) for trade in group]
        sizes, quotes = zip(*(instrument.amounts(trade.price, trade.size) for trade in group), strict=True)
        bought = [size for trade, size in zip(group, sizes, strict=True) if trade.taker_buys]
        made.append(
            Candle(
                open_time=open_time,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[-1],
                volume=_total(sizes),
                quote_volume=_total(quotes),
                taker_buy_volume=_total(bought),
                trades=len(group),
                first_trade_id=group[0].trade_id,
                last_trade_id=group[-1].trade_id,
            )
        )
    return made


def _total(numbers: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        total = _EXACT.add(total, number)
    return total
