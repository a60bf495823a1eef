"""Klines: what Bybit itself says of an interval, asked for over REST.

Source: https://bybit-exchange.github.io/docs/v5/market/kline. Rows come newest first, and the first may still be open: the page says of
its close that it "is the last traded price when the candle is not closed". An open one is published too, as what it is: it is what the
venue said, and the reply a minute later replaces it. No row says whether it is closed, so the reply's own `time` does.

Volume and turnover: "USDT or USDC contract: unit is base coin", turnover quote coin; "Inverse contract: unit is quote coin (e.g., USD)",
turnover base coin. Of spot an older text of the page (github.com/bybit-exchange/docs at 377c995) says "quantity of coins",
turnover "quantity of quota coin".
In the page's own sample each kline opens at the close of the one before; that this is a rule is written nowhere.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from dialects.bybit.market import Market
from dialects.bybit.times import microseconds, moment
from dialects.contract import DecodedEvent, Fields, Request
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

KLINES = "/v5/market/kline"
EVERY_SECONDS = 60
ASKED = 5
"""Klines of a reply: the open minute and four before it. So two rounds may fail and no minute is missed, and what the venue mends of a
minute just after its end is heard in the next rounds."""
_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Interval(NamedTuple):
    name: str
    width: int
    """Microseconds; 0 for the month, whose width differs."""


_INTERVALS = {
    "1": _Interval("1m", _MINUTE),
    "3": _Interval("3m", 3 * _MINUTE),
    "5": _Interval("5m", 5 * _MINUTE),
    "15": _Interval("15m", 15 * _MINUTE),
    "30": _Interval("30m", 30 * _MINUTE),
    "60": _Interval("1h", 60 * _MINUTE),
    "120": _Interval("2h", 120 * _MINUTE),
    "240": _Interval("4h", 240 * _MINUTE),
    "360": _Interval("6h", 360 * _MINUTE),
    "720": _Interval("12h", 720 * _MINUTE),
    "D": _Interval("1d", _DAY),
    "W": _Interval("1w", 7 * _DAY),
    "M": _Interval("1M", 0),
}
"""The venue's name → the interval (https://bybit-exchange.github.io/docs/v5/enum#interval). No page says where days and weeks begin: a
kline opens when the venue says so. The end of a month is known only where it opens on the first, at midnight UTC."""


class _Kline(msgspec.Struct, array_like=True, gc=False):
    """`["1790000040000","64255.60","64260.00","64250.10","64258.00","3.250","208826.1"]`; columns that may follow are left."""

    start: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    turnover: str


class _Klines(msgspec.Struct):
    """`{"category":"linear","symbol":"BTCUSDT","list":[[…],[…]]}`: the result of a request."""

    category: str
    symbol: str
    list: list[_Kline]


_decode = msgspec.json.Decoder(_Klines).decode


def klines_request(market: Market, symbol: str) -> Request:
    """Return the request for the last minutes of a symbol, the open one among them."""
    return Request("GET", f"{KLINES}?category={market.category}&symbol={quote(symbol)}&interval=1&limit={ASKED}")


def read_klines(result: bytes | msgspec.Raw, asked: dict[str, str], time: int, received_at: int, market: Market) -> list[DecodedEvent]:
    """Return an event for each kline of a reply, in its order; InvalidDatum and msgspec's errors where one of them cannot be.

    `asked` is the request's query, which alone says the interval; `time` the reply's, in milliseconds, and `received_at` ours, in
    microseconds. One wrong row refuses the whole reply: where columns or rows are not what they were, none of them is known.
    """
    interval = _INTERVALS.get(asked.get("interval", ""))
    if interval is None:
        raise InvalidDatum(f"the interval {asked.get('interval', '')!r} is none of {', '.join(_INTERVALS)}")
    found = _decode(result)
    if found.category != market.category or not found.symbol or found.symbol != asked.get("symbol"):
        raise InvalidDatum(f"klines of {found.symbol!r} ({found.category!r}) where those of {asked.get('symbol')!r} were asked for")
    now = microseconds(time)
    rows = [_fields(one, interval, now, market) for one in found.list]
    _check_order(rows)
    header = {"symbol": found.symbol, "event_time": now, "version": received_at}
    return [DecodedEvent("venue_candle", header | row) for row in rows]


def _fields(one: _Kline, interval: _Interval, now: int, market: Market) -> Fields:
    """Return what one row says; `now` is the venue's clock."""
    open_time = moment(one.start)
    if open_time is None:
        raise InvalidDatum(f"a kline opens at {one.start!r}, which is no time")
    close_time = _close(interval, open_time)
    first, highest, lowest, last = (_amount(text) for text in (one.open, one.high, one.low, one.close))
    volume, turnover = _amount(one.volume), _amount(one.turnover)
    if not lowest <= min(first, last) <= max(first, last) <= highest:
        raise InvalidDatum(f"a kline from {one.open} to {one.close} has {one.high} as its highest and {one.low} as its lowest price")
    base, other = (volume, turnover) if market.unit == "base" else (turnover, volume)
    numbers: dict[str, Any] = {
        "open": first,
        "high": highest,
        "low": lowest,
        "close": last,
        "volume": volume,
        "base_volume": base,
        "quote_volume": other,
    }
    return {name: to_bytes(number) for name, number in numbers.items()} | {
        "interval": interval.name,
        "open_time": open_time,
        "close_time": close_time,
        "volume_unit": market.unit,
        "closed": close_time <= now,
    }


def _amount(text: str) -> int:
    """Return a price or an amount as a count of 10⁻¹⁸: neither is ever below zero."""
    number = unscaled(text)
    if number < 0:
        raise InvalidDatum(f"{text!r} is no price or amount of a kline: it is below zero")
    return number


def _close(interval: _Interval, open_time: int) -> int:
    """Return when the interval that opens at a time closes; InvalidDatum for a month that opens on no first."""
    return open_time + interval.width if interval.width else _next_month(open_time)


def _next_month(open_time: int) -> int:
    try:
        start = _EPOCH + timedelta(microseconds=open_time)
        end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    except OverflowError:
        raise InvalidDatum(f"a kline opens at {open_time}, which is in no calendar") from None
    if start != start.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
        raise InvalidDatum(f"a kline opens at {open_time}, where no month begins")
    return (end - _EPOCH) // timedelta(microseconds=1)


def _check_order(rows: Sequence[Fields]) -> None:
    """Raise InvalidDatum where rows are not newest first, each of an interval of its own."""
    for after, before in pairwise(rows):
        if after["open_time"] <= before["open_time"]:
            raise InvalidDatum(f"klines are not newest first: {before['open_time']} comes after {after['open_time']}")
