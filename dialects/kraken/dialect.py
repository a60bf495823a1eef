"""Kraken spot, WebSocket API v2: instruments, trades, books with a checksum, best quotes, single orders; REST trades to fill gaps.

Sources: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
and its neighbours `trade`, `ticker`, `instrument`, `level3`, `heartbeat`,
`ping`; https://docs.kraken.com/api/docs/rest-api/get-recent-trades.

Kraken writes prices and sizes as JSON numbers, and its checksum is made from their text: they are decoded to that text,
never through a float. Times are cut to microseconds (REST trades show 100 nanoseconds, `since` takes nanoseconds).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import quote as escape

import orjson

from dialects.contract import DecodedEvent, Dialect, Endpoints, Frame, Limits, Refusal, Request, Shape
from dialects.kraken.frames import OPENING, read, shapes
from dialects.kraken.refusals import refusal
from dialects.memory import Memory
from dialects.rules import KRAKEN_BOOK, TRADES_COUNTED
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Channel, Stream, parts
from schemas.remembered import LONGEST_REMEMBERED

NAMES: Mapping[str, str] = {"instrument": "instrument", "trade": "trade", "book": "book", "quote": "ticker", "orders": "level3"}
"""Our channel → the venue's, in the order of subscription: precisions first, the checksum needs them."""
CHANNELS: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()}
SYMBOLS_PER_MESSAGE = 50
"""Our own choice: the venue documents no limit."""
ORDERS_PER_MESSAGE = 1
"""Symbols of `level3` in one message: its limit counts symbols, so that pacing messages paces symbols."""


class Kraken(Dialect):
    """Kraken spot, v2.

    Limits: the venue documents none for streams a connection, so 300 is our own choice, as are 5 messages a second.
    REST: one public request a second (https://support.kraken.com/articles/206548367-what-are-the-api-rate-limits-).
    A heartbeat comes about once a second when nothing else does (…/spot-websocket-v2/heartbeat): a connection without any frame
    for 10 seconds is dead whatever its channels; the limits of silence by channel, our own choice, are for a stream that
    stops while others go on.
    Authenticated (…/spot-websocket-v2/level3, "Subscription limits"): 200 symbols a connection; a symbol of depth 1000 counts 100,
    and 200 a second are allowed, so two messages of one symbol a second.
    """

    venue: ClassVar[str] = "kraken"
    channels: ClassVar[Mapping[str, Channel]] = {
        "instrument": Channel(("instrument",), scope="connection"),
        "trade": Channel(("trade",), continuity=TRADES_COUNTED, silence=600),
        "book": Channel(("book_delta",), continuity=KRAKEN_BOOK, silence=60, snapshot="pushed", needs=("instrument",)),
        "quote": Channel(("quote",), silence=60),
        "orders": Channel(("order_delta",), silence=60, private=True, snapshot="pushed"),
    }
    """Instruments come on every connection: its books' checksums can't be read without them."""
    limits: ClassVar[Limits] = Limits(streams_per_connection=300, messages_per_second=5, ping_every=30, requests_per_minute=60)
    private_limits: ClassVar[Limits] = replace(limits, streams_per_connection=200, messages_per_second=2)
    production: ClassVar[Endpoints] = Endpoints("wss://ws.kraken.com/v2", "https://api.kraken.com", "wss://ws-l3.kraken.com/v2")
    by_default: ClassVar[bool] = True
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC/USD", "ETH/USD", "SOL/USD")
    resumable_trades: ClassVar[bool] = True
    book_depth: ClassVar[int] = 100
    """Levels per side subscribed: 10, 25, 100, 500 or 1000."""
    orders_depth: ClassVar[int] = 1000
    """Levels per side whose orders are subscribed: 10, 100 or 1000."""

    def __init__(self) -> None:
        self._shapes = shapes(self.book_depth)

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the websocket address of private channels or that of the others.

        Raises ValueError where streams of both kinds are to share a connection, and where the address needed is not set.
        """
        kinds = {self.channels[stream.channel].private for stream in streams}
        if len(kinds) > 1:
            raise ValueError("kraken takes authenticated channels on connections of their own")
        address = endpoints.authenticated if True in kinds else endpoints.websocket
        if not address:
            raise ValueError(f"no address of kraken's {'authenticated ' if True in kinds else ''}websocket is set")
        return address

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return KrakenSession(self.book_depth, self.orders_depth)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: Kraken refuses with status 200 and words."""
        return super().refusal(status, headers, body) or refusal(body)

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request | None:
        """Return the request for up to 1000 trades after a time; None without a time.

        `since` is in nanoseconds and exclusive, our times are cut to microseconds, and one taker's trades share a time:
        so it asks from one microsecond earlier, and what is known already comes once more.
        """
        if from_time is None:
            return None
        return Request("GET", f"/0/public/Trades?pair={escape(symbol)}&since={max(from_time - 1, 0) * 1000}&count=1000")

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a trade, book or ticker frame."""
        return self._shapes.get(payload[:OPENING])

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; `memory["scales"]` keeps [price_scale, size_scale] by symbol, from instrument frames."""
        return read(frame, memory, self._shapes, self.orders_depth)


