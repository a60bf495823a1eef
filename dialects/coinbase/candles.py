"""Candles of five minutes, which Advanced Trade pushes as they grow: what the venue itself says of an interval.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels#candles-channel ("Candles are grouped
into buckets of five minutes"; "updates every second"). Volume is in base currency; of contracts no page says what it counts.
"""

from typing import Any, Literal

import msgspec

from dialects.coinbase.symbols import is_pair
from dialects.coinbase.times import microseconds, second
from dialects.contract import DecodedEvent
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

WIDTH = 300_000_000


class _Candle(msgspec.Struct, gc=False):
    start: str
    high: str
    low: str
    open: str
    close: str
    volume: str
    product_id: str


class _Grown(msgspec.Struct):
    type: Literal["snapshot", "update"]
    candles: list[_Candle]


class Candles(msgspec.Struct):
    """A message of the channel `candles`."""

    timestamp: str
    events: list[_Grown]


def read_candles(message: Candles, received_at: int) -> list[DecodedEvent]:
    """Return an event for each candle, in the message's order; it is closed where the message was sent after its end."""
    now = microseconds(message.timestamp)
    made = []
    for one in (candle for event in message.events for candle in event.candles):
        opens = second(one.start)
        prices = ordered(one.open, one.high, one.low, one.close)
        pair = is_pair(one.product_id)
        volume = amount(one.volume)
        header: dict[str, Any] = {"symbol": one.product_id, "event_time": now, "version": received_at}
        times = {"interval": "5m", "open_time": opens, "close_time": opens + WIDTH, "closed": now >= opens + WIDTH}
        made.append(
            DecodedEvent(
                "venue_candle",
                header
                | times
                | prices
                | {"volume": volume, "volume_unit": "base" if pair else "unknown", "base_volume": volume if pair else None},
            )
        )
    return made


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
