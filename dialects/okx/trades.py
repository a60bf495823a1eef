"""Trades: one by one as `trades-all` pushes them and REST lists them, summed up as `trades` does, and blocks.

Sources: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-all-trades-channel ("Every update contain only one trade"),
…-ws-trades-channel (one message for each taker order and price, of which `count` trades end at `tradeId`), …-get-trades-history,
https://www.okx.com/docs-v5/en/#block-trading-websocket-public-channel-public-block-trades-channel (a quarter of an hour later).

Trades of an instrument are numbered by one: a message of `trades` with id 123 and count 3 stands for 121 to 123. So what is asked for is
`trades-all`, whose numbers REST repeats; a message of `trades` is read, and proves nothing. Blocks have ids of another count.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from dialects.contract import Shape
from dialects.memory import Memory
from dialects.okx.contracts import Contract, amounts, contract_of, unit_of
from dialects.okx.numbers import nearest_or_none
from dialects.okx.times import Millis, microseconds
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_SIDES = {"buy": "buy", "sell": "sell"}
"""The taker's side."""
_ENHANCED = "1"
"""`source` of a trade with an order of the Enhanced Liquidity Program, which `books` does not show: OKX's price improvement."""
_LARGEST = 2**63 - 1


class Trade(msgspec.Struct, gc=False):
    """`{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12","side":"buy","source":"0","ts":"1630048897897"}`."""

    symbol: str = msgspec.field(name="instId")
    id: str = msgspec.field(name="tradeId")
    price: str = msgspec.field(name="px")
    size: str = msgspec.field(name="sz")
    side: str
    ts: Millis
    source: str = "0"


class Block(msgspec.Struct, gc=False):
    """One leg of a block."""

    symbol: str = msgspec.field(name="instId")
    id: str = msgspec.field(name="tradeId")
    price: str = msgspec.field(name="px")
    size: str = msgspec.field(name="sz")
    side: str
    ts: Millis
    volatility: str = msgspec.field(name="fillVol", default="")
    index_price: str = msgspec.field(name="idxPx", default="")
    mark_price: str = msgspec.field(name="markPx", default="")
    group: str = msgspec.field(name="groupId", default="")


class _Trades(msgspec.Struct):
    data: list[Trade]


class _Blocks(msgspec.Struct):
    data: list[Block]


Row = tuple[Any, Contract | None]
"""A trade or a leg, and what a contract of it holds."""
_decode = msgspec.json.Decoder(_Trades, strict=False).decode
_decode_blocks = msgspec.json.Decoder(_Blocks, strict=False).decode
"""Not strict: times are text."""


def _trades(payload: bytes, memory: Memory) -> list[Row]:
    return [(one, contract_of(one.symbol, memory)) for one in _decode(payload).data]


def _oldest_first(payload: bytes, memory: Memory) -> list[Row]:
    return _trades(payload, memory)[::-1]


def _blocks(payload: bytes, memory: Memory) -> list[Row]:
    return [(one, contract_of(one.symbol, memory)) for one in _decode_blocks(payload).data]


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    prices, sizes = [encode(one.price) for one, _ in rows], [encode(one.size) for one, _ in rows]
    columns: dict[str, Any] = {
        "symbol": [one.symbol for one, _ in rows],
        "event_time": [microseconds(one.ts) for one, _ in rows],
        "trade_id": [one.id for one, _ in rows],
        "sequence": None,
        "price": prices,
        "size": sizes,
        "side": [_SIDES.get(one.side, "unknown") for one, _ in rows],
        "replayed": False,
        "size_unit": [unit_of(one.symbol) for one, _ in rows],
    }
    if any(contract is not None for _, contract in rows):
        found = [amounts(one.symbol, contract, price, size) for (one, contract), price, size in zip(rows, prices, sizes, strict=True)]
        columns["size_base"], columns["size_quote"] = [base for base, _ in found], [other for _, other in found]
    else:
        columns["size_base"] = columns["size_quote"] = None
    return columns


def _summed(rows: Sequence[Row]) -> dict[str, Any]:
    return _columns(rows) | {"trade_kind": ["rpi" if one.source == _ENHANCED else "normal" for one, _ in rows]}


def _counted(rows: Sequence[Row]) -> dict[str, Any]:
    return _summed(rows) | {"sequence": [_number(one.id) for one, _ in rows]}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > _LARGEST:
        raise InvalidDatum(f"the trade id {text[:40]!r} is no number, by which trades are counted")
    return int(text)


def _of_blocks(rows: Sequence[Row]) -> dict[str, Any]:
    return _columns(rows) | {
        "trade_kind": "block",
        "block_id": [one.group or None for one, _ in rows],
        "mark_price": [nearest_or_none(one.mark_price) for one, _ in rows],
        "index_price": [nearest_or_none(one.index_price) for one, _ in rows],
        "implied_volatility": [nearest_or_none(one.volatility) for one, _ in rows],
    }


TRADES = Shape("trade", _trades, _counted)
SUMMED_TRADES = Shape("trade", _trades, _summed)
BLOCK_TRADES = Shape("trade", _blocks, _of_blocks)
LISTED_TRADES = Shape("trade", _oldest_first, _counted)
"""As REST lists them, the newest first."""
