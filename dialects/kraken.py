"""Kraken spot, WebSocket API v2: instruments, trades, order books with a checksum, and best quotes; REST trades to fill gaps.

Sources: https://docs.kraken.com/api/docs/websocket-v2/book and its neighbours `trade`, `ticker`, `instrument`, `heartbeat`,
`ping`; https://docs.kraken.com/api/docs/rest-api/get-recent-trades.

Kraken writes prices and sizes as JSON numbers, and its checksum is made from their text: they are decoded to that text,
never through a float. Times are cut to microseconds (REST trades show 100 nanoseconds, `since` takes nanoseconds).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import orjson

from dialects.dialect import Dialect, Endpoints, Frame, Heard, Limits, Made, Record, Request, Stream, Subscription
from schemas.decimals import encode, scale_of
from schemas.errors import InvalidDatum

NAMES: Mapping[str, str] = {"instrument": "instrument", "trade": "trade", "book": "book", "quote": "ticker"}
"""Our channel → the venue's, in the order of subscription: precisions first, the checksum needs them."""
CHANNELS: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()}
SYMBOLS_PER_MESSAGE = 50
"""Our own choice: the venue documents no limit."""

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Scale = Annotated[int, msgspec.Meta(ge=0, le=18)]
_Type = Literal["snapshot", "update"]
_Number = Any
"""A JSON number: its text where it has a point or an exponent (float_hook), else an int."""


class _Envelope(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    method: str = ""
    error: str | None = None


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: _Number
    qty: _Number
    trade_id: _Whole
    timestamp: str


class _Level(msgspec.Struct, gc=False):
    price: _Number
    qty: _Number


class _Book(msgspec.Struct):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: str | None = None


class _Ticker(msgspec.Struct):
    symbol: str
    bid: _Number
    bid_qty: _Number
    ask: _Number
    ask_qty: _Number
    timestamp: str | None = None


class _Pair(msgspec.Struct):
    symbol: str
    base: str
    quote: str
    status: str
    price_precision: _Scale
    qty_precision: _Scale


class _Instruments(msgspec.Struct):
    pairs: list[_Pair]


class _RestReply(msgspec.Struct):
    error: list[str]
    result: dict[str, Any] = {}


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, float_hook=str)


_decode_envelope = _decoder(_Envelope).decode
_decode_trades = _decoder(list[_Trade]).decode
_decode_books = _decoder(list[_Book]).decode
_decode_tickers = _decoder(list[_Ticker]).decode
_decode_instruments = _decoder(_Instruments).decode
_decode_reply = _decoder(_RestReply).decode


