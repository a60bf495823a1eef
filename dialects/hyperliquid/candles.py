"""Candles that Hyperliquid itself makes, asked for over REST (`candleSnapshot`).

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint ("Candle snapshot"). Rows come oldest first, the
last may still be open, `v` counts coins, and `T` is the last millisecond of the interval. No row says whether it is closed, and a reply
has no time: one is closed where another follows it, or where it ended so long before receipt that no clock can be so wrong.
"""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from dialects.contract import DecodedEvent, Fields
from dialects.hyperliquid.numbers import Number, written
from dialects.hyperliquid.times import Millis, microseconds
from dialects.judge import SKEW
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

CANDLES = "candleSnapshot"
EVERY_SECONDS = 60
MINUTE = 60_000
"""Milliseconds."""
ASKED = 5
"""Candles of a reply: the open minute and four before it, so that two rounds may fail and no minute is missed."""
_WIDTHS = {"m": MINUTE, "h": 60 * MINUTE, "d": 1440 * MINUTE, "w": 7 * 1440 * MINUTE}
INTERVALS = {
    name: int(name[:-1]) * _WIDTHS[name[-1]] for name in ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w")
} | {"1M": 0}
"""Interval → its milliseconds; those of a month differ."""


class _Candle(msgspec.Struct, gc=False):
    """`{"t":1790000040000,"T":1790000099999,"s":"BTC","i":"1m","o":"64255.0","c":"64258.0","h":"64260.0","l":"64250.0","v":"3.25","n":41}`."""

    start: Millis = msgspec.field(name="t")
    end: Millis = msgspec.field(name="T")
    coin: str = msgspec.field(name="s")
    interval: str = msgspec.field(name="i")
    open: Number = msgspec.field(name="o")
    close: Number = msgspec.field(name="c")
    high: Number = msgspec.field(name="h")
    low: Number = msgspec.field(name="l")
    volume: Number = msgspec.field(name="v")
    trades: Millis = msgspec.field(name="n")


_decode = msgspec.json.Decoder(list[_Candle], float_hook=str).decode


def read_candles(payload: bytes, coin: str, interval: str, received_at: int) -> list[DecodedEvent]:
    """Return an event for each candle of a reply, in its order; InvalidDatum and msgspec's errors where one of them cannot be.

    One wrong row refuses the whole reply: where rows are not what they were, none of them is known.
    """
    if interval not in INTERVALS:
        raise InvalidDatum(f"the interval {interval[:32]!r} is none of {', '.join(INTERVALS)}")
    found = _decode(payload)
    rows = [_fields(one, coin, interval) for one in found]
    _close(rows, received_at)
    header = {"symbol": coin, "event_time": None, "version": received_at}
    return [DecodedEvent("venue_candle", header | row) for row in rows]


def _fields(one: _Candle, coin: str, interval: str) -> Fields:
    if one.coin != coin or one.interval != interval:
        raise InvalidDatum(f"a candle of {one.coin[:64]!r}, {one.interval[:32]!r} where {coin!r}, {interval!r} was asked for")
    width = INTERVALS[interval]
    if one.end < one.start or (width and one.end - one.start + 1 != width):
        raise InvalidDatum(f"a candle of {interval} is from {one.start} to {one.end}")
    first, highest, lowest, last = (_amount(number) for number in (one.open, one.high, one.low, one.close))
    if not lowest <= min(first, last) <= max(first, last) <= highest:
        raise InvalidDatum(f"a candle from {one.open} to {one.close} has {one.high} as its highest and {one.low} as its lowest price")
    volume = to_bytes(_amount(one.volume))
    return {
        "interval": interval,
        "open_time": microseconds(one.start),
        "close_time": microseconds(one.end + 1),
        "open": to_bytes(first),
        "high": to_bytes(highest),
        "low": to_bytes(lowest),
        "close": to_bytes(last),
        "volume": volume,
        "volume_unit": "base",
        "base_volume": volume,
        "quote_volume": None,
        "trades": one.trades,
    }


def _amount(number: Number) -> int:
    """Return a price or an amount as a count of 10⁻¹⁸: neither is ever below zero."""
    value = unscaled(written(number))
    if value < 0:
        raise InvalidDatum(f"{number!r} is no price or amount of a candle: it is below zero")
    return value


def _close(rows: Sequence[Fields], received_at: int) -> None:
    """Say of each row whether it is closed; InvalidDatum where they are not oldest first, each of an interval of its own."""
    for before, after in pairwise(rows):
        if after["open_time"] < before["close_time"]:
            raise InvalidDatum(f"candles are not oldest first: {after['open_time']} comes after {before['open_time']}")
        before["closed"] = True
    if rows:
        rows[-1]["closed"] = rows[-1]["close_time"] + SKEW <= received_at
