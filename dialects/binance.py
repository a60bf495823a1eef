"""Binance spot: trades, order book differences with a REST snapshot, and best quotes.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (frames, limits) and
https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (depth, historicalTrades, their weights).

Times: the socket is asked for microseconds (`timeUnit=MICROSECOND`); REST answers in milliseconds unless
`request_headers` are sent. Both are read: a time of 10¹⁴ or more is in microseconds (as milliseconds it is past the year 5138).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import orjson

from dialects.dialect import Dialect, Endpoints, Frame, Heard, Limits, Made, Record, Request, Stream, Subscription
from schemas.decimals import encode
from schemas.errors import InvalidDatum

FIRST_MICROSECOND = 10**14
NAMES: Mapping[str, str] = {"trade": "trade", "book": "depth@100ms", "quote": "bookTicker"}
"""Our channel → the venue's stream."""
CHANNELS: Mapping[str, str] = {"trade": "trade", "aggTrade": "trade", "depth@100ms": "book", "depth": "book", "bookTicker": "quote"}
"""The venue's stream → our channel."""
STREAMS_PER_MESSAGE = 100
"""Our own choice, about 2.5 KB a message: the venue documents no limit."""

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


def _trade(frame: Frame, data: Any) -> Made:
    venue, origin, connection_id, connection_sequence, received_at, _, _, _, frames_lost = frame
    time = data.T
    number = data.t if type(data) is _Trade else data.a
    return Made(
        "trade",
        {
            "venue": venue,
            "symbol": data.s,
            "origin": origin,
            "connection_id": connection_id,
            "connection_sequence": connection_sequence,
            "received_at": received_at,
            "frame_index": 0,
            "frames_lost": frames_lost,
            "event_time": time if time >= FIRST_MICROSECOND else time * 1000,
            "trade_id": str(number),
            "sequence": number,
            "price": encode(data.p),
            "size": encode(data.q),
            "side": "sell" if data.m else "buy",  # the buyer was the maker: the taker sold
            "replayed": False,
        },
    )


def _depth(frame: Frame, data: _Depth) -> Made:
    return Made("book_delta", _head(frame, data.s, data.E) | _levels(data.b, data.a) | _book(data.U, data.u, is_snapshot=False, depth=0))


def _quote(frame: Frame, data: _Quote) -> Made:
    record = _head(frame, data.s, None) | {
        "sequence": data.u,
        "bid_price": encode(data.b),
        "bid_size": encode(data.B),
        "ask_price": encode(data.a),
        "ask_size": encode(data.A),
    }
    return Made("quote", record)


_MAKERS: Mapping[str, tuple[Any, Callable[[Frame, Any], Made]]] = {
    "trade": (_Trade, _trade),
    "aggTrade": (_AggregateTrade, _trade),
    "depthUpdate": (_Depth, _depth),
    "bookTicker": (_Quote, _quote),
}


def _wrapped(name: str) -> tuple[Callable[[bytes], Any], Callable[[Frame, Any], Made]]:
    """Return the decoder of a combined frame whose data is of this type, and what makes the event of it."""
    data, make = _MAKERS[name]
    return msgspec.json.Decoder(msgspec.defstruct(f"_Combined_{name}", [("data", data)], gc=False)).decode, make


_OPENING = b'{"stream":"'
_COMBINED = {
    b"trade": _wrapped("trade"),
    b"aggTrade": _wrapped("aggTrade"),
    b"depth@100ms": _wrapped("depthUpdate"),
    b"depth": _wrapped("depthUpdate"),
    b"bookTicker": _wrapped("bookTicker"),
}


class Binance(Dialect):
    """Binance spot.

    Limits, from web-socket-streams.md: 1024 streams a connection, 5 messages a second to the venue (pongs among them,
    so 4 are ours), disconnected after 24 hours; the venue pings every 20 seconds in the protocol itself.
    REST: 6000 of weight a minute (rest-api.md, "IP Limits"); a depth of 5000 weighs 250, historicalTrades 25.
    Silence is our own choice: books and quotes of a listed pair move within 30 seconds, trades may be minutes apart.
    """

    venue: ClassVar[str] = "binance"
    channels: ClassVar[Mapping[str, tuple[str, ...]]] = {"trade": ("trade",), "book": ("book_delta",), "quote": ("quote",)}
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=1024,
        messages_per_second=4,
        connection_lifetime=86_400,
        requests_per_minute=6000,
        silence={"trade": 300, "book": 30, "quote": 30},
    )
    production: ClassVar[Endpoints] = Endpoints("wss://stream.binance.com:9443", "https://api.binance.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    resumable_trades: ClassVar[bool] = True
    request_headers: ClassVar[Mapping[str, str]] = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    """To be sent with every REST request, so that a trade has the same time there as on the socket (rest-api.md)."""
    book_depth: ClassVar[int] = 5000
    """Levels per side of the REST snapshot: the most the venue gives."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:  # noqa: ARG002 - asked for by message, to be confirmed
        """Return the address for combined frames; the streams are asked for by message, which the venue confirms."""
        return f"{endpoints.websocket}/stream?timeUnit=MICROSECOND"

    def subscribe(self, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
        """Return SUBSCRIBE messages; KeyError where a channel is not one of `channels`."""
        return _messages("SUBSCRIBE", streams, first_id)

    def unsubscribe(self, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
        """Return UNSUBSCRIBE messages; KeyError where a channel is not one of `channels`."""
        return _messages("UNSUBSCRIBE", streams, first_id)

    def hear(self, payload: bytes, asked: Mapping[int, tuple[Stream, ...]]) -> Heard:
        """Say which stream spoke by the frame's opening alone; answers and plain frames are parsed."""
        if payload.startswith(_OPENING):
            end = payload.find(b'"', 11, 96)
            stream = _stream_named(payload[11:end]) if end > 0 else None
            if stream is not None:
                return Heard(stream)
        return _hear(payload, asked)

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the request for a book's whole state (weight 250)."""
        if stream.channel != "book":
            return None
        return Request("GET", f"/api/v3/depth?symbol={quote(stream.symbol)}&limit={self.book_depth}", 250)

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None) -> Request:  # noqa: ARG002 - paged by id
        """Return the request for up to 1000 trades from an id on (weight 25)."""
        return Request("GET", f"/api/v3/historicalTrades?symbol={quote(symbol)}&fromId={from_sequence}&limit=1000", 25)

    def read(self, frame: Frame, memory: dict[str, Any]) -> Iterable[Made]:  # noqa: ARG002 - nothing need be remembered
        """Return the event in a frame, or the trades in a reply.

        `aggTrade` frames are known (id and sequence are the aggregate's) but never subscribed: their ids are another
        count than those of `trade`, so the two must not flow into one stream.
        """
        payload = frame.payload
        if frame.kind == "reply":
            return _reply(frame)
        start = payload.find(b"@", 11, 96) + 1
        known = _COMBINED.get(payload[start : payload.find(b'"', start, start + 16)]) if payload.startswith(_OPENING) else None
        if known is None:
            return _plain(frame)
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
            last = depth.lastUpdateId
            record = _head(frame, symbol, None) | _levels(depth.bids, depth.asks) | _book(last, last, is_snapshot=True, depth=limit)
            return [Made("book_delta", record)]
        if path in {"/api/v3/historicalTrades", "/api/v3/trades"}:
            return [_old_trade(frame, symbol, index, trade) for index, trade in enumerate(_decode_old_trades(frame.payload))]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"binance: {path}: {_words(frame.payload) or error}") from error
    raise InvalidDatum(f"binance: a reply to {frame.request!r}, which nobody knows how to read")