class Kraken(Dialect):
    """Kraken spot, v2.

    Limits: the venue documents none for streams a connection, so 300 is our own choice, as are 5 messages a second.
    REST: one public request a second (https://support.kraken.com/articles/206548367-what-are-the-api-rate-limits-).
    A heartbeat comes about once a second when nothing else does (…/websocket-v2/heartbeat): a connection without any frame
    for 10 seconds is dead whatever its channels; the limits of silence by channel, our own choice, are for a stream that
    stops while others go on.
    """

    venue: ClassVar[str] = "kraken"
    channels: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "instrument": ("instrument",),
        "trade": ("trade",),
        "book": ("book_delta",),
        "quote": ("quote",),
    }
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=300,
        messages_per_second=5,
        ping_every=30,
        requests_per_minute=60,
        silence={"trade": 600, "book": 60, "quote": 60},
    )
    production: ClassVar[Endpoints] = Endpoints("wss://ws.kraken.com/v2", "https://api.kraken.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC/USD", "ETH/USD", "SOL/USD")
    resumable_trades: ClassVar[bool] = True
    book_depth: ClassVar[int] = 100
    """Levels per side subscribed: 10, 25, 100, 500 or 1000."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:  # noqa: ARG002 - one address for all
        """Return the websocket address, the same for all streams."""
        return endpoints.websocket

    def subscribe(self, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
        """Return subscribe messages, instruments first; KeyError where a channel is not one of `channels`."""
        return self._messages("subscribe", streams, first_id)

    def unsubscribe(self, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
        """Return unsubscribe messages; KeyError where a channel is not one of `channels`."""
        return self._messages("unsubscribe", streams, first_id)

    def _messages(self, method: str, streams: Sequence[Stream], first_id: int) -> list[Subscription]:
        unknown = {stream.channel for stream in streams} - NAMES.keys()
        if unknown:
            raise KeyError(f"kraken has no channel {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        parts: list[tuple[dict[str, Any], tuple[Stream, ...]]] = []
        for channel, name in NAMES.items():
            asked = [stream for stream in streams if stream.channel == channel]
            extra: dict[str, Any] = {"snapshot": True} if method == "subscribe" else {}
            if channel == "book":
                extra["depth"] = self.book_depth
            if channel == "quote":
                extra["event_trigger"] = "bbo"
            for start in range(0, len(asked), SYMBOLS_PER_MESSAGE):
                part = tuple(asked[start : start + SYMBOLS_PER_MESSAGE])
                symbols = {} if channel == "instrument" else {"symbol": [stream.symbol for stream in part]}
                parts.append(({"channel": name, **symbols, **extra}, part))
        return [
            Subscription(orjson.dumps({"method": method, "params": params, "req_id": request_id}), part)
            for request_id, (params, part) in enumerate(parts, first_id)
        ]

    def ping(self, request_id: int) -> bytes:
        """Return the venue's own ping, so that a dead connection without subscriptions is found too."""
        return orjson.dumps({"method": "ping", "req_id": request_id})

    def hear(self, payload: bytes, asked: Mapping[int, tuple[Stream, ...]]) -> Heard:
        """Say which stream spoke by the first channel and symbol in the bytes; answers are parsed.

        A frame with several symbols is heard as its first. Only subscriptions are confirmed, not their ends.
        """
        if payload.startswith(b'{"channel":"'):
            end = payload.find(b'"', 12)
            start = payload.find(b'"symbol":"', end) + 10
            stream = _stream_named(payload[12:end], payload[start : payload.find(b'"', start)] if start > 9 else b"")
            if stream is not None:
                return Heard(stream)
        return _hear(payload, asked)

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None) -> Request | None:  # noqa: ARG002 - paged by time
        """Return the request for up to 1000 trades after a time; None without a time.

        `since` is in nanoseconds and exclusive, our times are cut to microseconds, and one taker's trades share a time:
        so it asks from one microsecond earlier, and what is known already comes once more.
        """
        if from_time is None:
            return None
        return Request("GET", f"/0/public/Trades?pair={quote(symbol)}&since={max(from_time - 1, 0) * 1000}&count=1000")

    def read(self, frame: Frame, memory: dict[str, Any]) -> Iterable[Made]:
        """Return the events in a frame; `memory["scales"]` keeps [price_scale, size_scale] by symbol, from instrument frames."""
        try:
            if frame.kind == "reply":
                return _reply(frame)
            envelope = _decode_envelope(frame.payload)
            channel = envelope.channel
            if channel in CHANNELS and envelope.type not in {"snapshot", "update"}:
                raise InvalidDatum(f"kraken: unknown type {envelope.type!r} in channel {channel}")
            if channel == "trade":
                replayed = envelope.type == "snapshot"
                return [_trade(frame, index, trade, replayed=replayed) for index, trade in enumerate(_decode_trades(envelope.data))]
            if channel == "book":
                scales = memory.get("scales", {})
                complete = envelope.type == "snapshot"
                depth = self.book_depth
                return [
                    _book(frame, index, book, scales.get(book.symbol), is_snapshot=complete, depth=depth)
                    for index, book in enumerate(_decode_books(envelope.data))
                ]
            if channel == "ticker":
                return [_quote(frame, index, ticker) for index, ticker in enumerate(_decode_tickers(envelope.data))]
            if channel == "instrument":
                pairs = _decode_instruments(envelope.data).pairs
                memory.setdefault("scales", {}).update({pair.symbol: [pair.price_precision, pair.qty_precision] for pair in pairs})
                return [_instrument(frame, index, pair) for index, pair in enumerate(pairs)]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise error if isinstance(error, InvalidDatum) else InvalidDatum(f"kraken: {error}") from error
        if channel in {"heartbeat", "status"} or envelope.method in {"subscribe", "unsubscribe", "pong"} or envelope.error is not None:
            return ()
        raise InvalidDatum(f"kraken: unknown channel {channel!r}: {frame.payload[:80]!r}")


