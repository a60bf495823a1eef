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

from dialects.contract import Dialect, Endpoints, Frame, Heard, Limits, Made, Request, Stream, Subscription
from dialects.kraken.frames import read

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
    channels: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "instrument": ("instrument",),
        "trade": ("trade",),
        "book": ("book_delta",),
        "quote": ("quote",),
        "orders": ("order_delta",),
    }
    authenticated_channels: ClassVar[frozenset[str]] = frozenset({"orders"})
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=300,
        messages_per_second=5,
        ping_every=30,
        requests_per_minute=60,
        silence={"trade": 600, "book": 60, "quote": 60, "orders": 60},
    )
    authenticated_limits: ClassVar[Limits] = replace(limits, streams_per_connection=200, messages_per_second=2)
    production: ClassVar[Endpoints] = Endpoints("wss://ws.kraken.com/v2", "https://api.kraken.com", "wss://ws-l3.kraken.com/v2")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC/USD", "ETH/USD", "SOL/USD")
    counted_channels: ClassVar[frozenset[str]] = frozenset({"trade"})
    resumable_trades: ClassVar[bool] = True
    book_depth: ClassVar[int] = 100
    """Levels per side subscribed: 10, 25, 100, 500 or 1000."""
    orders_depth: ClassVar[int] = 1000
    """Levels per side whose orders are subscribed: 10, 100 or 1000."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the websocket address of authenticated channels or that of the others.

        Raises ValueError where streams of both kinds are to share a connection, and where the address needed is not set.
        """
        kinds = {stream.channel in self.authenticated_channels for stream in streams}
        if len(kinds) > 1:
            raise ValueError("kraken takes authenticated channels on connections of their own")
        address = endpoints.authenticated if True in kinds else endpoints.websocket
        if not address:
            raise ValueError(f"no address of kraken's {'authenticated ' if True in kinds else ''}websocket is set")
        return address

    def subscribe(self, streams: Sequence[Stream], first_id: int, token: str = "") -> list[Subscription]:
        """Return subscribe messages, instruments first; KeyError where a channel is not one of `channels`."""
        return self._messages("subscribe", streams, first_id, token)

    def unsubscribe(self, streams: Sequence[Stream], first_id: int, token: str = "") -> list[Subscription]:
        """Return unsubscribe messages; KeyError where a channel is not one of `channels`."""
        return self._messages("unsubscribe", streams, first_id, token)

    def _messages(self, method: str, streams: Sequence[Stream], first_id: int, token: str) -> list[Subscription]:
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
            if channel == "orders":
                extra |= {"depth": self.orders_depth, "token": token}
            size = ORDERS_PER_MESSAGE if channel == "orders" else SYMBOLS_PER_MESSAGE
            for start in range(0, len(asked), size):
                part = tuple(asked[start : start + size])
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

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None) -> Request | None:
        """Return the request for up to 1000 trades after a time; None without a time.

        `since` is in nanoseconds and exclusive, our times are cut to microseconds, and one taker's trades share a time:
        so it asks from one microsecond earlier, and what is known already comes once more.
        """
        if from_time is None:
            return None
        return Request("GET", f"/0/public/Trades?pair={escape(symbol)}&since={max(from_time - 1, 0) * 1000}&count=1000")

    def read(self, frame: Frame, memory: dict[str, Any]) -> Iterable[Made]:
        """Return the events in a frame; `memory["scales"]` keeps [price_scale, size_scale] by symbol, from instrument frames."""
        return read(frame, memory, self.book_depth, self.orders_depth)


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
