"""Instruments as `/v5/market/instruments-info` lists them: those that trade now, unless a status is asked for.

Sources: https://bybit-exchange.github.io/docs/v5/market/instrument and
https://bybit-exchange.github.io/docs/v5/enum (`contractType`, `status`, `symbolType`, `curAuctionPhase`).
"""

from typing import Annotated, Any

import msgspec

from dialects.bybit.market import Market
from dialects.bybit.times import moment
from dialects.instruments import Kind, canonical_name
from schemas.decimals import encode, scale_of

_KINDS: dict[str, Kind] = {
    "LinearPerpetual": "perpetual",
    "InversePerpetual": "perpetual",
    "LinearFutures": "future",
    "InverseFutures": "future",
}
_STATUSES = {"PreLaunch": "pre_open", "Trading": "trading", "Delivering": "settling"}
_PHASES = {
    "NotStarted": "pre_open",
    "CallAuction": "auction",
    "CallAuctionNoCancel": "auction",
    "CrossMatching": "auction",
    "ContinuousTrading": "trading",
    "Finished": "delisted",
}
"""A contract before its launch (`PreLaunch`) is auctioned, and may then trade."""
_ASSETS = {"": "crypto", "innovation": "crypto", "adventure": "crypto", "xstocks": "equity"}
_ONE = encode("1")
_Text = str | None
"""A value, "" or null where there is none."""
_Minutes = Annotated[int, msgspec.Meta(ge=0, le=60 * 24 * 366)]


class _Price(msgspec.Struct, rename="camel"):
    tick_size: _Text = ""


class _Lot(msgspec.Struct, rename="camel"):
    qty_step: _Text = ""
    base_precision: _Text = ""
    min_order_qty: _Text = ""
    max_order_qty: _Text = ""
    max_limit_order_qty: _Text = ""
    min_notional_value: _Text = ""
    min_order_amt: _Text = ""


class _Auction(msgspec.Struct, rename="camel"):
    cur_auction_phase: _Text = ""


class Listed(msgspec.Struct, rename="camel"):
    """One instrument of any market; what a market does not say is empty."""

    symbol: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: _Price
    lot_size_filter: _Lot
    contract_type: _Text = ""
    settle_coin: _Text = ""
    price_scale: _Text = ""
    launch_time: _Text = ""
    delivery_time: _Text = ""
    funding_interval: _Minutes | None = None
    upper_funding_rate: _Text = ""
    lower_funding_rate: _Text = ""
    symbol_type: _Text = None
    underlying_ticker: _Text = ""
    pre_listing_info: _Auction | None = None


_decode = msgspec.json.Decoder(Listed).decode


class InstrumentList(msgspec.Struct, rename="camel"):
    """The result of a request; spot has no cursor."""

    list: list[msgspec.Raw]
    next_page_cursor: _Text = ""


def instrument(listed: msgspec.Raw, market: Market) -> dict[str, Any]:
    """Return an instrument's fields. Sizes and limits are in the market's unit; InvalidDatum and msgspec's errors where it is none.

    `deliveryTime` is when a future expires, and when a perpetual is taken off; "0": not known, or never.
    """
    one = _decode(listed)
    spot = market.category == "spot"
    kind: Kind = "spot" if spot else _KINDS.get(one.contract_type or "", "unknown")
    ends = moment(one.delivery_time)
    expiry = ends if kind == "future" else None
    lot, tick = one.lot_size_filter, one.price_filter.tick_size
    step = lot.base_precision if spot else lot.qty_step
    return {
        "symbol": one.symbol,
        "base": one.base_coin,
        "quote": one.quote_coin,
        "settle": one.quote_coin if spot else one.settle_coin or None,
        "underlying": one.underlying_ticker or None,
        "price_scale": _price_scale(one),
        "size_scale": _scale(step),
        "status": one.status,
        "trading_status": _status(one, kind),
        "canonical_name": canonical_name(kind, one.base_coin, one.quote_coin, expiry_time=expiry),
        "kind": kind,
        "margin_type": "none" if spot else market.category,
        "contract_size": None if spot else _ONE,
        "contract_size_unit": "unknown" if spot else market.unit,
        "tick_size": _number(tick),
        "lot_size": _number(step),
        "min_size": _number(lot.min_order_qty),
        "max_size": _number(lot.max_limit_order_qty or lot.max_order_qty),
        "min_notional": _number(lot.min_notional_value or lot.min_order_amt),
        "expiry_time": expiry,
        "list_time": moment(one.launch_time),
        "delist_time": ends if kind == "perpetual" else None,
        "funding_interval_s": one.funding_interval * 60 if kind == "perpetual" and one.funding_interval else None,
        "funding_rate_cap": _number(one.upper_funding_rate),
        "funding_rate_floor": _number(one.lower_funding_rate),
        "asset_class": "unknown" if one.symbol_type is None else _ASSETS.get(one.symbol_type, "unknown"),
        "is_full_listing": False,
    }


def _status(one: Listed, kind: Kind) -> str:
    if one.status == "PreLaunch" and one.pre_listing_info is not None:
        return _PHASES.get(one.pre_listing_info.cur_auction_phase or "", "pre_open")
    if one.status == "Closed":
        return "delivered" if kind == "future" else "delisted"
    return _STATUSES.get(one.status, "unknown")


def _number(text: _Text) -> bytes | None:
    return encode(text) if text else None


def _scale(step: _Text) -> int | None:
    """Return the decimals of a step: `0.001` has three."""
    return scale_of(step) if step else None


def _price_scale(one: Listed) -> int | None:
    """Return the decimals of a price: those that contracts say, else the tick's."""
    said = one.price_scale or ""
    return int(said) if said.isascii() and said.isdigit() and len(said) < 3 else _scale(one.price_filter.tick_size)
