"""What Binance spot sends, and the events made of it. How it is asked for and heard stands in dialect.py.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (frames) and
https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (depth, historicalTrades).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson

from dialects.binance.instruments import PATH, instruments
from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.memory import Memory
from dialects.quotes import best
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from schemas.remembered import remembered

FIRST_MICROSECOND = 10**14
"""A time from here on is in microseconds: as milliseconds it is past the year 5138."""

_TAKER = ("buy", "sell")
"""The taker's side, by whether the buyer was the maker (`m`)."""
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Levels = list[tuple[str, str]]


class _Traded(msgspec.Struct, gc=False):
    """What a trade and an aggregate have in common."""

    symbol: str = msgspec.field(name="s")
    price: str = msgspec.field(name="p")
    size: str = msgspec.field(name="q")
    time: _Whole = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class _Trade(_Traded, gc=False, tag_field="e", tag="trade"):
    """`{"e":"trade","E":1732552200001,"s":"BTCUSDT","t":812345,"p":"97000.10","q":"0.00150","T":1732552200000,"m":true,"M":true}`."""

    id: _Whole = msgspec.field(name="t")


class _AggregateTrade(_Traded, gc=False, tag_field="e", tag="aggTrade"):
    """A trade's fields, its id the aggregate's in `a`, and the first and last trade in `f` and `l`."""

    id: _Whole = msgspec.field(name="a")


class _Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    """`{"e":"depthUpdate","E":1732552200100,"s":"BTCUSDT","U":501,"u":503,"b":[["97000.00","1.2"]],"a":[["97000.10","0"]]}`."""

    time: _Whole = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_id: _Whole = msgspec.field(name="U")
    last_id: _Whole = msgspec.field(name="u")
    bids: _Levels = msgspec.field(name="b")
    asks: _Levels = msgspec.field(name="a")


class _Quote(msgspec.Struct, gc=False):
    """`{"u":504,"s":"BTCUSDT","b":"97000.00","B":"1.2","a":"97000.10","A":"0.4"}`: without a time, and without `e`."""

    update_id: _Whole = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid_price: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")
    ask_price: str = msgspec.field(name="a")
    ask_size: str = msgspec.field(name="A")


class _DepthReply(msgspec.Struct):
    last_update_id: _Whole = msgspec.field(name="lastUpdateId")
    bids: _Levels
    asks: _Levels


class _OldTrade(msgspec.Struct):
    """A trade of a REST reply, whose symbol stands in the request alone."""

    id: _Whole
    price: str
    size: str = msgspec.field(name="qty")
    time: _Whole
    buyer_is_maker: bool = msgspec.field(name="isBuyerMaker")


def _time(time: int) -> int:
    return time if time >= FIRST_MICROSECOND else time * 1000


def _trades(found: Sequence[_Trade | _AggregateTrade]) -> dict[str, Any]:
    return {"symbol": [one.symbol for one in found]} | _of_any_symbol(found)


def _of_any_symbol(found: Sequence[_Trade | _AggregateTrade | _OldTrade]) -> dict[str, Any]:
    """Return the columns of trades but for their symbol."""
    return {
        "event_time": [_time(one.time) for one in found],
        "trade_id": [str(one.id) for one in found],
        "sequence": [one.id for one in found],
        "price": [encode(one.price) for one in found],
        "size": [encode(one.size) for one in found],
        "side": [_TAKER[one.buyer_is_maker] for one in found],
        "replayed": False,
    }


def _quotes(found: Sequence[_Quote]) -> dict[str, Any]:
    bid_prices, bid_sizes = best([encode(one.bid_price) for one in found], [encode(one.bid_size) for one in found])
    ask_prices, ask_sizes = best([encode(one.ask_price) for one in found], [encode(one.ask_size) for one in found])
    return {
        "symbol": [one.symbol for one in found],
        "event_time": None,
        "sequence": [one.update_id for one in found],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


def _depths(found: Sequence[_Depth]) -> dict[str, Any]:
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [_time(one.time) for one in found],
        "bid_prices": [[encode(price) for price, _ in one.bids] for one in found],
        "bid_sizes": [[encode(size) for _, size in one.bids] for one in found],
        "ask_prices": [[encode(price) for price, _ in one.asks] for one in found],
        "ask_sizes": [[encode(size) for _, size in one.asks] for one in found],
        "is_snapshot": False,
        "depth": 0,
        "first_sequence": [one.first_id for one in found],
        "last_sequence": [one.last_id for one in found],
    }


