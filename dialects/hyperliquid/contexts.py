"""Asset contexts: mark and oracle price, predicted funding and open interest of a perpetual, about once a second for each coin.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions (`activeAssetCtx`, `activeSpotAssetCtx`,
`allDexsAssetCtxs`) and https://hyperliquid.gitbook.io/hyperliquid-docs/trading/funding ("funding is paid every hour").

Each is whole, and most repeat the one before: an event is made where one of its own fields has changed. So what was told last is
remembered, and forgotten where a message did not come (dialects/memory.py). No context has a time.

`memory["merged|context|BTC"]` holds mark, oracle, funding, premium, open interest and when it is charged, as last told.
"""

from typing import Any

import msgspec

from dialects.contract import DecodedEvent, Fields, PartlyInvalid
from dialects.hyperliquid.numbers import Number, written
from dialects.hyperliquid.times import HOUR
from dialects.hyperliquid.universe import names_of
from dialects.judge import SKEW
from dialects.memory import MERGED, Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum

MOST_NAMED = 5
"""Contexts whose reasons are told of one message; of more, only how many there are."""


class _Perpetual(msgspec.Struct, rename="camel", gc=False):
    """`{"funding":"0.0000125","openInterest":"30650.1","premium":"-0.0003","oraclePx":"64262.0","markPx":"64255.7","midPx":null,…}`."""

    funding: Number
    open_interest: Number
    oracle_px: Number
    mark_px: Number
    premium: Number = None


class _Spot(msgspec.Struct, rename="camel", gc=False):
    """`{"dayNtlVlm":"8906.0","prevDayPx":"0.229","markPx":"0.2348","midPx":"0.2347","circulatingSupply":"598274725.27","coin":"@1"}`."""

    mark_px: Number


class _OfPerpetual(msgspec.Struct):
    coin: str
    ctx: _Perpetual


class _OfSpot(msgspec.Struct):
    coin: str
    ctx: _Spot


class _OfAll(msgspec.Struct):
    """`{"ctxs":[["",[{…},{…}]],["xyz",[{…}]]]}`: of each DEX a context for each coin, in the order of its universe."""

    ctxs: list[tuple[str, list[msgspec.Raw]]]


_decode_perpetual = msgspec.json.Decoder(_OfPerpetual, float_hook=str).decode
_decode_spot = msgspec.json.Decoder(_OfSpot, float_hook=str).decode
_decode_all = msgspec.json.Decoder(_OfAll).decode
_decode_context = msgspec.json.Decoder(_Perpetual, float_hook=str).decode


def name_of(coin: str) -> str:
    """Return the name of a coin's context in memory."""
    return f"{MERGED}context|{coin}"


def read_context(data: msgspec.Raw, received_at: int, memory: Memory) -> list[DecodedEvent]:
    """Return the events of `activeAssetCtx`; InvalidDatum and msgspec's errors where a value is none."""
    found = _decode_perpetual(data)
    return _told(found.coin, found.ctx, settles_at(received_at), memory)


def read_spot_context(data: msgspec.Raw, memory: Memory) -> list[DecodedEvent]:
    """Return the mark price of `activeSpotAssetCtx`; a pair has no oracle price, no funding and no open interest."""
    found = _decode_spot(data)
    name, mark = name_of(found.coin), written(found.ctx.mark_px)
    if memory.get(name) == [mark]:
        return []
    made = [DecodedEvent("mark_price", {"symbol": found.coin, "event_time": None, "mark_price": encode(mark)})]
    memory[name] = [mark]
    return made


def read_all_contexts(data: msgspec.Raw, received_at: int, memory: Memory) -> list[DecodedEvent]:
    """Return the events of `allDexsAssetCtxs`, whose contexts name no coin: each is its place in the universe of its DEX.

    PartlyInvalid with the others' events where a context cannot be read, or has no name yet.
    """
    made: list[DecodedEvent] = []
    refused: list[str] = []
    charged = settles_at(received_at)
    for dex, contexts in _decode_all(data).ctxs:
        names = names_of(dex, memory)
        if len(contexts) > len(names):
            refused.append(f"DEX {dex[:32]!r} has {len(contexts)} contexts, and {len(names)} coins are known of it")
        for coin, context in zip(names, contexts, strict=False):
            try:
                made += _told(coin, _decode_context(context), charged, memory)
            except (InvalidDatum, msgspec.MsgspecError, ValueError, RecursionError) as error:
                refused.append(f"{coin}: {error}")
    if refused:
        more = f"; and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
        raise PartlyInvalid(f"hyperliquid: {'; '.join(refused[:MOST_NAMED])}{more}", made)
    return made


def settles_at(received_at: int) -> int | None:
    """Return when the funding that is predicted will be charged: at the next full hour after receipt, for no context says its time.

    None around the full hour: our clock and the venue's may differ so much (SKEW) that it is not known which hour is meant.
    """
    passed = received_at % HOUR
    return received_at - passed + HOUR if SKEW <= passed < HOUR - SKEW else None


def _told(coin: str, context: _Perpetual, charged: int | None, memory: Memory) -> list[DecodedEvent]:
    name = name_of(coin)
    said = [
        written(context.mark_px),
        written(context.oracle_px),
        written(context.funding),
        None if context.premium is None else written(context.premium),
        written(context.open_interest),
        charged,
    ]
    before = memory.get(name)
    if before == said:
        return []
    if not isinstance(before, list) or len(before) != len(said):
        before = [None] * len(said)
    header: Fields = {"symbol": coin, "event_time": None}
    made = []
    if before[:2] != said[:2]:
        made.append(DecodedEvent("mark_price", header | _mark_price(context)))
    if before[2:4] != said[2:4] or before[5] != said[5]:
        made.append(DecodedEvent("funding_rate", header | _funding_rate(context, charged)))
    if before[4] != said[4]:
        made.append(DecodedEvent("open_interest", header | _open_interest(context)))
    memory[name] = said
    return made


def _mark_price(context: _Perpetual) -> Fields:
    """Return the mark price and the oracle's, which is the index (…/trading/robust-price-indices)."""
    return {"mark_price": encode(written(context.mark_px)), "index_price": encode(written(context.oracle_px))}


def _funding_rate(context: _Perpetual, charged: int | None) -> Fields:
    """Return the rate of the running hour, as an hour's fraction: an eighth of the eight hours' rate that the formula gives."""
    return {
        "rate": encode(written(context.funding)),
        "rate_kind": "predicted",
        "interval_s": 3600,
        "settles_at": charged,
        "premium": None if context.premium is None else encode(written(context.premium)),
        "model": "discrete",
        "raw_field": "funding",
    }


def _open_interest(context: _Perpetual) -> dict[str, Any]:
    """Return one side, in coins (…/trading/contract-specifications: "1 unit of underlying spot asset")."""
    size = encode(written(context.open_interest))
    return {"oi_native": size, "oi_native_unit": "base", "oi_base": size, "sides": "single"}
