"""Liquidations of perpetuals and futures.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-liquidation-orders-channel: "This data doesn't represent the total number of
liquidations on OKX", and it "is not necessarily in chronological order". `side` is that of the order, `posSide` the position's; of a
position in net mode the order's side says whose it was. `bkPx` is the price of bankruptcy, no fill's, and so makes no amount in another
currency; the page has it for futures and swaps only, so what comes without is refused.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from dialects.contract import Shape
from dialects.memory import Memory
from dialects.okx.numbers import nearest_or_none
from dialects.okx.times import Millis, microseconds
from schemas.decimals import encode

_CLOSED = {"sell": "long", "buy": "short"}
"""The order's side → whose position it closes."""
_POSITIONS = {"long": "long", "short": "short"}


class _Detail(msgspec.Struct, rename="camel", gc=False):
    side: str
    pos_side: str
    bk_px: str
    sz: str
    ts: Millis
    bk_loss: str = ""


class _Instrument(msgspec.Struct, rename="camel"):
    inst_id: str
    details: list[_Detail]
    inst_type: str = ""


class _Liquidations(msgspec.Struct):
    data: list[_Instrument]


class _Row(NamedTuple):
    symbol: str
    product: str
    detail: _Detail


_decode = msgspec.json.Decoder(_Liquidations, strict=False).decode


def _liquidations(payload: bytes, _memory: Memory) -> list[_Row]:
    return [_Row(one.inst_id, one.inst_type, detail) for one in _decode(payload).data for detail in one.details]


def _columns(rows: Sequence[_Row]) -> dict[str, Any]:
    details, sizes = [one.detail for one in rows], [encode(one.detail.sz) for one in rows]
    return {
        "symbol": [one.symbol for one in rows],
        "event_time": [microseconds(detail.ts) for detail in details],
        "liquidated_side": [_POSITIONS.get(detail.pos_side) or _CLOSED.get(detail.side, "unknown") for detail in details],
        "order_side": [detail.side if detail.side in _CLOSED else "unknown" for detail in details],
        "price": [encode(detail.bk_px) for detail in details],
        "price_kind": "bankruptcy",
        "size_native": sizes,
        "size_base": [size if one.product == "MARGIN" else None for one, size in zip(rows, sizes, strict=True)],
        "bankruptcy_loss": [nearest_or_none(detail.bk_loss) for detail in details],
        "completeness": "partial",
        "source": "order_stream",
    }


LIQUIDATIONS = Shape("liquidation", _liquidations, _columns)
