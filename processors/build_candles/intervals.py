"""The candle intervals, aligned to UTC: where one opens and where it closes.

The list and its alignment are those of Binance's klines: weeks begin on Monday, months on the first, three days are
counted from 1970-01-02 (https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints).

The page does not say from when three days are counted; the venue's klines do. Its `3d` of BTCUSDT of 2018-06-29 opened at 6134.73
(https://github.com/binance-exchange/node-binance-api/issues/155), which is the open of 2018-06-28 00:00 UTC in its hourly klines and of
no other hour near; 2017-08-17, its first day, lies on the same grid. No other venue here has candles of three days.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = {"1w": 4 * DAY, "3d": DAY}
"""Where the first whole interval since 1970 opens, if not at its beginning: 1970-01-05, a Monday, and 1970-01-02."""

WIDTHS: dict[str, int] = {
    "1s": SECOND,
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": 7 * DAY,
    "1M": 0,
}
"""Interval → width in microseconds; 0 for the month, whose width differs."""

NAMES = tuple(WIDTHS)
PLACES = {name: place for place, name in enumerate(NAMES)}


def span(interval: str, time: int) -> tuple[int, int]:
    """Return when the interval around a time opens (inclusive) and closes (exclusive); microseconds since 1970 UTC."""
    width = WIDTHS[interval]
    if not width:
        return _month(time // DAY)
    start = time - (time - _FIRST.get(interval, 0)) % width
    return start, start + width


@lru_cache(maxsize=4096)
def spans(minute: int) -> tuple[tuple[int, int], ...]:
    """Return opening and close of every interval from 1m up around a full minute, in the order of NAMES[1:]."""
    return tuple(span(name, minute) for name in NAMES[1:])


@lru_cache(maxsize=4096)
def _month(day: int) -> tuple[int, int]:
    start = (_EPOCH + timedelta(days=day)).replace(day=1)
    end = (start + timedelta(days=32)).replace(day=1)
    return _microseconds(start), _microseconds(end)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
