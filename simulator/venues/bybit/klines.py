"""Klines as Bybit lists them, made of the tape: the newest first, the open one among them.

Source: https://bybit-exchange.github.io/docs/v5/market/kline. Volume counts what sizes count, and turnover the other currency. A kline
opens at its first trade, and an interval without trades has none; weeks and months are refused here, and so is a stretch of the past:
`start` and `end` are not read.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from simulator.candles import candles, interval_us
from simulator.instruments import Instrument
from simulator.truth import Tape

INTERVALS = {number: f"{number}m" for number in ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720")} | {"D": "1d"}
"""The venue's name → the candle's length."""
_TURNOVER = Decimal("1E-8")
"""Decimals of a turnover, as in the page's sample."""
_ROUNDED = Context(prec=60, rounding=ROUND_HALF_EVEN)


def klines(instrument: Instrument, tape: Tape, interval: str, limit: int, now_us: int) -> list[list[str]]:
    """Return the rows of the last `limit` intervals in which something traded up to now (microseconds), the newest first.

    Raises:
        KeyError: an unknown interval.
    """
    length = INTERVALS[interval]
    width = interval_us(length)
    since_us = now_us - now_us % width - (limit - 1) * width
    counts_quote = instrument.contract_size is not None and instrument.contract_size_unit == "quote"
    rows = []
    for candle in candles(instrument, tape.trades(tape.first_id_after(since_us * 1000 - 1)), length):
        volume, turnover = (candle.quote_volume, candle.volume) if counts_quote else (candle.volume, candle.quote_volume)
        numbers = (candle.open, candle.high, candle.low, candle.close, volume, turnover.quantize(_TURNOVER, context=_ROUNDED))
        rows.append([str(candle.open_time // 1000), *(f"{number:f}" for number in numbers)])
    return rows[::-1]
