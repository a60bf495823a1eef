"""The types of the Exchange's messages: a message is told by its `type`, which stands anywhere in it (`price` first, in frames of 2022).

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels.
"""

from collections.abc import Mapping

TYPES: Mapping[bytes, str] = {
    b"match": "trade",
    b"last_match": "trade",
    b"snapshot": "book",
    b"l2update": "book",
    b"ticker": "quote",
    b"status": "status",
    b"received": "orders",
    b"open": "orders",
    b"done": "orders",
    b"change": "orders",
    b"activate": "orders",
}
"""The type → our channel. A `match` is of `matches` and of `full` alike."""
_NAME = b'"type":"'
FURTHEST = 400
"""Bytes within which a type is looked for: other messages than those with one word of it are short."""


def type_of(payload: bytes) -> bytes:
    """Return the first type that stands in a message; empty where there is none near its beginning. Never raises."""
    start = payload.find(_NAME, 0, FURTHEST)
    return payload[start + 8 : payload.find(b'"', start + 8, start + 24)] if start >= 0 else b""
