"""Instruments as `/api/v5/public/instruments` lists them, a product at a time.

Source: https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments. Base and quote of a contract are those of its underlying
(`uly`), for its own are empty. Sizes count contracts, of spot base currency. `expTime` is when a future or an option expires, and when
any other is taken off. Of options `tickSz` is the least of several bands. What is delisted is no longer listed; what is about to be
listed may have empty fields.
"""

from typing import Any

import msgspec

from dialects.answers import check_answer
from dialects.instruments import Kind, OptionType, canonical_name
from dialects.memory import Memory
from dialects.okx.contracts import name_of
from dialects.okx.names import CONTRACTS
from dialects.okx.numbers import product
from dialects.okx.times import moment
from schemas.decimals import encode, from_bytes, scale_of

_KINDS: dict[str, Kind] = {"SPOT": "spot", "MARGIN": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}
_STATUSES = {
    "live": "trading",
    "suspend": "suspended",
    "rebase": "suspended",
    "test": "suspended",
    "post_only": "post_only",
    "preopen": "pre_open",
    "settling": "settling",
    "expired": "delivered",
}
_ASSETS = {"1": "crypto", "3": "equity", "4": "commodity", "5": "forex", "6": "bond"}
_OPTIONS: dict[str, OptionType] = {"C": "call", "P": "put"}
_Text = str | None


class _Change(msgspec.Struct, rename="camel"):
    param: str
    new_value: str
    eff_time: str = ""


class _Listed(msgspec.Struct, rename="camel"):
    inst_type: str
    inst_id: str
    state: str
    base_ccy: _Text = ""
    quote_ccy: _Text = ""
    settle_ccy: _Text = ""
    uly: _Text = ""
    ct_val: _Text = ""
    ct_mult: _Text = ""
    ct_val_ccy: _Text = ""
    ct_type: _Text = ""
    opt_type: _Text = ""
    stk: _Text = ""
    tick_sz: _Text = ""
    lot_sz: _Text = ""
    min_sz: _Text = ""
    max_lmt_sz: _Text = ""
    list_time: _Text = ""
    exp_time: _Text = ""
    inst_category: _Text = ""
    upc_chg: list[_Change] = []


class InstrumentList(msgspec.Struct):
    """What is listed, read one by one: what cannot be read costs no other."""

    data: list[msgspec.Raw]


_decode = msgspec.json.Decoder(_Listed).decode


def instrument(listed: msgspec.Raw, memory: Memory | None = None, asked: str = "") -> dict[str, Any]:
    """Return an instrument's fields; what its contract holds is noted in a memory.

    InvalidDatum and msgspec's errors where it is none, or another than the one that was asked for.
    """
    one = _decode(listed)
    check_answer("an instrument", asked, (one.inst_id,))
    kind = _KINDS.get(one.inst_type, "unknown")
    base, other = _pair(one)
    size = product(encode(one.ct_val), encode(one.ct_mult or "1")) if one.ct_val else None
    unit = _unit(one, base, other) if size else "unknown"
    ends = moment(one.exp_time)
    expiry = ends if kind in {"future", "option"} else None
    option = _OPTIONS.get(one.opt_type or "", "unknown") if kind == "option" else "none"
    fields = {
        "symbol": one.inst_id,
        "event_time": None,
        "base": base,
        "quote": other,
        "settle": one.settle_ccy or (other if kind == "spot" else None),
        "underlying": one.uly or None,
        "price_scale": _scale(one.tick_sz),
        "size_scale": _scale(one.lot_sz),
        "status": one.state,
        "trading_status": _STATUSES.get(one.state, "unknown"),
        "canonical_name": canonical_name(kind, base, other, expiry_time=expiry, strike=one.stk or None, option_type=option),
        "kind": kind,
        "margin_type": _margin(one, kind, base, other),
        "contract_size": size,
        "contract_size_unit": unit,
        "tick_size": _number(one.tick_sz),
        "lot_size": _number(one.lot_sz),
        "min_size": _number(one.min_sz),
        "max_size": _number(one.max_lmt_sz),
        "expiry_time": expiry,
        "list_time": moment(one.list_time),
        "delist_time": None if expiry is not None else ends,
        "strike": _number(one.stk) if kind == "option" else None,
        "option_type": option,
        "exercise_style": "unknown" if kind == "option" else "none",
        "asset_class": _ASSETS.get(one.inst_category or "", "unknown"),
        "upcoming_parameters": [change.param for change in one.upc_chg],
        "upcoming_values": [change.new_value for change in one.upc_chg],
        "upcoming_times": [change.eff_time for change in one.upc_chg],
        "is_full_listing": False,
    }
    if memory is not None and size is not None and from_bytes(size) > 0 and unit in {"base", "quote"} and one.inst_type in CONTRACTS:
        name, fact = name_of(one.inst_id), [str(from_bytes(size)), unit]
        if memory.get(name) != fact:
            memory[name] = fact
            memory.depends(name, fields)
    return fields


def _pair(one: _Listed) -> tuple[str | None, str | None]:
    if one.base_ccy or one.quote_ccy:
        return one.base_ccy or None, one.quote_ccy or None
    base, _, other = (one.uly or "").partition("-")
    return base or None, other or None


def _unit(one: _Listed, base: str | None, other: str | None) -> str:
    """Return in what a contract's size is: `ctValCcy`, which is one of the underlying's two currencies."""
    if one.ct_val_ccy == base:
        return "base"
    if one.ct_val_ccy == other:
        return "quote"
    return "usd" if one.ct_val_ccy == "USD" else "unknown"


def _margin(one: _Listed, kind: Kind, base: str | None, other: str | None) -> str:
    """Return the contract's type as the venue says it; of options, which have none, by the currency in which they are settled."""
    if kind == "spot":
        return "none"
    if one.ct_type in {"linear", "inverse"}:
        return one.ct_type
    return "inverse" if one.settle_ccy and one.settle_ccy == base else "linear" if one.settle_ccy and one.settle_ccy == other else "unknown"


def _number(text: _Text) -> bytes | None:
    return encode(text) if text else None


def _scale(step: _Text) -> int | None:
    """Return the decimals of a step: `0.001` has three."""
    return scale_of(step) if step else None
