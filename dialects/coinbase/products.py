"""Products as Advanced Trade lists them over REST: pairs of spot, and the contracts of Coinbase Derivatives (CDE).

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products. Of contracts the venue's own
list of 2026-04 says: `contract_expiry_type` is EXPIRING of a perpetual too, which expires in 2030, and dated futures have
`perpetual_details`; what tells a perpetual is that it has a funding rate. Sizes of contracts count contracts of `contract_size` of
`contract_root_unit`, settled in US dollars.
"""

from typing import Any

import msgspec

from dialects.coinbase.numbers import decimals, number
from dialects.coinbase.times import interval_seconds, moment
from dialects.instruments import Kind, canonical_name

_STATUSES = {"online": "trading", "offline": "suspended", "internal": "suspended", "delisted": "delisted"}
_SESSIONS = {
    "FCM_TRADING_SESSION_STATE_OPEN": "trading",
    "FCM_TRADING_SESSION_STATE_PRE_OPEN": "pre_open",
    "FCM_TRADING_SESSION_STATE_PRE_OPEN_NO_CANCEL": "pre_open",
    "FCM_TRADING_SESSION_STATE_CLOSE": "suspended",
}
_ASSETS = {"FUTURES_ASSET_TYPE_CRYPTO": "crypto"}
_Text = str | None


class Maintenance(msgspec.Struct):
    """When the exchange of a contract will be away."""

    start_time: _Text = None
    end_time: _Text = None


class TradingSession(msgspec.Struct):
    """Whether a contract trades now (`fcm_trading_session_details`)."""

    session_state: _Text = None
    open_time: _Text = None
    close_time: _Text = None
    closed_reason: _Text = None
    maintenance: Maintenance | None = None


class Contract(msgspec.Struct):
    """What a contract is, and what it stands at (`future_product_details`)."""

    contract_expiry: _Text = None
    contract_expiry_type: _Text = None
    contract_size: _Text = None
    contract_root_unit: _Text = None
    funding_interval: _Text = None
    funding_rate: _Text = None
    funding_time: _Text = None
    open_interest: _Text = None
    index_price: _Text = None
    futures_asset_type: _Text = None

    @property
    def is_perpetual(self) -> bool:
        """Whether it is funded."""
        return bool(self.funding_rate) or self.contract_expiry_type == "PERPETUAL"


class Listed(msgspec.Struct):
    """One product; the fields that become events."""

    product_id: str
    product_type: str
    base_currency_id: _Text = None
    quote_currency_id: _Text = None
    base_increment: _Text = None
    quote_increment: _Text = None
    price_increment: _Text = None
    base_min_size: _Text = None
    base_max_size: _Text = None
    quote_min_size: _Text = None
    status: _Text = None
    is_disabled: bool = False
    trading_disabled: bool = False
    view_only: bool = False
    cancel_only: bool = False
    post_only: bool = False
    auction_mode: bool = False
    fcm_trading_session_details: TradingSession | None = None
    future_product_details: Contract | None = None


decode = msgspec.json.Decoder(Listed).decode


def instrument(listed: msgspec.Raw) -> dict[str, Any]:
    """Return a product's instrument; InvalidDatum and msgspec's errors where it is none."""
    one = decode(listed)
    contract = one.future_product_details
    tick = one.price_increment or one.quote_increment
    session = one.fcm_trading_session_details
    fields = {
        "symbol": one.product_id,
        "quote": one.quote_currency_id or None,
        "settle": one.quote_currency_id or None,
        "price_scale": decimals(tick),
        "size_scale": decimals(one.base_increment),
        "status": one.status or (session.session_state if session is not None else None) or None,
        "trading_status": _status(one),
        "tick_size": number(tick),
        "lot_size": number(one.base_increment),
        "min_size": number(one.base_min_size),
        "max_size": number(one.base_max_size),
    }
    return fields | (_spot(one) if contract is None else _future(one, contract))


def _spot(one: Listed) -> dict[str, Any]:
    base, spot = one.base_currency_id or None, one.product_type == "SPOT"
    return {
        "base": base,
        "kind": "spot" if spot else "unknown",
        "canonical_name": canonical_name("spot", base, one.quote_currency_id) if spot else None,
        "margin_type": "none" if spot else "unknown",
        "min_notional": number(one.quote_min_size),
    }


def _future(one: Listed, contract: Contract) -> dict[str, Any]:
    kind: Kind = "perpetual" if contract.is_perpetual else "future"
    base, expires = contract.contract_root_unit or None, moment(contract.contract_expiry)
    return {
        "base": base,
        "kind": kind,
        "underlying": base,
        "canonical_name": canonical_name(kind, base, one.quote_currency_id, expiry_time=expires),
        "margin_type": "linear",
        "contract_size": number(contract.contract_size),
        "contract_size_unit": "base" if contract.contract_size else "unknown",
        "expiry_time": expires,
        "funding_interval_s": interval_seconds(contract.funding_interval) if contract.is_perpetual else None,
        "asset_class": _ASSETS.get(contract.futures_asset_type or "", "unknown"),
    }


def _status(one: Listed) -> str:
    session = one.fcm_trading_session_details
    if one.status or session is None:
        status = _STATUSES.get(one.status or "", "unknown")
    else:
        status = _SESSIONS.get(session.session_state or "", "unknown")
    if status not in {"trading", "unknown"}:
        return status
    if one.is_disabled or one.trading_disabled or one.cancel_only or one.view_only:
        return "suspended"
    return "auction" if one.auction_mode else "post_only" if one.post_only else status
