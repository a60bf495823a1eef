"""Instruments as `exchangeInfo` lists them: all that is listed, whether it trades or not.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information, the same page of
COIN-M, and https://developers.binance.com/docs/derivatives/usds-margined-futures/common-definition (contract types and statuses, filters).
The tick is the price filter's: `pricePrecision` is another ("please do not use it as tickSize").
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from dialects.binance_futures.funding import limits_of
from dialects.binance_futures.market import Market
from dialects.binance_futures.times import Millis, moment
from dialects.instruments import Kind, canonical_name
from dialects.memory import Memory
from schemas.decimals import encode, scale_of
from schemas.errors import InvalidDatum

_KINDS: Mapping[str, Kind] = {
    "PERPETUAL": "perpetual",
    "TRADIFI_PERPETUAL": "perpetual",
    "CURRENT_MONTH": "future",
    "NEXT_MONTH": "future",
    "CURRENT_QUARTER": "future",
    "NEXT_QUARTER": "future",
}
_DELIVERING = " DELIVERING"
"""What a contract's type ends with while it is delivered: `PERPETUAL DELIVERING`."""
_STATUSES: Mapping[str, str] = {
    "PENDING_TRADING": "pre_open",
    "TRADING": "trading",
    "PRE_DELIVERING": "settling",
    "DELIVERING": "settling",
    "DELIVERED": "delivered",
    "PRE_SETTLE": "settling",
    "SETTLING": "settling",
    "CLOSE": "delisted",
}
_CLASSES: Mapping[str, str] = {"COIN": "crypto", "EQUITY": "equity", "COMMODITY": "commodity"}
"""`underlyingType` → what the underlying is; of an index (INDEX) and others nothing is said."""
_ONE = encode("1")


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: str | None = None
    step_size: str | None = None
    min_qty: str | None = None
    max_qty: str | None = None
    notional: str | None = None


class Listed(msgspec.Struct, rename="camel"):
    """One contract of either market; what a market does not say is empty."""

    symbol: str
    pair: str
    contract_type: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    filters: list[_Filter]
    onboard_date: Millis = 0
    delivery_date: Millis = 0
    status: str = ""
    contract_status: str = ""
    contract_size: int | str | None = None
    underlying_type: str = ""


class Listing(msgspec.Struct, rename="camel"):
    """The reply, as much as is read of it."""

    symbols: list[msgspec.Raw]
    server_time: Millis | None = None


_decode = msgspec.json.Decoder(Listed).decode
_NO_FILTER = _Filter("")


def instrument(listed: msgspec.Raw, memory: Memory, market: Market) -> dict[str, Any]:
    """Return an instrument's fields; InvalidDatum and msgspec's errors where it is none. Sizes and limits are in the market's unit."""
    one = _decode(listed)
    kind = _KINDS.get(one.contract_type.removesuffix(_DELIVERING), "unknown")
    status, ends = one.status or one.contract_status, moment(one.delivery_date)
    if not status:
        raise InvalidDatum("it has no status")
    filters = {item.filter_type: item for item in one.filters}
    price, lot = filters.get("PRICE_FILTER", _NO_FILTER), filters.get("LOT_SIZE", _NO_FILTER)
    expiry = ends if kind == "future" else None
    fields: dict[str, Any] = {
        "symbol": one.symbol,
        "base": one.base_asset,
        "quote": one.quote_asset,
        "settle": one.margin_asset,
        "underlying": one.pair,
        "price_scale": _decimals(price.tick_size),
        "size_scale": _decimals(lot.step_size),
        "status": status,
        "trading_status": _STATUSES.get(status, "unknown"),
        "canonical_name": canonical_name(kind, one.base_asset, one.quote_asset, expiry_time=expiry),
        "kind": kind,
        "margin_type": _margin(one),
        "contract_size": _ONE if market.unit == "base" else _number(one.contract_size),
        "contract_size_unit": "base" if market.unit == "base" else "quote",
        "tick_size": _number(price.tick_size),
        "lot_size": _number(lot.step_size),
        "min_size": _number(lot.min_qty),
        "max_size": _number(lot.max_qty),
        "min_notional": _number(filters.get("MIN_NOTIONAL", _NO_FILTER).notional),
        "expiry_time": expiry,
        "list_time": moment(one.onboard_date),
        "delist_time": ends if kind == "perpetual" else None,
        "asset_class": _CLASSES.get(one.underlying_type, "unknown"),
        "is_full_listing": False,
    }
    return fields | (limits_of(one.symbol, memory) if kind == "perpetual" else {})


def _margin(one: Listed) -> str:
    """Return what margin is in: the quote currency, the base currency, or another."""
    if one.margin_asset == one.quote_asset:
        return "linear"
    return "inverse" if one.margin_asset == one.base_asset else "quanto"


def _number(text: int | str | None) -> bytes | None:
    return None if text is None else encode(str(text))


def _decimals(text: str | None) -> int | None:
    """Return how many decimals a step has: `0.010` has two; a step of 0 says nothing."""
    if text is None or not text.strip("0."):
        return None
    return scale_of(text.rstrip("0")) if "." in text else 0
