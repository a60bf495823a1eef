"""What Binance spot sends, and the events made of it. How it is asked for and heard stands in binance.py.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (frames) and
https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (depth, historicalTrades).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson

from dialects.dialect import Frame, Made
from dialects.records import book_delta, quote, trade
from schemas.decimals import encode
from schemas.errors import InvalidDatum

FIRST_MICROSECOND = 10**14
"""A time from here on is in microseconds: as milliseconds it is past the year 5138."""

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
    lastUpdateId: _Whole  # noqa: N815 - the venue's name
    bids: _Levels
    asks: _Levels


class _OldTrade(msgspec.Struct):
    id: _Whole
    price: str
    qty: str
    time: _Whole
    isBuyerMaker: bool  # noqa: N815 - the venue's name


def _time(time: int) -> int:
    return time if time >= FIRST_MICROSECOND else time * 1000


def _trade(frame: Frame, data: _Trade) -> Made:
    time = data.T
    return trade(
        frame,
        0,
        data.s,
        time if time >= FIRST_MICROSECOND else time * 1000,
        data.t,
        encode(data.p),
        encode(data.q),
        "sell" if data.m else "buy",  # the buyer was the maker: the taker sold
    )


def _aggregate_trade(frame: Frame, data: _AggregateTrade) -> Made:
    return trade(frame, 0, data.s, _time(data.T), data.a, encode(data.p), encode(data.q), "sell" if data.m else "buy")


def _depth(frame: Frame, data: _Depth) -> Made:
    bids, asks, first, last = _levels(data.b), _levels(data.a), data.U, data.u
    return book_delta(frame, 0, data.s, _time(data.E), bids, asks, is_snapshot=False, depth=0, first_sequence=first, last_sequence=last)


def _quote(frame: Frame, data: _Quote) -> Made:
    return quote(frame, 0, data.s, None, data.u, (encode(data.b), encode(data.B)), (encode(data.a), encode(data.A)))


def _levels(levels: _Levels) -> tuple[list[bytes], list[bytes]]:
    return [encode(price) for price, _ in levels], [encode(size) for _, size in levels]


_MAKERS: Mapping[str, tuple[Any, Callable[[Frame, Any], Made]]] = {
    "trade": (_Trade, _trade),
    "aggTrade": (_AggregateTrade, _aggregate_trade),
    "depthUpdate": (_Depth, _depth),
    "bookTicker": (_Quote, _quote),
}


def _wrapped(name: str) -> tuple[Callable[[bytes], Any], Callable[[Frame, Any], Made]]:
    """Return the decoder of a combined frame whose data is of this type, and what makes the event of it."""
    data, make = _MAKERS[name]
    return msgspec.json.Decoder(msgspec.defstruct(f"_Combined_{name}", [("data", data)], gc=False)).decode, make


_COMBINED = {
    b"trade": _wrapped("trade"),
    b"aggTr": _wrapped("aggTrade"),
    b"depth": _wrapped("depthUpdate"),
    b"bookT": _wrapped("bookTicker"),
}
"""By the five bytes after the first @ of `{"stream":"btcusdt@trade",...`: enough to choose a decoder, which then checks the rest."""


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
            bids, asks, last = _levels(depth.bids), _levels(depth.asks), depth.lastUpdateId
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
                    "sell" if one.isBuyerMaker else "buy",
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
