"""What Binance spot sends, and the events made of it. How it is asked for and heard stands in binance.py.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (frames) and
https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (depth, historicalTrades).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson

from dialects.contract import Frame, Made, Shape
from dialects.records import Side, book_delta, single, trade
from schemas.decimals import encode
from schemas.errors import InvalidDatum

FIRST_MICROSECOND = 10**14
"""A time from here on is in microseconds: as milliseconds it is past the year 5138."""

_TAKER: tuple[Side, Side] = ("buy", "sell")
"""The taker's side, by whether the buyer was the maker (`m`)."""
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Levels = list[tuple[str, str]]


class _Trade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    s: str
    t: _Whole
    p: str
    q: str
    T: _Whole
    m: bool


class _AggregateTrade(msgspec.Struct, gc=False, tag_field="e", tag="aggTrade"):
    s: str
    a: _Whole
    p: str
    q: str
    T: _Whole
    m: bool


class _Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    E: _Whole
    s: str
    U: _Whole
    u: _Whole
    b: _Levels
    a: _Levels


class _Quote(msgspec.Struct, gc=False):
    u: _Whole
    s: str
    b: str
    B: str
    a: str
    A: str


class _DepthReply(msgspec.Struct):
    last_update_id: _Whole = msgspec.field(name="lastUpdateId")
    bids: _Levels
    asks: _Levels


class _OldTrade(msgspec.Struct):
    id: _Whole
    price: str
    qty: str
    time: _Whole
    is_buyer_maker: bool = msgspec.field(name="isBuyerMaker")


def _time(time: int) -> int:
    return time if time >= FIRST_MICROSECOND else time * 1000


def _trades(frames: Sequence[Any]) -> dict[str, Any]:
    found: list[_Trade] = [one.data for one in frames]
    return {
        "symbol": [one.s for one in found],
        "event_time": [_time(one.T) for one in found],
        "trade_id": [str(one.t) for one in found],
        "sequence": [one.t for one in found],
        "price": [encode(one.p) for one in found],
        "size": [encode(one.q) for one in found],
        "side": [_TAKER[one.m] for one in found],
        "replayed": False,
    }


def _quotes(frames: Sequence[Any]) -> dict[str, Any]:
    found: list[_Quote] = [one.data for one in frames]
    return {
        "symbol": [one.s for one in found],
        "event_time": None,
        "sequence": [one.u for one in found],
        "bid_price": [encode(one.b) for one in found],
        "bid_size": [encode(one.B) for one in found],
        "ask_price": [encode(one.a) for one in found],
        "ask_size": [encode(one.A) for one in found],
    }


def _aggregate_trade(frame: Frame, data: _AggregateTrade) -> Made:
    return trade(frame, 0, data.s, _time(data.T), data.a, encode(data.p), encode(data.q), _TAKER[data.m])


def _depth(frame: Frame, data: _Depth) -> Made:
    bids, asks, first, last = _levels(data.b), _levels(data.a), data.U, data.u
    return book_delta(frame, 0, data.s, _time(data.E), bids, asks, is_snapshot=False, depth=0, first_sequence=first, last_sequence=last)


def _levels(levels: _Levels) -> tuple[list[bytes], list[bytes]]:
    return [encode(price) for price, _ in levels], [encode(size) for _, size in levels]


def _alone(shape: Shape) -> Callable[[Frame, Any], Made]:
    return lambda frame, data: single(frame, shape, shape.columns((_Combined(data),)))


class _Combined(NamedTuple):
    data: Any