def _shape(event: str, name: str, data: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    """Return the shape of combined frames of one type: `{"stream":"btcusdt@trade","data":{…}}`."""
    decode: Any = msgspec.json.Decoder(msgspec.defstruct(f"_Combined_{name}", [("data", data)], gc=False)).decode
    return Shape(event, lambda payload, _memory: (decode(payload).data,), columns)


_TYPES: Mapping[str, tuple[Any, Shape]] = {
    name: (data, _shape(event, name, data, columns))
    for name, data, event, columns in (
        ("trade", _Trade, "trade", _trades),
        ("aggTrade", _AggregateTrade, "trade", _trades),
        ("depthUpdate", _Depth, "book_delta", _depths),
        ("bookTicker", _Quote, "quote", _quotes),
    )
}
_SHAPES = {
    b"trade": _TYPES["trade"][1],
    b"aggTr": _TYPES["aggTrade"][1],
    b"depth": _TYPES["depthUpdate"][1],
    b"bookT": _TYPES["bookTicker"][1],
}
"""By the five bytes after the first @ of `{"stream":"btcusdt@trade",...`: enough to choose a decoder, which then checks the rest."""


def shape(payload: bytes) -> Shape | None:
    """Return the shape of a combined frame that has one."""
    start = payload.find(b"@") + 1
    return _SHAPES.get(payload[start : start + 5])


def read(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Return the event in a pushed frame, or the events in a reply; InvalidDatum says why there is none.

    `aggTrade` frames are known: id and sequence are the aggregate's.
    """
    if frame.kind == "reply":
        return _reply(frame)
    known = shape(frame.payload)
    if known is None:
        return _plain(frame)
    try:
        return decoded_events(known, known.decode(frame.payload, memory))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {error}") from error


def _plain(frame: Frame) -> list[DecodedEvent]:
    """Read a frame that is not in the usual form: not combined, other spacing, an answer, or nothing we know."""
    try:
        document = orjson.loads(frame.payload)
        data = document["data"] if "stream" in document else document
        name = data.get("e", "bookTicker" if "B" in data and "A" in data else None)
        if name in _TYPES:
            kind, known = _TYPES[name]
            return decoded_events(known, (msgspec.convert(data, kind),))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidDatum(f"binance: not a frame of this venue: {frame.payload[:80]!r}") from error
    if name == "serverShutdown" or "result" in document or "error" in document or "code" in document:
        return []
    raise InvalidDatum(f"binance: unknown message type {name!r}: {frame.payload[:80]!r}")


def _reply(frame: Frame) -> list[DecodedEvent]:
    request = frame.request or ""
    if request.partition(" ")[2].partition("?")[0] == PATH:
        try:
            return instruments(frame.payload)
        except PartlyInvalid:
            raise
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidDatum(f"binance: {PATH}: {_words(frame.payload) or error}") from error
    path, symbol, limit = _asked_for(request)
    try:
        if path == "/api/v3/depth":
            return [DecodedEvent("book_delta", _snapshot(_decode_depth(frame.payload), symbol, limit))]
        if path in {"/api/v3/historicalTrades", "/api/v3/trades"}:
            rows = _decode_old_trades(frame.payload)
            shape_of_symbol = Shape("trade", lambda _payload, _memory: rows, lambda found: {"symbol": symbol} | _of_any_symbol(found))
            return decoded_events(shape_of_symbol, rows)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {path}: {_words(frame.payload) or error}") from error
    raise InvalidDatum(f"binance: a reply to {frame.request!r}, which nobody knows how to read")


def _snapshot(depth: _DepthReply, symbol: str, limit: int) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "bid_prices": [encode(price) for price, _ in depth.bids],
        "bid_sizes": [encode(size) for _, size in depth.bids],
        "ask_prices": [encode(price) for price, _ in depth.asks],
        "ask_sizes": [encode(size) for _, size in depth.asks],
        "is_snapshot": True,
        "depth": limit,
        "first_sequence": depth.last_update_id,
        "last_sequence": depth.last_update_id,
    }


_decode_depth = msgspec.json.Decoder(_DepthReply).decode
_decode_old_trades = msgspec.json.Decoder(list[_OldTrade]).decode


@remembered(4096)
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