_decode_depth = msgspec.json.Decoder(_DepthReply).decode
_decode_old_trades = msgspec.json.Decoder(list[_OldTrade]).decode


def _old_trade(frame: Frame, symbol: str, index: int, trade: _OldTrade) -> Made:
    record = _head(frame, symbol, trade.time, index) | {
        "trade_id": str(trade.id),
        "sequence": trade.id,
        "price": encode(trade.price),
        "size": encode(trade.qty),
        "side": "sell" if trade.isBuyerMaker else "buy",
        "replayed": False,
    }
    return Made("trade", record)


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


def _head(frame: Frame, symbol: str, time: int | None, index: int = 0) -> Record:
    return {
        "venue": frame.venue,
        "symbol": symbol,
        "origin": frame.origin,
        "connection_id": frame.connection_id,
        "connection_sequence": frame.connection_sequence,
        "received_at": frame.received_at,
        "frame_index": index,
        "frames_lost": frame.frames_lost,
        "event_time": time if time is None or time >= FIRST_MICROSECOND else time * 1000,
    }


def _levels(bids: _Levels, asks: _Levels) -> Record:
    return {
        "bid_prices": [encode(price) for price, _ in bids],
        "bid_sizes": [encode(size) for _, size in bids],
        "ask_prices": [encode(price) for price, _ in asks],
        "ask_sizes": [encode(size) for _, size in asks],
    }


def _book(first: int, last: int, *, is_snapshot: bool, depth: int) -> Record:
    return {
        "is_snapshot": is_snapshot,
        "depth": depth,
        "first_sequence": first,
        "last_sequence": last,
        "previous_sequence": None,
        "checksum": None,
        "price_scale": None,
        "size_scale": None,
    }


def _messages(method: str, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
    parts = [tuple(streams[start : start + STREAMS_PER_MESSAGE]) for start in range(0, len(streams), STREAMS_PER_MESSAGE)]
    return [
        Subscription(
            orjson.dumps({"method": method, "params": [f"{one.symbol.lower()}@{NAMES[one.channel]}" for one in part], "id": request_id}),
            part,
        )
        for request_id, part in enumerate(parts, first_id)
    ]


@lru_cache(maxsize=4096)
def _stream_named(name: bytes) -> Stream | None:
    """Return the stream of a name (`btcusdt@depth@100ms`); None where it is none of ours."""
    try:
        symbol, _, channel = name.decode().partition("@")
    except UnicodeDecodeError:
        return None
    return Stream(CHANNELS[channel], symbol.upper()) if channel in CHANNELS and "\\" not in symbol else None


def _hear(payload: bytes, asked: Mapping[int, tuple[Stream, ...]]) -> Heard:
    try:
        document = orjson.loads(payload)
    except ValueError:
        return Heard()
    if not isinstance(document, dict):
        return Heard()
    request_id = document.get("id")
    streams = asked.get(request_id, ()) if isinstance(request_id, int) else ()
    failure = document.get("error", document if "code" in document else None)
    if isinstance(failure, dict):
        words = f"{failure.get('msg')} (code {failure.get('code')})"
        return Heard(refused=tuple((stream, words) for stream in streams or (None,)))
    if "result" in document:
        return Heard(confirmed=streams)
    name = document.get("stream")
    data = document.get("data") if "stream" in document else document
    if not isinstance(data, dict):
        return Heard()
    if data.get("e") == "serverShutdown":
        return Heard(closing=True)
    if isinstance(name, str):
        return Heard(_stream_named(name.encode("utf-8", "replace")))
    channel = {"trade": "trade", "aggTrade": "trade", "depthUpdate": "book"}.get(str(data.get("e", ""))) or (
        "quote" if "B" in data else None
    )
    symbol = data.get("s")
    return Heard(Stream(channel, symbol)) if channel and isinstance(symbol, str) else Heard()
