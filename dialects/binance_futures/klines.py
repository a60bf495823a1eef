"""Klines: what Binance itself says of an interval, asked for over REST or pushed.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Kline-Candlestick-Data,
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Kline-Candlestick-Streams and the same pages
of COIN-M, whose volume counts contracts, and whose other amount base currency.

A reply says no time of its own. Its rows come oldest first, so all but the last are closed by the word of the next; of the last nothing
says it, and the reply a minute later does. The number of trades is not that of the ids between the first and the last (`n`, `f`, `L`).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import msgspec

from dialects.binance_futures.market import Market
from dialects.binance_futures.periods import INTERVALS
from dialects.binance_futures.shapes import Whole
from dialects.binance_futures.times import LATEST, Millis, microseconds
from dialects.contract import DecodedEvent, Fields, Request
from schemas.decimals import to_bytes, unscaled
from schemas.errors import InvalidDatum

EVERY_SECONDS = 60.0
ASKED = 5
"""Klines of a reply: the open minute and four before it, so that two rounds may fail and no minute is missed."""


class Kline(msgspec.Struct, array_like=True, gc=False):
    """`[1602669900000,"50.49","50.52","50.31","50.33","3811.648",1602670199999,"192171.59398",1517,"956.116","48217.57292","0"]`."""

    open_time: Millis
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time: Millis
    other_volume: str
    trades: Whole


class _Pushed(msgspec.Struct):
    open_time: Millis = msgspec.field(name="t")
    close_time: Millis = msgspec.field(name="T")
    interval: str = msgspec.field(name="i")
    open: str = msgspec.field(name="o")
    close: str = msgspec.field(name="c")
    high: str = msgspec.field(name="h")
    low: str = msgspec.field(name="l")
    volume: str = msgspec.field(name="v")
    trades: Whole = msgspec.field(name="n")
    closed: bool = msgspec.field(name="x")
    other_volume: str = msgspec.field(name="q")


class PushedKline(msgspec.Struct, tag_field="e", tag="kline"):
    """`{"e":"kline","E":1786173360960,"s":"BTCUSDT","k":{"t":1786173300000,"T":1786173359999,"i":"1m",…,"x":true,…}}`."""

    time: Millis = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    kline: _Pushed = msgspec.field(name="k")
    market: int | None = msgspec.field(name="st", default=None)


def klines_request(market: Market, symbol: str) -> Request:
    """Return the request for the last minutes of a symbol, the open one among them (weight 1 up to 99)."""
    return Request("GET", f"{market.api}/klines?symbol={quote(symbol)}&interval=1m&limit={ASKED}")


def read_klines(rows: Sequence[Kline], asked: dict[str, str], received_at: int, market: Market) -> list[DecodedEvent]:
    """Return an event for each kline of a reply; InvalidDatum where one of them cannot be: then none of the reply is known.

    `asked` is the request's query, which alone says symbol and interval.
    """
    symbol, interval = asked.get("symbol", ""), asked.get("interval", "")
    for before, after in pairwise(rows):
        if after.open_time <= before.close_time:
            raise InvalidDatum(f"klines are not oldest first: {after.open_time} comes after {before.open_time}")
    header = {"symbol": symbol, "version": received_at}
    last = len(rows) - 1
    return [
        DecodedEvent("venue_candle", header | _fields(one, interval, market) | {"closed": place < last}) for place, one in enumerate(rows)
    ]


def read_pushed(one: PushedKline, received_at: int, market: Market) -> list[DecodedEvent]:
    """Return the event of a pushed kline, which says itself whether it is closed; none where it is of the other market."""
    if not market.belongs(one.market):
        return []
    header = {"symbol": one.symbol, "event_time": microseconds(one.time), "version": received_at}
    return [DecodedEvent("venue_candle", header | _fields(one.kline, one.kline.interval, market) | {"closed": one.kline.closed})]


def _fields(one: Kline | _Pushed, interval: str, market: Market) -> Fields:
    if interval not in INTERVALS:
        raise InvalidDatum(f"the interval {interval!r} is no kline's")
    if not one.open_time <= one.close_time < LATEST:
        raise InvalidDatum(f"a kline that opens at {one.open_time} does not close at {one.close_time}")
    first, highest, lowest, last = (_amount(text) for text in (one.open, one.high, one.low, one.close))
    volume, other = _amount(one.volume), _amount(one.other_volume)
    if not lowest <= min(first, last) <= max(first, last) <= highest:
        raise InvalidDatum(f"a kline from {one.open} to {one.close} has {one.high} as its highest and {one.low} as its lowest price")
    in_base = market.unit == "base"
    fields: dict[str, Any] = {
        "interval": interval,
        "open_time": microseconds(one.open_time),
        "close_time": microseconds(one.close_time + 1),
        "open": to_bytes(first),
        "high": to_bytes(highest),
        "low": to_bytes(lowest),
        "close": to_bytes(last),
        "volume": to_bytes(volume),
        "volume_unit": market.unit,
        "base_volume": to_bytes(volume if in_base else other),
        "quote_volume": to_bytes(other) if in_base else None,
        "trades": one.trades,
    }
    return fields


def _amount(text: str) -> int:
    """Return a price or an amount as a count of 10⁻¹⁸: neither is ever below zero."""
    number = unscaled(text)
    if number < 0:
        raise InvalidDatum(f"{text!r} is no price or amount of a kline: it is below zero")
    return number
