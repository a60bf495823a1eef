"""Tickers of linear and inverse contracts: a snapshot, then what changed, merged into what the venue says at each moment.

Source: https://bybit-exchange.github.io/docs/v5/websocket/public/ticker: "If a response param is not found in the message, then its
value has not changed." So a merged value is the venue's word at the time of the message, not an old one carried on, as long as every
message came: after one that did not, what was said is forgotten (dialects/memory.py), and told anew as the venue says it. An event is made
when one of its own fields has changed, and not before the venue has said what it cannot be without; what else it has not said is null.

`memory["merged|ticker|BTCUSDT"]` holds the texts last said, by field; a snapshot replaces them.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from dialects.bybit.market import Market
from dialects.bybit.times import Millis, microseconds, moment
from dialects.contract import DecodedEvent, Fields
from dialects.memory import MERGED, Memory
from schemas.decimals import SCALE, encode, from_bytes, to_bytes, unscaled
from schemas.errors import InvalidDatum

_Text = str | int | None | UnsetType
"""A value, null or "" where there is none, unset where it has not changed. Documented as text; whole numbers are read as well."""
LONGEST_HOURS = 24 * 366
_ONE: int = 10**SCALE


class _Ticker(msgspec.Struct, rename="camel"):
    """The fields that become events; all others are left."""

    symbol: str
    mark_price: _Text = UNSET
    index_price: _Text = UNSET
    predicted_delivery_price: _Text = UNSET
    funding_rate: _Text = UNSET
    next_funding_time: _Text = UNSET
    funding_interval_hour: _Text = UNSET
    funding_cap: _Text = UNSET
    open_interest: _Text = UNSET
    single_open_interest: _Text = UNSET
    single_open_interest_value: _Text = UNSET


FIELDS = tuple(name for name in _Ticker.__struct_fields__ if name != "symbol")
_NOTHING: dict[str, str] = dict.fromkeys(FIELDS, "")


class TickerMessage(msgspec.Struct):
    """One message of `tickers.{symbol}`; spot sends snapshots alone.

    `{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"64255.71"},"cs":1,"ts":1790000000030}`
    """

    type: Literal["snapshot", "delta"]
    ts: Millis
    data: _Ticker


Said = dict[str, str]
"""What the venue says of a symbol, by its field's name: its text, "" where it says that there is none.

A field that is missing is not known: a snapshot says of all fields that it leaves out that there is none, a delta says nothing of them.
"""


def name_of(symbol: str) -> str:
    """Return the name of a symbol's ticker in memory."""
    return f"{MERGED}ticker|{symbol}"


def read_ticker(message: TickerMessage, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the events of a message. Raises InvalidDatum where a value is none; what was said before then stays.

    Without a snapshot (a recording that begins later, a message that did not come) what has not been said yet is null.
    """
    data = message.data
    said = {name: "" if value is None else str(value) for name in FIELDS if (value := getattr(data, name)) is not UNSET}
    name = name_of(data.symbol)
    before: Said = memory.get(name) or {}
    after = _NOTHING | said if message.type == "snapshot" else before | said
    if after == before:
        return []
    header = {"symbol": data.symbol, "event_time": microseconds(message.ts)}
    made = []
    for event, fields_of in (("mark_price", _mark_price), ("funding_rate", _funding_rate), ("open_interest", _open_interest)):
        now = fields_of(after, market)
        if now is not None and now != fields_of(before, market):
            made.append(DecodedEvent(event, header | now))
            memory.depends(name, made[-1].fields)
    memory[name] = after
    return made


def _number(said: Said, name: str) -> bytes | None:
    text = said.get(name, "")
    return encode(text) if text else None


def _mark_price(said: Said, _market: Market) -> Fields | None:
    """Return the fields of a mark price; the last price is not among them, trades say it."""
    delivery = _number(said, "predicted_delivery_price")
    fields = {
        "mark_price": _number(said, "mark_price"),
        "index_price": _number(said, "index_price"),
        "estimated_settlement_price": delivery if delivery and from_bytes(delivery) else None,
    }
    return fields if any(value is not None for value in fields.values()) else None


def _funding_rate(said: Said, _market: Market) -> Fields | None:
    """Return what a perpetual will charge at `nextFundingTime`; futures that are delivered have an empty rate."""
    rate, cap = _number(said, "funding_rate"), _number(said, "funding_cap")
    settles_at, interval = moment(said.get("next_funding_time")), _interval(said.get("funding_interval_hour", ""))
    if rate is None:
        return None
    return {
        "rate": rate,
        "rate_kind": "predicted",
        "interval_s": interval,
        "settles_at": settles_at,
        "cap": cap,
        "floor": None if cap is None else to_bytes(-from_bytes(cap)),
        "model": "discrete",
        "raw_field": "fundingRate",
    }


def _interval(hours: str) -> int | None:
    """Return hours, which the venue writes as text, in seconds."""
    if not hours:
        return None
    seconds, rest = divmod(unscaled(hours) * 3600, _ONE)
    if rest or not 0 < seconds <= LONGEST_HOURS * 3600:
        raise InvalidDatum(f"{hours!r} is not a number of hours between fundings")
    return seconds


def _open_interest(said: Said, market: Market) -> Fields | None:
    """Return one side, as other venues count, by `singleOpenInterest` and its value: base and quote of linear, quote and base of inverse.

    `openInterest` counts both sides (changelog of 2026-06-11, https://bybit-exchange.github.io/docs/changelog/v5); it stands in where
    a snapshot has no other, as before that day: what it counted then is not written anywhere, so nothing is derived from it. Where one
    side is not known (`Said`) both stand in for nothing: the venue counts one, and a message that did not come may have said it.
    """
    if "single_open_interest" not in said:
        return None
    unit = "base" if market.unit == "base" else "usd"
    single, value, both = (_number(said, name) for name in ("single_open_interest", "single_open_interest_value", "open_interest"))
    if single is None:
        return None if both is None else {"oi_native": both, "oi_native_unit": unit, "sides": "unknown"}
    base, quote = (single, value) if market.unit == "base" else (value, single)
    fields: dict[str, Any] = {"oi_native": single, "oi_native_unit": unit, "oi_base": base, "oi_quote": quote, "sides": "single"}
    return fields