def _decoder(name: str, data: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(msgspec.defstruct(f"_Combined_{name}", [("data", data)], gc=False)).decode


_TRADES = Shape("trade", _decoder("trade", _Trade), _trades)
_QUOTES = Shape("quote", _decoder("bookTicker", _Quote), _quotes)
_SHAPES = {b"trade": _TRADES, b"bookT": _QUOTES}
"""By the five bytes after the first @ of `{"stream":"btcusdt@trade",...`: enough to choose a decoder, which then checks the rest."""

_MAKERS: Mapping[str, tuple[Any, Callable[[Frame, Any], Made]]] = {
    "trade": (_Trade, _alone(_TRADES)),
    "aggTrade": (_AggregateTrade, _aggregate_trade),
    "depthUpdate": (_Depth, _depth),
    "bookTicker": (_Quote, _alone(_QUOTES)),
}
_COMBINED = {name.encode()[:5]: (_decoder(name, data), make) for name, (data, make) in _MAKERS.items()}


def shape(payload: bytes) -> Shape | None:
    """Return the shape of a combined frame that has one."""
    start = payload.find(b"@") + 1
    return _SHAPES.get(payload[start : start + 5])


def read(frame: Frame) -> Iterable[Made]:
    """Return the event in a pushed frame, or the events in a reply; InvalidDatum says why there is none.

    `aggTrade` frames are known: id and sequence are the aggregate's.
    """
    payload = frame.payload
    start = payload.find(b"@") + 1
    known = _COMBINED.get(payload[start : start + 5])
    if known is None:
        return _reply(frame) if frame.kind == "reply" else _plain(frame)
    try:
        return (known[1](frame, known[0](payload).data),)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {error}") from error


def _plain(frame: Frame) -> tuple[Made, ...]:
    """Read a frame that is not in the usual form: not combined, other spacing, an answer, or nothing we know."""
    try:
        document = orjson.loads(frame.payload)
        data = document["data"] if "stream" in document else document
        name = data.get("e", "bookTicker" if "B" in data and "A" in data else None)
        if name in _MAKERS:
            kind, make = _MAKERS[name]
            return (make(frame, msgspec.convert(data, kind)),)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidDatum(f"binance: not a frame of this venue: {frame.payload[:80]!r}") from error
    if name == "serverShutdown" or "result" in document or "error" in document or "code" in document:
        return ()
    raise InvalidDatum(f"binance: unknown message type {name!r}: {frame.payload[:80]!r}")


def _reply(frame: Frame) -> list[Made]:
    path, symbol, limit = _asked_for(frame.request or "")
    try:
        if path == "/api/v3/depth":
            depth = _decode_depth(frame.payload)
            bids, asks, last = _levels(depth.bids), _levels(depth.asks), depth.last_update_id
            return [book_delta(frame, 0, symbol, None, bids, asks, is_snapshot=True, depth=limit, first_sequence=last, last_sequence=last)]
        if path in {"/api/v3/historicalTrades", "/api/v3/trades"}:
            return [
                trade(
                    frame,
                    index,
                    symbol,
                    _time(one.time),
                    one.id,
                    encode(one.price),
                    encode(one.qty),
                    _TAKER[one.is_buyer_maker],
                )
                for index, one in enumerate(_decode_old_trades(frame.payload))
            ]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {path}: {_words(frame.payload) or error}") from error
    raise InvalidDatum(f"binance: a reply to {frame.request!r}, which nobody knows how to read")


_decode_depth = msgspec.json.Decoder(_DepthReply).decode
_decode_old_trades = msgspec.json.Decoder(list[_OldTrade]).decode


@lru_cache(maxsize=4096)
def _asked_for(request: str) -> tuple[str, str, int]:
    """Return path, symbol and limit of a request's text; the venue's default depth is 100."""
    try:
        parts = urlsplit(request.partition(" ")[2])
        query = parse_qs(parts.query)
        return parts.path, query["symbol"][0], int(query.get("limit", ["100"])[0])
    except (ValueError, KeyError) as error:
        raise InvalidDatum(f"binance: a reply to {request!r}, which names no symbol") from error


def _words(payload: bytes) -> str:
    """Return the venue's words where a reply is an error: {"code": -1121, "msg": "Invalid symbol."}."""
    try:
        document = orjson.loads(payload)
    except ValueError:
        return ""
    return f"{document['msg']} (code {document.get('code')})" if isinstance(document, dict) and "msg" in document else ""
