"""Trades, as the socket pushes them and as REST lists the last of them; both become the same event.

Sources: https://bybit-exchange.github.io/docs/v5/websocket/public/trade (up to 1024 in a message, ascending) and
https://bybit-exchange.github.io/docs/v5/market/recent-trade. A trade's id is opaque, and messages may share one `seq`: nothing counts.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dialects.amounts import quotient
from dialects.bybit.market import Market
from dialects.bybit.times import Millis, microseconds
from schemas.decimals import encode

_SIDES = {"Buy": "buy", "Sell": "sell"}
"""The taker's side."""


class _Trade(msgspec.Struct, gc=False):
    """`{"T":1790000000039,"s":"BTCUSDT","S":"Buy","v":"0.500","p":"64255.60","i":"3f1c2b7a-0001","BT":false,"RPI":false}`."""

    time: Millis = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    size: str = msgspec.field(name="v")
    price: str = msgspec.field(name="p")
    id: str = msgspec.field(name="i")
    block: bool = msgspec.field(name="BT", default=False)
    rpi: bool = msgspec.field(name="RPI", default=False)


class TradeMessage(msgspec.Struct):
    """A message of `publicTrade.{symbol}`."""

    data: list[_Trade]


class _LastTrade(msgspec.Struct, gc=False):
    time: Millis
    symbol: str
    side: str
    size: str
    price: str
    id: str = msgspec.field(name="execId")
    block: bool = msgspec.field(name="isBlockTrade", default=False)
    rpi: bool = msgspec.field(name="isRPITrade", default=False)


class _LastTrades(msgspec.Struct):
    list: list[_LastTrade]


Trade = _Trade | _LastTrade
_decode_last = msgspec.json.Decoder(_LastTrades, strict=False).decode
"""Not strict: times are text here."""


def decode_trades(result: bytes | msgspec.Raw) -> Sequence[Trade]:
    """Return the rows of REST's list, newest first; msgspec's errors where it is none."""
    return _decode_last(result).list


def columns_of(market: Market) -> Callable[[Sequence[Trade]], dict[str, Any]]:
    """Return what makes columns of a market's trades; InvalidDatum where a number is none."""
    return _in_base if market.unit == "base" else _in_quote


def _in_base(found: Sequence[Trade]) -> dict[str, Any]:
    """Return the columns of trades. A block was agreed outside the book, whoever improved its price."""
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "trade_id": [one.id for one in found],
        "sequence": None,
        "price": [encode(one.price) for one in found],
        "size": [encode(one.size) for one in found],
        "side": [_SIDES.get(one.side, "unknown") for one in found],
        "trade_kind": ["block" if one.block else "rpi" if one.rpi else "normal" for one in found],
        "replayed": False,
    }


def _in_quote(found: Sequence[Trade]) -> dict[str, Any]:
    """Return the columns of trades whose size counts quote currency; the base amount is size by price, null where that is no number."""
    columns = _in_base(found)
    return columns | {
        "size_unit": "quote",
        "size_base": [quotient(size, price) for size, price in zip(columns["size"], columns["price"], strict=True)],
        "size_quote": columns["size"],
    }
