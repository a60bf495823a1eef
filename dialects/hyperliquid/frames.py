"""What Hyperliquid pushes, and the events made of it: `{"channel":"trades","data":[…]}`. Replies stand in replies.py.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions and its neighbour `post-requests`.
The channel comes first in all seen; a frame that begins otherwise is read all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.hyperliquid.contexts import name_of, read_all_contexts, read_context, read_spot_context
from dialects.hyperliquid.replies import read_reply
from dialects.hyperliquid.trades import Book, Quote, Trade, books, quotes, trades
from dialects.hyperliquid.universe import METAS, remember
from dialects.memory import Memory
from schemas.errors import InvalidDatum

_OPENING = b'{"channel":"'
_CONTEXTS = {"activeAssetCtx", "activeSpotAssetCtx"}
_ALL = "allDexsAssetCtxs"
_ANSWERS = {"subscriptionResponse", "pong", "error"}


class _Trades(msgspec.Struct):
    data: list[Trade]


class _Book(msgspec.Struct):
    data: Book


class _Quote(msgspec.Struct):
    data: Quote


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Info(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""


class _Reply(msgspec.Struct):
    type: str
    payload: msgspec.Raw


class _Posted(msgspec.Struct):
    response: _Reply


class _Of(msgspec.Struct):
    coin: str


def _of_many(event: str, kind: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    decode = msgspec.json.Decoder(kind).decode
    return Shape(event, lambda payload, _memory: decode(payload).data, columns)


def _of_one(event: str, kind: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    decode = msgspec.json.Decoder(kind).decode
    return Shape(event, lambda payload, _memory: (decode(payload).data,), columns)


SHAPES: Mapping[bytes, Shape] = {
    b"trades": _of_many("trade", _Trades, trades),
    b"l2Book": _of_one("book_delta", _Book, books),
    b"bbo": _of_one("quote", _Quote, quotes),
}
_decode = msgspec.json.Decoder(_Envelope).decode
_decode_posted = msgspec.json.Decoder(_Posted).decode
_decode_info = msgspec.json.Decoder(_Info).decode
_decode_of = msgspec.json.Decoder(_Of).decode


def shape_of(payload: bytes) -> Shape | None:
    """Return the shape of a frame that begins with its channel; the decoder then checks the rest."""
    end = payload.find(b'"', 12, 20) if payload[:12] == _OPENING else -1
    return SHAPES.get(payload[12:end]) if end > 0 else None


def read(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Return the events in a frame; InvalidDatum says why there are none."""
    try:
        if frame.kind == "reply":
            return read_reply(frame, memory)
        shape = shape_of(frame.payload)
        if shape is not None:
            return decoded_events(shape, shape.decode(frame.payload, memory))
        return _plain(frame, memory)
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def may_have_changed(payload: bytes) -> tuple[str, ...] | None:
    """Return the names in memory of what a frame that could not be read may have changed; None where it does not say whose it is.

    A context is of one coin or of all; no other frame changes what is merged.
    """
    if shape_of(payload) is not None:
        return ()
    try:
        envelope = _decode(payload)
        if envelope.channel in _CONTEXTS:
            return (name_of(_decode_of(envelope.data).coin),)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None if envelope.channel == _ALL else ()


def _plain(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Read a frame that is of no shape, or does not begin with its channel."""
    envelope = _decode(frame.payload)
    channel, data = envelope.channel, envelope.data
    if channel == "activeAssetCtx":
        return read_context(data, frame.received_at, memory)
    if channel == "activeSpotAssetCtx":
        return read_spot_context(data, memory)
    if channel == _ALL:
        return read_all_contexts(data, frame.received_at, memory)
    if channel == "post":
        return _posted(data, memory)
    if channel in _ANSWERS:
        return ()
    shape = SHAPES.get(channel.encode())
    if shape is None:
        raise InvalidDatum(f"unknown channel {channel[:64]!r}: {frame.payload[:80]!r}")
    return decoded_events(shape, shape.decode(frame.payload, memory))


def _posted(data: msgspec.Raw, memory: Memory) -> Iterable[DecodedEvent]:
    """Take the universes from the answer to a post request; all others only say whether there is such a coin."""
    response = _decode_posted(data).response
    if response.type == "info":
        info = _decode_info(response.payload)
        if info.type == METAS:
            remember(info.data, memory)
    return ()
