"""Candles: what OKX itself says of an interval, asked for over REST; the same rows when they are pushed.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-candlesticks. A row is
[ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm]; the newest comes first, and may still be open, as `confirm` says. `vol` is base currency of
a pair of spot, whose `volCcy` is quote currency; of a contract `vol` counts contracts and `volCcy` base currency. `volCcyQuote` is quote
currency of all. An interval without a trade has the close of the one before. What begins by the time of Hong Kong (`1D` without `utc`)
is not read: our days begin at 0:00 UTC.
"""

from itertools import pairwise
from urllib.parse import quote

import msgspec

from dialects.contract import DecodedEvent, Fields, Request
from dialects.okx.contracts import unit_of
from dialects.okx.names import product_of
from dialects.okx.times import moment
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

CANDLES = "/api/v5/market/candles"
EVERY_SECONDS = 60
ASKED = 5
"""Candles of a reply: the open minute and four before it, so that two rounds may fail and no minute is missed."""
_MINUTE = 60_000_000
_WIDTHS = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
_NAMES = {
    **{name: name for name in ("1m", "3m", "5m", "15m", "30m")},
    **{name: name.lower() for name in ("1H", "2H", "4H")},
    **{f"{name}utc": name.lower() for name in ("6H", "12H", "1D", "3D", "1W")},
}
"""The venue's bar → the interval."""


class _Row(msgspec.Struct, array_like=True, gc=False):
    ts: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    volume_currency: str
    volume_quote: str
    confirm: str


class _Rows(msgspec.Struct):
    data: list[_Row]


_decode = msgspec.json.Decoder(_Rows).decode


def candles_request(symbol: str) -> Request:
    """Return the request for the last minutes of a symbol, the open one among them."""
    return Request("GET", f"{CANDLES}?instId={quote(symbol)}&bar=1m&limit={ASKED}")


def read_candles(payload: bytes, symbol: str, bar: str, received_at: int) -> list[DecodedEvent]:
    """Return an event for each row, in its order; InvalidDatum and msgspec's errors where one cannot be: then none is known.

    Symbol and bar are those that were asked for. `received_at` in microseconds.
    """
    interval = _NAMES.get(bar)
    if interval is None:
        raise InvalidDatum(f"the bar {bar[:20]!r} is none of {', '.join(_NAMES)}")
    if not symbol:
        raise InvalidDatum("candles of no instrument")
    rows = [_fields(one, symbol, interval) for one in _decode(payload).data]
    for after, before in pairwise(rows):
        if after["open_time"] <= before["open_time"]:
            raise InvalidDatum(f"candles are not newest first: {before['open_time']} comes after {after['open_time']}")
    header = {"symbol": symbol, "event_time": None, "version": received_at}
    return [DecodedEvent("venue_candle", header | row) for row in rows]


def _fields(one: _Row, symbol: str, interval: str) -> Fields:
    open_time = moment(one.ts)
    if open_time is None:
        raise InvalidDatum(f"a candle opens at {one.ts!r}, which is no time")
    if one.confirm not in {"0", "1"}:
        raise InvalidDatum(f"a candle whose state is {one.confirm[:20]!r}: neither open nor closed")
    first, highest, lowest, last = (_amount(text) for text in (one.open, one.high, one.low, one.close))
    if not lowest <= min(first, last) <= max(first, last) <= highest:
        raise InvalidDatum(f"a candle from {one.open} to {one.close} has {one.high} as its highest and {one.low} as its lowest price")
    volume, other, quoted = (_amount(text) for text in (one.volume, one.volume_currency, one.volume_quote))
    numbers = {
        "open": first,
        "high": highest,
        "low": lowest,
        "close": last,
        "volume": volume,
        "base_volume": volume if product_of(symbol) == "SPOT" else other,
        "quote_volume": quoted,
    }
    return {name: to_bytes(number) for name, number in numbers.items()} | {
        "interval": interval,
        "open_time": open_time,
        "close_time": open_time + int(interval[:-1]) * _WIDTHS[interval[-1]] * _MINUTE,
        "volume_unit": unit_of(symbol),
        "closed": one.confirm == "1",
    }


def _amount(text: str) -> int:
    """Return a price or an amount as a count of 10⁻¹⁸: neither is ever below zero."""
    number = unscaled(text)
    if number < 0:
        raise InvalidDatum(f"{text!r} is no price or amount of a candle: it is below zero")
    return number
