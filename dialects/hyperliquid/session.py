"""What is said on a connection to Hyperliquid: coins asked about, streams asked for and given up, answers, pings.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket and its pages `subscriptions`, `post-requests`,
`timeouts-and-heartbeats`. The words of errors are the live ones': `Already subscribed: {…}`, `Invalid subscription {…}`,
`Error parsing JSON into valid websocket request: {…}`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from dialects.hyperliquid.coins import ALL, NAMES, stream_of, subscription
from dialects.hyperliquid.universe import METAS, universes
from dialects.session import Asked, FrameSignal, Session, Subscription
from dialects.stream import Stream
from schemas.remembered import remembered

_OPENING = b'{"channel":"'
_COIN = b'"coin":"'
_BETWEEN = ('","data":{"coin":"', '","data":[{"coin":"')
"""What stands between channel and coin: `{"channel":"l2Book","data":{"coin":"BTC",…`, `{"channel":"trades","data":[{"coin":"BTC",…`."""
LONGEST_NAME = 128
"""Letters of a coin that a symbol may have (schemas/bounds.py); a longer one is looked at by the parser."""
_ALREADY = "Already subscribed"
_UNSUBSCRIBED = "Already unsubscribed"


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Subscription(msgspec.Struct):
    type: str
    coin: str | None = None


class _Response(msgspec.Struct):
    """`{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC","nSigFigs":null,"mantissa":null,"fast":false}}`."""

    method: str
    subscription: _Subscription


class _Info(msgspec.Struct):
    data: msgspec.Raw
    type: str = ""


class _Reply(msgspec.Struct):
    """`{"type":"info","payload":{"type":"l2Book","data":null}}`, or `{"type":"error","payload":"429 Too Many Requests"}`."""

    type: str
    payload: msgspec.Raw


class _Posted(msgspec.Struct):
    id: int
    response: _Reply


class _Echo(msgspec.Struct):
    """A request in the words of an error: a whole one, or its subscription alone."""

    method: str = "subscribe"
    id: int | None = None
    subscription: _Subscription | None = None
    type: str | None = None
    coin: str | None = None


class _Named(msgspec.Struct):
    coin: str | None = None


class _Contexts(msgspec.Struct):
    ctxs: list[tuple[str, list[msgspec.Raw]]]


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_response = msgspec.json.Decoder(_Response).decode
_decode_posted = msgspec.json.Decoder(_Posted).decode
_decode_info = msgspec.json.Decoder(_Info).decode
_decode_words = msgspec.json.Decoder(str).decode
_decode_echo = msgspec.json.Decoder(_Echo).decode
_decode_named = msgspec.json.Decoder(_Named | list[_Named]).decode
_decode_contexts = msgspec.json.Decoder(_Contexts).decode


class HyperliquidSession(Session):
    """A stream is asked for in two steps, for a coin that the venue does not know ends the whole connection without a word.

    So each coin is asked about first, by a post request for its book, to which the answer is null where there is no such coin; the
    subscription follows as the answer to that. Where the request itself fails the coin is not known to be wrong: it is asked for.
    `allDexsAssetCtxs` is asked for once the universes have come by which it is read, and these again as soon as one has grown.
    """

    def __init__(self, *, fast: bool) -> None:
        self._fast = fast
        self._asked = Asked()
        self._coins: set[str] = set()
        """Coins that there are."""
        self._sizes: dict[str, int] = {}
        """Coins of each DEX that are known, or have been asked for."""

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return a message for each stream; KeyError where the venue has no such channel on its socket."""
        return [Subscription(self._first(stream), (stream,)) for stream in streams]

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return unsubscribe messages; KeyError as in `ask`."""
        return [Subscription(self._message("unsubscribe", stream), (stream,)) for stream in streams]

    def ping(self) -> bytes:
        """Return the ping without which the server closes what it has not written to for 60 seconds (…/timeouts-and-heartbeats)."""
        return b'{"method":"ping"}'

    def hear(self, payload: bytes) -> FrameSignal:
        """Say which stream spoke by the frame's opening alone; answers and other frames are parsed."""
        stream = _speaker(payload)
        if stream is not None:
            return FrameSignal(stream)
        try:
            envelope = _decode(payload)
            return self._understand(envelope.channel, envelope.data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal()

    def _understand(self, channel: str, data: msgspec.Raw) -> FrameSignal:
        """Return what a parsed frame means; raises as msgspec where it is of another form."""
        if channel == "subscriptionResponse":
            response = _decode_response(data)
            stream = stream_of(response.subscription.type, response.subscription.coin)
            return FrameSignal(confirmed=(stream,) if stream and response.method == "subscribe" else ())
        if channel == "post":
            return self._answered(_decode_posted(data))
        if channel == "error":
            return self._failed(_decode_words(data))
        if channel == NAMES[ALL]:
            return FrameSignal(Stream(ALL, ""), answer=self._grown(data))
        named = _decode_named(data)
        first = named if isinstance(named, _Named) else named[0] if named else _Named()
        return FrameSignal(stream_of(channel, first.coin))

    def _answered(self, posted: _Posted) -> FrameSignal:
        """Return what follows the answer to a post request: the subscription, or a refusal."""
        streams = self._asked.of(posted.id)
        if posted.response.type != "info":
            return self._go_on(streams)
        info = _decode_info(posted.response.payload)
        if info.type == METAS:
            self._sizes |= {dex: len(names) for dex, names in universes(info.data).items()}
            return FrameSignal(answer=self._message("subscribe", streams[0]) if streams else None)
        if bytes(info.data) == b"null":
            return FrameSignal(refused=tuple((stream, f"the venue knows no coin {stream.symbol!r}") for stream in streams))
        self._coins |= {stream.symbol for stream in streams}
        return self._go_on(streams)

    def _go_on(self, streams: tuple[Stream, ...]) -> FrameSignal:
        """Subscribe a coin's stream; what needs universes that have not come is left, and asked for again by the feed."""
        ready = [stream for stream in streams if stream.channel != ALL]
        return FrameSignal(answer=self._message("subscribe", ready[0]) if ready else None)

    def _failed(self, words: str) -> FrameSignal:
        """Return what an error means: its words end with the request, or with the subscription of it."""
        try:
            echo = _decode_echo(words[words.index("{") :].encode())
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return FrameSignal(refused=((None, words),))
        if echo.id is not None:
            return self._go_on(self._asked.of(echo.id))
        wanted = _Subscription(echo.type or "", echo.coin) if echo.subscription is None else echo.subscription
        stream = stream_of(wanted.type, wanted.coin)
        if words.startswith(_ALREADY):
            return FrameSignal(confirmed=(stream,) if stream else ())
        if words.startswith(_UNSUBSCRIBED) or echo.method != "subscribe":
            return FrameSignal()
        return FrameSignal(refused=((stream, words),))

    def _grown(self, data: msgspec.Raw) -> bytes | None:
        """Return the request for the universes where a DEX has more contexts than coins are known of it; once for each size."""
        sizes = {dex: len(contexts) for dex, contexts in _decode_contexts(data).ctxs}
        if all(size <= self._sizes.get(dex, 0) for dex, size in sizes.items()):
            return None
        self._sizes |= sizes
        return self._post({"type": METAS}, ())

    def _first(self, stream: Stream) -> bytes:
        """Return the first message for a stream: the question that comes before its subscription."""
        wanted = subscription(stream, fast=self._fast)
        if stream.channel == ALL:
            return self._post({"type": METAS}, (stream,))
        if stream.symbol in self._coins:
            return orjson.dumps({"method": "subscribe", "subscription": wanted})
        return self._post({"type": "l2Book", "coin": stream.symbol}, (stream,))

    def _post(self, payload: dict[str, Any], streams: tuple[Stream, ...]) -> bytes:
        number = self._asked.next_number()
        self._asked.note(number, streams)
        return orjson.dumps({"method": "post", "id": number, "request": {"type": "info", "payload": payload}})

    def _message(self, method: str, stream: Stream) -> bytes:
        return orjson.dumps({"method": method, "subscription": subscription(stream, fast=self._fast)})


def _speaker(payload: bytes) -> Stream | None:
    """Return the stream of a frame that begins with its channel and its coin (`_BETWEEN`); else None."""
    if not payload.startswith(_OPENING):
        return None
    start = payload.find(_COIN, len(_OPENING), 50) + len(_COIN)
    end = payload.find(b'"', start, start + LONGEST_NAME + 1)
    return _stream_named(payload[len(_OPENING) : end]) if end > 0 else None


@remembered(8192)
def _stream_named(opening: bytes) -> Stream | None:
    """Return the stream of `l2Book","data":{"coin":"BTC`; None where it is none of ours. Never raises on any bytes."""
    if b"\\" in opening or not opening.isascii():
        return None
    for between in _BETWEEN:
        channel, found, coin = opening.decode().partition(between)
        if found:
            return stream_of(channel, coin)
    return None
