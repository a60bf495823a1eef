"""What Binance spot lists: `/api/v3/exchangeInfo`, and the instruments made of it.

Source: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md#exchange-information and
https://github.com/binance/binance-spot-api-docs/blob/master/filters.md (tick, lot and smallest value of an order).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as escape

import msgspec
import orjson

from dialects.contract import DecodedEvent, Poll, Request
from dialects.instruments import canonical_name
from dialects.listings import instruments_of
from dialects.stream import Stream, parts
from schemas.decimals import encode, scale_of

PATH = "/api/v3/exchangeInfo"
EVERY = 3600.0
"""Seconds; our own choice: ticks and lots change seldom, and without notice."""
WEIGHT = 20
SYMBOLS_PER_REQUEST = 100
"""Our own choice, about 1.3 KB of address: the venue documents no limit."""

STATUSES = {
    "TRADING": "trading",
    "PRE_TRADING": "pre_open",
    "POST_TRADING": "settling",
    "END_OF_DAY": "suspended",
    "HALT": "suspended",
    "AUCTION_MATCH": "auction",
    "BREAK": "suspended",
}
"""The venue's words (https://github.com/binance/binance-spot-api-docs/blob/master/enums.md, "Symbol status") in ours."""


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: str | None = None
    step_size: str | None = None
    min_qty: str | None = None
    max_qty: str | None = None
    min_notional: str | None = None


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[_Filter]


class _ExchangeInformation(msgspec.Struct):
    symbols: list[msgspec.Raw]


_decode = msgspec.json.Decoder(_ExchangeInformation).decode
_decode_symbol = msgspec.json.Decoder(_Symbol).decode


def polls(streams: Sequence[Stream]) -> list[Poll]:
    """Return the requests for the instruments of these streams (weight 20 each, whatever they name)."""
    return [
        Poll(some, Request("GET", f"{PATH}?symbols={escape(orjson.dumps([one.symbol for one in some]).decode())}", WEIGHT), EVERY)
        for some in parts(streams, SYMBOLS_PER_REQUEST)
    ]


def instruments(payload: bytes) -> list[DecodedEvent]:
    """Return the instruments of a reply; raises msgspec.MsgspecError where it is none, PartlyInvalid where some of them are not."""
    return instruments_of("binance", _decode(payload).symbols, lambda one: _instrument(_decode_symbol(one)))


def _instrument(one: _Symbol) -> dict[str, Any]:
    filters = {item.filter_type: item for item in one.filters}
    nothing = _Filter("")
    price, lot = filters.get("PRICE_FILTER", nothing), filters.get("LOT_SIZE", nothing)
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", nothing)
    return {
        "symbol": one.symbol,
        "base": one.base_asset,
        "quote": one.quote_asset,
        "settle": one.quote_asset,
        "price_scale": _decimals(price.tick_size),
        "size_scale": _decimals(lot.step_size),
        "status": one.status,
        "trading_status": STATUSES.get(one.status, "unknown"),
        "canonical_name": canonical_name("spot", one.base_asset, one.quote_asset),
        "kind": "spot",
        "margin_type": "none",
        "tick_size": _number(price.tick_size),
        "lot_size": _number(lot.step_size),
        "min_size": _number(lot.min_qty),
        "max_size": _number(lot.max_qty),
        "min_notional": _number(notional.min_notional),
    }


def _number(text: str | None) -> bytes | None:
    return None if text is None else encode(text)


def _decimals(text: str | None) -> int | None:
    """Return how many decimals a step has: `0.01000000` has two; a step of 0 says nothing."""
    if text is None or not text.strip("0."):
        return None
    return scale_of(text.rstrip("0")) if "." in text else 0