class KrakenSession(Session):
    """Requests are numbered from 1; an answer comes for each symbol of a request, under its number and with the symbol in a field.

    What is refused is told by these two alone (https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/trade): a refusal
    without a symbol is of the whole request, and words are never searched for names.
    """

    def __init__(self, book_depth: int, orders_depth: int) -> None:
        self._asked = Asked()
        self._extra: Mapping[str, dict[str, Any]] = {
            "book": {"depth": book_depth},
            "quote": {"event_trigger": "bbo"},
            "orders": {"depth": orders_depth},
        }

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return subscribe messages, instruments first; KeyError where a channel is not one of the venue's."""
        return self._messages("subscribe", streams, {"snapshot": True}, token)

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe messages; KeyError where a channel is not one of the venue's."""
        return self._messages("unsubscribe", streams, {}, token)

    def ping(self) -> bytes:
        """Return the venue's own ping, so that a dead connection without subscriptions is found too."""
        return orjson.dumps({"method": "ping", "req_id": self._asked.next_number()})

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the first channel and symbol in the bytes; answers are parsed.

        A frame with several symbols is heard as its first. Only subscriptions are confirmed, not their ends.
        """
        if payload.startswith(b'{"channel":"'):
            end = payload.find(b'"', 12)
            start = payload.find(b'"symbol":"', end) + 10
            channel, symbol = payload[12:end], payload[start : payload.find(b'"', start)] if start > 9 else b""
            named = _remembered if len(channel) + len(symbol) <= LONGEST_REMEMBERED else _stream_named
            stream = named(channel, symbol)
            if stream is not None:
                return FrameSignal(stream)
        return _hear(payload, self._asked)

    def _messages(self, method: str, streams: Sequence[Stream], params: dict[str, Any], token: str) -> list[Subscription]:
        unknown = {stream.channel for stream in streams} - NAMES.keys()
        if unknown:
            raise KeyError(f"kraken has no channel {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
        messages = []
        for channel, name in NAMES.items():
            secret = {"token": token} if channel == "orders" else {}
            size = ORDERS_PER_MESSAGE if channel == "orders" else SYMBOLS_PER_MESSAGE
            for some in parts([stream for stream in streams if stream.channel == channel], size):
                symbols = {} if channel == "instrument" else {"symbol": [stream.symbol for stream in some]}
                number = self._asked.next_number()
                if method == "subscribe":
                    self._asked.note(number, some)
                named = {"channel": name, **symbols, **params, **self._extra.get(channel, {}), **secret}
                messages.append(Subscription(orjson.dumps({"method": method, "params": named, "req_id": number}), some))
        return messages


def _stream_named(channel: bytes, symbol: bytes) -> Stream | None:
    """Return the stream of a venue's channel and symbol; None where it is none of ours."""
    try:
        name = CHANNELS.get(channel.decode())
        if name == "instrument":
            return Stream(name, "")
        return Stream(name, symbol.decode()) if name and symbol and b"\\" not in symbol else None
    except UnicodeDecodeError:
        return None


_remembered = lru_cache(maxsize=4096)(_stream_named)


def _hear(payload: bytes, asked: Asked) -> FrameSignal:
    try:
        document = orjson.loads(payload)
    except ValueError:
        return FrameSignal()
    if not isinstance(document, dict):
        return FrameSignal()
    result = document.get("result")
    answer = {**document, **(result if isinstance(result, dict) else {})}
    symbol, words = answer.get("symbol"), document.get("error")
    streams = asked.of(document.get("req_id"))
    if words is not None:
        meant = tuple(stream for stream in streams if symbol is None or stream.symbol == symbol)
        return FrameSignal(refused=tuple((stream, str(words)) for stream in meant or (None,)))
    if document.get("method") == "subscribe" and document.get("success") is True:
        channel = CHANNELS.get(str(answer.get("channel")))
        if channel == "instrument":
            return FrameSignal(confirmed=(Stream(channel, ""),))
        return FrameSignal(confirmed=(Stream(channel, symbol),)) if channel and isinstance(symbol, str) else FrameSignal()
    channel, data = CHANNELS.get(str(document.get("channel"))), document.get("data")
    if channel == "instrument":
        return FrameSignal(Stream(channel, ""))
    first = data[0] if isinstance(data, list) and data else None
    symbol = first.get("symbol") if isinstance(first, dict) else None
    return FrameSignal(Stream(channel, symbol)) if channel and isinstance(symbol, str) else FrameSignal()