def _text(number: _Number) -> str:
    """Return a JSON number as the venue wrote it; InvalidDatum where it is none."""
    if type(number) is str:
        return number
    if type(number) is int:
        return str(number)
    raise InvalidDatum(f"kraken: {number!r} is not a number")


def _encode(number: _Number) -> bytes:
    return encode(number if type(number) is str else _text(number))


def _trade(frame: Frame, index: int, trade: _Trade, *, replayed: bool) -> Made:
    record = _head(frame, trade.symbol, index, _microseconds(trade.timestamp)) | {
        "trade_id": str(trade.trade_id),
        "sequence": trade.trade_id,
        "price": _encode(trade.price),
        "size": _encode(trade.qty),
        "side": trade.side,
        "replayed": replayed,
    }
    return Made("trade", record)


def _book(frame: Frame, index: int, book: _Book, scales: Sequence[int] | None, *, is_snapshot: bool, depth: int) -> Made:
    bids, asks = book.bids, book.asks
    if scales is None:
        levels = bids + asks
        scales = [
            max((scale_of(_text(level.price)) for level in levels), default=0),
            max((scale_of(_text(level.qty)) for level in levels), default=0),
        ]
    record = _head(frame, book.symbol, index, None if book.timestamp is None else _microseconds(book.timestamp)) | {
        "bid_prices": [_encode(level.price) for level in bids],
        "bid_sizes": [_encode(level.qty) for level in bids],
        "ask_prices": [_encode(level.price) for level in asks],
        "ask_sizes": [_encode(level.qty) for level in asks],
        "is_snapshot": is_snapshot,
        "depth": depth,
        "first_sequence": None,
        "last_sequence": None,
        "previous_sequence": None,
        "checksum": book.checksum,
        "price_scale": scales[0],
        "size_scale": scales[1],
    }
    return Made("book_delta", record)


def _quote(frame: Frame, index: int, ticker: _Ticker) -> Made:
    record = _head(frame, ticker.symbol, index, None if ticker.timestamp is None else _microseconds(ticker.timestamp)) | {
        "sequence": None,
        "bid_price": None if ticker.bid is None else _encode(ticker.bid),
        "bid_size": None if ticker.bid_qty is None else _encode(ticker.bid_qty),
        "ask_price": None if ticker.ask is None else _encode(ticker.ask),
        "ask_size": None if ticker.ask_qty is None else _encode(ticker.ask_qty),
    }
    return Made("quote", record)


def _instrument(frame: Frame, index: int, pair: _Pair) -> Made:
    record = _head(frame, pair.symbol, index, None) | {
        "base": pair.base,
        "quote": pair.quote,
        "price_scale": pair.price_precision,
        "size_scale": pair.qty_precision,
        "status": pair.status,
    }
    return Made("instrument", record)


def _head(frame: Frame, symbol: str, index: int, time: int | None) -> Record:
    return {
        "venue": frame.venue,
        "symbol": symbol,
        "origin": frame.origin,
        "connection_id": frame.connection_id,
        "connection_sequence": frame.connection_sequence,
        "received_at": frame.received_at,
        "frame_index": index,
        "frames_lost": frame.frames_lost,
        "event_time": time,
    }


