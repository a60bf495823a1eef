"""Mark prices, indices, estimated prices of settlement, and open interest.

Sources: https://www.okx.com/docs-v5/en/#public-data-websocket-mark-price-channel and its neighbours `index-tickers`, `open-interest`,
`estimated-delivery-exercise-settlement-price`. REST lists them in the same rows.

An index has an id of its own, spelled as a pair, and is told under it: no mark price carries it. Of two mark prices with one time the
later holds. `oi` counts contracts, each once, as a number of open contracts does; `oiCcy` and `oiUsd` are
its value, which the venue reckons.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dialects.contract import Shape
from dialects.okx.numbers import nearest, nearest_or_none
from dialects.okx.times import Millis, microseconds
from schemas.decimals import encode


class _Mark(msgspec.Struct, rename="camel", gc=False):
    inst_id: str
    mark_px: str
    ts: Millis


class _Index(msgspec.Struct, rename="camel", gc=False):
    inst_id: str
    idx_px: str
    ts: Millis


class _Estimate(msgspec.Struct, rename="camel", gc=False):
    inst_id: str
    settle_px: str
    ts: Millis


class _OpenInterest(msgspec.Struct, rename="camel", gc=False):
    inst_id: str
    oi: str
    ts: Millis
    oi_ccy: str = ""
    oi_usd: str = ""


def _head(rows: Sequence[Any]) -> dict[str, Any]:
    return {"symbol": [one.inst_id for one in rows], "event_time": [microseconds(one.ts) for one in rows]}


def _marks(rows: Sequence[_Mark]) -> dict[str, Any]:
    return _head(rows) | {"mark_price": [nearest(one.mark_px) for one in rows]}


def _indices(rows: Sequence[_Index]) -> dict[str, Any]:
    return _head(rows) | {"index_price": [nearest(one.idx_px) for one in rows], "index_name": [one.inst_id for one in rows]}


def _estimates(rows: Sequence[_Estimate]) -> dict[str, Any]:
    return _head(rows) | {"estimated_settlement_price": [nearest(one.settle_px) for one in rows]}


def _open_interest(rows: Sequence[_OpenInterest]) -> dict[str, Any]:
    return _head(rows) | {
        "oi_native": [encode(one.oi) for one in rows],
        "oi_native_unit": "contract",
        "oi_base": [nearest_or_none(one.oi_ccy) for one in rows],
        "oi_quote": [nearest_or_none(one.oi_usd) for one in rows],
        "sides": "single",
    }


def _shape(event: str, row: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    rows: Any = msgspec.defstruct(f"_{row.__name__}s", [("data", list[row])])
    decode = msgspec.json.Decoder(rows, strict=False).decode
    return Shape(event, lambda payload, _memory: decode(payload).data, columns)


MARKS = _shape("mark_price", _Mark, _marks)
INDICES = _shape("mark_price", _Index, _indices)
ESTIMATES = _shape("mark_price", _Estimate, _estimates)
OPEN_INTEREST = _shape("open_interest", _OpenInterest, _open_interest)
