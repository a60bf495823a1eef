"""Candles of five minutes, which Advanced Trade pushes as they grow, and those of any interval that it lists: what the venue says itself.

Sources: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels#candles-channel ("Candles are grouped
into buckets of five minutes"; "updates every second") and
https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-public-product-candles, which wants a begin and an end,
so that no request for the newest can be made again and again. Volume is in base currency; of contracts no page says what it counts.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from dialects.coinbase.symbols import is_pair
from dialects.coinbase.times import microseconds, second
from dialects.contract import DecodedEvent
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

_MINUTE = 60_000_000
_INTERVALS: Mapping[str, tuple[str, int]] = {
    "ONE_MINUTE": ("1m", _MINUTE),
    "FIVE_MINUTE": ("5m", 5 * _MINUTE),
    "FIFTEEN_MINUTE": ("15m", 15 * _MINUTE),
    "THIRTY_MINUTE": ("30m", 30 * _MINUTE),
    "ONE_HOUR": ("1h", 60 * _MINUTE),
    "TWO_HOUR": ("2h", 120 * _MINUTE),
    "FOUR_HOUR": ("4h", 240 * _MINUTE),
    "SIX_HOUR": ("6h", 360 * _MINUTE),
    "ONE_DAY": ("1d", 1440 * _MINUTE),
}
"""The venue's name → the interval and its width in microseconds."""


class _Listed(msgspec.Struct, gc=False):
    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str


class _Candle(_Listed, gc=False):
    product_id: str


class _Grown(msgspec.Struct):
    type: Literal["snapshot", "update"]
    candles: list[_Candle]


class CandleList(msgspec.Struct):
    """A reply to a request for candles."""

    candles: list[_Listed]


class Candles(msgspec.Struct):
    """A message of the channel `candles`."""

    timestamp: str
    events: list[_Grown]


def read_candles(message: Candles, received_at: int) -> list[DecodedEvent]:
    """Return an event for each candle, in the message's order; it is closed where the message was sent after its end."""
    now = microseconds(message.timestamp)
    name, width = _INTERVALS["FIVE_MINUTE"]
    return [
        _event(one, one.product_id, (name, width), received_at, event_time=now, closed=now >= second(one.start) + width)
        for event in message.events
        for one in event.candles
    ]


def read_listed(found: CandleList, symbol: str, granularity: str, received_at: int) -> list[DecodedEvent]:
    """Return an event for each candle of a reply, the newest first; one is closed where a newer one has begun: no reply says more."""
    interval = _INTERVALS.get(granularity)
    if interval is None:
        raise InvalidDatum(f"the granularity {granularity[:40]!r} is none of {', '.join(_INTERVALS)}")
    newest = max((second(one.start) for one in found.candles), default=0)
    return [_event(one, symbol, interval, received_at, event_time=None, closed=second(one.start) < newest) for one in found.candles]


def _event(one: _Listed, symbol: str, interval: tuple[str, int], received_at: int, *, event_time: int | None, closed: bool) -> DecodedEvent:
    opens, volume, pair = second(one.start), amount(one.volume), is_pair(symbol)
    fields: dict[str, Any] = {
        "symbol": symbol,
        "event_time": event_time,
        "interval": interval[0],
        "open_time": opens,
        "close_time": opens + interval[1],
        "volume": volume,
        "volume_unit": "base" if pair else "unknown",
        "base_volume": volume if pair else None,
        "closed": closed,
        "version": received_at,
    }
    return DecodedEvent("venue_candle", fields | ordered(one.open, one.high, one.low, one.close))


def amount(text: str) -> bytes:
    """Return a price or an amount, which is never below zero."""
    number = unscaled(text)
    if number < 0:
        raise InvalidDatum(f"{text[:40]!r} is no price or amount of a candle: it is below zero")
    return to_bytes(number)


def ordered(first: str, highest: str, lowest: str, last: str) -> dict[str, bytes]:
    """Return a candle's prices; InvalidDatum where they cannot be of one candle."""
    opens, high, low, close = (unscaled(text) for text in (first, highest, lowest, last))
    if not low <= min(opens, close) <= max(opens, close) <= high:
        raise InvalidDatum(f"a candle from {first} to {last} has {highest} as its highest and {lowest} as its lowest price")
    return {"open": amount(first), "high": amount(highest), "low": amount(lowest), "close": amount(last)}
