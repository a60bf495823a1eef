"""Binance spot: trades, order book differences with a REST snapshot, and best quotes.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-streams.md (frames, limits) and
https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md (depth, historicalTrades, their weights).

Times: the socket is asked for microseconds (`timeUnit=MICROSECOND`); REST answers in milliseconds unless
`request_headers` are sent. Both are read: a time of 10¹⁴ or more is in microseconds (as milliseconds it is past the year 5138).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote as escape

import orjson

from dialects.binance.frames import read, shape
from dialects.binance.instruments import EVERY, PATH, WEIGHT, polls
from dialects.binance.refusals import refusal
from dialects.contract import TOO_MANY, DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.rules import BINANCE_SPOT_BOOK, TRADES_COUNTED
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Channel, Stream, parts
from schemas.remembered import remembered

_OPENING = b'{"stream":"'
NAMES: Mapping[str, str] = {"trade": "trade", "book": "depth@100ms", "quote": "bookTicker"}
"""Our channel → the venue's stream."""
CHANNELS: Mapping[str, str] = {"trade": "trade", "aggTrade": "trade", "depth@100ms": "book", "depth": "book", "bookTicker": "quote"}
"""The venue's stream → our channel."""
STREAMS_PER_MESSAGE = 100
"""Our own choice, about 2.5 KB a message: the venue documents no limit."""


class Binance(Dialect):
    """Binance spot.

    Limits, from web-socket-streams.md: 1024 streams a connection, 5 messages a second to the venue (pongs among them,
    so 4 are ours), disconnected after 24 hours; the venue pings every 20 seconds in the protocol itself.
    REST: 6000 of weight a minute (rest-api.md, "IP Limits"); a depth of 5000 weighs 250, historicalTrades 25.
    Silence is our own choice: books and quotes of a listed pair move within 30 seconds, trades may be minutes apart.
    """

    venue: ClassVar[str] = "binance"
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), continuity=TRADES_COUNTED, silence=300),
        "book": Channel(("book_delta",), continuity=BINANCE_SPOT_BOOK, silence=30, snapshot="rest"),
        "quote": Channel(("quote",), silence=30),
        "instrument": Channel(("instrument",), every=EVERY),
    }
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=1024,
        messages_per_second=4,
        connection_lifetime=86_400,
        requests_per_minute=6000,
    )
    production: ClassVar[Endpoints] = Endpoints("wss://stream.binance.com:9443", "https://api.binance.com")
    by_default: ClassVar[bool] = True
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    resumable_trades: ClassVar[bool] = True
    request_headers: ClassVar[Mapping[str, str]] = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    """To be sent with every REST request, so that a trade has the same time there as on the socket (rest-api.md)."""
    book_depth: ClassVar[int] = 5000
    """Levels per side of the REST snapshot: the most the venue gives."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the address for combined frames; the streams are asked for by message, which the venue confirms."""
        return f"{endpoints.websocket}/stream?timeUnit=MICROSECOND"

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return BinanceSession()

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for what the venue lists of the symbols chosen."""
        return polls(streams)

    def listing_request(self) -> Request:
        """Return the request for all instruments (weight 20), without who may trade them, which is most of it."""
        return Request("GET", f"{PATH}?showPermissionSets=false", WEIGHT)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: by the venue's code where it gives one, else by the status."""
        own = None if status in TOO_MANY or status >= 500 else refusal(status, headers, body)
        return own or super().refusal(status, headers, body)

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the request for a book's whole state (weight 250)."""
        if stream.channel != "book":
            return None
        return Request("GET", f"/api/v3/depth?symbol={escape(stream.symbol)}&limit={self.book_depth}", 250)

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request:
        """Return the request for up to 1000 trades from an id on (weight 25)."""
        return Request("GET", f"/api/v3/historicalTrades?symbol={escape(symbol)}&fromId={from_sequence}&limit=1000", 25)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a combined frame of a type we know."""
        return shape(payload)

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the event in a frame, or the trades in a reply.

        `aggTrade` frames are known (id and sequence are the aggregate's) but never subscribed: their ids are another
        count than those of `trade`, so the two must not flow into one stream.
        """
        return read(frame, memory)


class BinanceSession(Session):
    """Requests are numbered from 1; an answer names its request alone."""

    def __init__(self) -> None:
        self._asked = Asked()

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return SUBSCRIBE messages; KeyError where a channel is not one of the venue's."""
        return self._messages("SUBSCRIBE", streams)

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return UNSUBSCRIBE messages; KeyError where a channel is not one of the venue's."""
        return self._messages("UNSUBSCRIBE", streams)

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's opening alone; answers and plain frames are parsed."""
        if payload.startswith(_OPENING):
            end = payload.find(b'"', 11, 96)
            stream = _stream_named(payload[11:end]) if end > 0 else None
            if stream is not None:
                return FrameSignal(stream)
        return _hear(payload, self._asked)

    def _messages(self, method: str, streams: Sequence[Stream]) -> list[Subscription]:
        messages = []
        for some in parts(streams, STREAMS_PER_MESSAGE):
            names = [f"{one.symbol.lower()}@{NAMES[one.channel]}" for one in some]
            number = self._asked.next_number()
            if method == "SUBSCRIBE":
                self._asked.note(number, some)
            messages.append(Subscription(orjson.dumps({"method": method, "params": names, "id": number}), some))
        return messages


@remembered(4096)
def _stream_named(name: bytes) -> Stream | None:
    """Return the stream of a name (`btcusdt@depth@100ms`); None where it is none of ours."""
    try:
        symbol, _, channel = name.decode().partition("@")
    except UnicodeDecodeError:
        return None
    return Stream(CHANNELS[channel], symbol.upper()) if channel in CHANNELS and "\\" not in symbol else None


def _hear(payload: bytes, asked: Asked) -> FrameSignal:
    try:
        document = orjson.loads(payload)
    except ValueError:
        return FrameSignal()
    if not isinstance(document, dict):
        return FrameSignal()
    streams = asked.of(document.get("id"))
    failure = document.get("error", document if "code" in document else None)
    if isinstance(failure, dict):
        words = f"{failure.get('msg')} (code {failure.get('code')})"
        return FrameSignal(refused=tuple((stream, words) for stream in streams or (None,)))
    if "result" in document:
        return FrameSignal(confirmed=streams)
    name = document.get("stream")
    data = document.get("data") if "stream" in document else document
    if not isinstance(data, dict):
        return FrameSignal()
    if data.get("e") == "serverShutdown":
        return FrameSignal(closing=True)
    if isinstance(name, str):
        return FrameSignal(_stream_named(name.encode("utf-8", "replace")))
    channel = {"trade": "trade", "aggTrade": "trade", "depthUpdate": "book"}.get(str(data.get("e", ""))) or (
        "quote" if "B" in data else None
    )
    symbol = data.get("s")
    return FrameSignal(Stream(channel, symbol)) if channel and isinstance(symbol, str) else FrameSignal()