def _microseconds(text: str) -> int:
    """Return an RFC 3339 time in UTC (`2023-09-25T07:49:37.708706Z`) as microseconds since 1970; further digits are cut."""
    digits = text[20:-1]
    if text[-1:] == "Z" and (text[19:-1] == "" or (text[19] == "." and digits.isdigit() and digits.isascii())):
        return _second(text[:19]) + int((digits + "000000")[:6])
    raise InvalidDatum(f"kraken: {text!r} is not a time in UTC")


@lru_cache(maxsize=4096)
def _second(text: str) -> int:
    try:
        return round(datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()) * 1_000_000
    except ValueError as error:
        raise InvalidDatum(f"kraken: {text!r} is not a time") from error


def _reply(frame: Frame) -> list[Made]:
    """Read `/0/public/Trades`: rows of [price, size, seconds, b|s, m|l, "", trade id]; the symbol is the request's."""
    parts = urlsplit((frame.request or "").partition(" ")[2])
    pair = parse_qs(parts.query).get("pair")
    if parts.path != "/0/public/Trades" or not pair:
        raise InvalidDatum(f"kraken: a reply to {frame.request!r}, which nobody knows how to read")
    reply = _decode_reply(frame.payload)
    if reply.error:
        raise InvalidDatum(f"kraken: {parts.path}: {', '.join(reply.error)}")
    rows = [value for key, value in reply.result.items() if key != "last"]
    if len(rows) != 1 or not isinstance(rows[0], list):
        raise InvalidDatum(f"kraken: {parts.path}: expected the trades of one pair, got {sorted(reply.result)}")
    return [_old_trade(frame, pair[0], index, row) for index, row in enumerate(rows[0])]


def _old_trade(frame: Frame, symbol: str, index: int, row: Any) -> Made:
    try:
        price, size, time, side, _, _, trade_id = row
        seconds, _, fraction = _text(time).partition(".")
        record = _head(frame, symbol, index, int(seconds) * 1_000_000 + int((fraction + "000000")[:6])) | {
            "trade_id": str(trade_id),
            "sequence": int(trade_id),
            "price": _encode(price),
            "size": _encode(size),
            "side": {"b": "buy", "s": "sell"}[side],
            "replayed": False,
        }
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidDatum(f"kraken: not a trade: {row!r}: {error}") from error
    return Made("trade", record)


@lru_cache(maxsize=4096)
def _stream_named(channel: bytes, symbol: bytes) -> Stream | None:
    """Return the stream of a venue's channel and symbol; None where it is none of ours."""
    try:
        name = CHANNELS.get(channel.decode())
        if name == "instrument":
            return Stream(name, "")
        return Stream(name, symbol.decode()) if name and symbol and b"\\" not in symbol else None
    except UnicodeDecodeError:
        return None


def _hear(payload: bytes, asked: Mapping[int, tuple[Stream, ...]]) -> Heard:
    try:
        document = orjson.loads(payload)
    except ValueError:
        return Heard()
    if not isinstance(document, dict):
        return Heard()
    result = document.get("result")
    answer = {**document, **(result if isinstance(result, dict) else {})}
    symbol, request_id, words = answer.get("symbol"), document.get("req_id"), document.get("error")
    streams = asked.get(request_id, ()) if isinstance(request_id, int) else ()
    if words is not None:
        named = tuple(stream for stream in streams if stream.symbol and (stream.symbol == symbol or stream.symbol in str(words)))
        return Heard(refused=tuple((stream, str(words)) for stream in named or streams or (None,)))
    if document.get("method") == "subscribe" and document.get("success") is True:
        channel = CHANNELS.get(str(answer.get("channel")))
        if channel == "instrument":
            return Heard(confirmed=(Stream(channel, ""),))
        return Heard(confirmed=(Stream(channel, symbol),)) if channel and isinstance(symbol, str) else Heard()
    channel, data = CHANNELS.get(str(document.get("channel"))), document.get("data")
    if channel == "instrument":
        return Heard(Stream(channel, ""))
    first = data[0] if isinstance(data, list) and data else None
    symbol = first.get("symbol") if isinstance(first, dict) else None
    return Heard(Stream(channel, symbol)) if channel and isinstance(symbol, str) else Heard()
