"""What OKX reckons of each option of a family: volatilities, and greeks by two conventions, which are two events.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-option-summary-channel: `delta`, `gamma`, `vega`, `theta` are of the price
in the base currency, those with `BS` of the Black-Scholes price in US dollars. Volatilities are fractions. `realVol` is not used by the
venue; strike and expiry it says in the list of instruments alone. No page says for which time theta is, nor in which step vega.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from dialects.contract import Shape
from dialects.memory import Memory
from dialects.okx.numbers import nearest_or_none
from dialects.okx.times import Millis, microseconds

Convention = Literal["black_scholes", "price_adjusted"]
_Text = str | None


class _Summary(msgspec.Struct, rename="camel", gc=False):
    inst_id: str
    ts: Millis
    uly: str = ""
    fwd_px: _Text = ""
    mark_vol: _Text = ""
    bid_vol: _Text = ""
    ask_vol: _Text = ""
    delta: _Text = ""
    gamma: _Text = ""
    vega: _Text = ""
    theta: _Text = ""
    delta_black: _Text = msgspec.field(name="deltaBS", default="")
    gamma_black: _Text = msgspec.field(name="gammaBS", default="")
    vega_black: _Text = msgspec.field(name="vegaBS", default="")
    theta_black: _Text = msgspec.field(name="thetaBS", default="")

    def greeks(self, convention: Convention) -> tuple[_Text, _Text, _Text, _Text]:
        """Return delta, gamma, vega and theta by a convention."""
        if convention == "black_scholes":
            return self.delta_black, self.gamma_black, self.vega_black, self.theta_black
        return self.delta, self.gamma, self.vega, self.theta


class _Summaries(msgspec.Struct):
    data: list[_Summary]


_CONVENTIONS: tuple[Convention, ...] = ("black_scholes", "price_adjusted")
_decode = msgspec.json.Decoder(_Summaries, strict=False).decode
Row = tuple[_Summary, Convention]


def _summaries(payload: bytes, _memory: Memory) -> list[Row]:
    return [(one, convention) for one in _decode(payload).data for convention in _CONVENTIONS]


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "symbol": [one.inst_id for one, _ in rows],
        "event_time": [microseconds(one.ts) for one, _ in rows],
        "underlying": [one.uly or None for one, _ in rows],
        "underlying_price": [nearest_or_none(one.fwd_px) for one, _ in rows],
        "underlying_kind": "forward",
        "bid_iv": [nearest_or_none(one.bid_vol) for one, _ in rows],
        "ask_iv": [nearest_or_none(one.ask_vol) for one, _ in rows],
        "mark_iv": [nearest_or_none(one.mark_vol) for one, _ in rows],
        "greeks_convention": [convention for _, convention in rows],
    }
    greeks = [one.greeks(convention) for one, convention in rows]
    for place, name in enumerate(("delta", "gamma", "vega", "theta")):
        columns[name] = [nearest_or_none(found[place]) for found in greeks]
    return columns


SUMMARIES = Shape("option_summary", _summaries, _columns)
