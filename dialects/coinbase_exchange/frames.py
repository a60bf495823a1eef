"""What Coinbase Exchange pushes, and the events made of it. Replies stand in replies.py, how it is asked in session.py.

Source: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels. "New message types can be added at any time. Clients are expected
to ignore messages they do not support" (…/websocket-feed/overview): none is ignored here without a word, so that whoever runs this knows.

`sequence` counts the messages of a product on `full` alone; other channels carry the current one, with jumps. So a book of `level2`,
whose delivery the venue guarantees, goes on from its own connection's snapshot, and trades count by `trade_id`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from dialects.coinbase.sides import taker
from dialects.coinbase.statuses import read_products
from dialects.coinbase.times import microseconds, moment
from dialects.coinbase_exchange.orders import ORDERS
from dialects.coinbase_exchange.replies import read_reply
from dialects.coinbase_exchange.types import type_of
from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.memory import Memory
from dialects.quotes import best
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_SILENT = {"heartbeat", "subscriptions", "error"}
"""Types of which no event comes."""


class _Match(msgspec.Struct, gc=False):
    """`{"type":"match","trade_id":71,"side":"sell","size":"0.5","price":"64250.1","product_id":"BTC-USD","sequence":90,"time":"…"}`.

    Its `side` is the maker's. A `last_match` is the last trade before the subscription.
    """

    type: Literal["match", "last_match"]
    trade_id: _Whole
    side: str
    size: str
    price: str
    product_id: str
    time: str


class _Snapshot(msgspec.Struct, gc=False):
    """The whole of a book: levels as `["price","size"]`; frames of 2021 have no time."""

    type: Literal["snapshot"]
    product_id: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    time: str | None = None


class _Update(msgspec.Struct, gc=False):
    """`{"type":"l2update","product_id":"BTC-USD","changes":[["buy","64250.1","0.25"]],"time":"…"}`: a level's size, 0 removes it."""

    type: Literal["l2update"]
    product_id: str
    changes: list[tuple[Literal["buy", "sell"], str, str]]
    time: str


class _Ticker(msgspec.Struct, gc=False):
    """The best bid and ask when a trade was made; frames of 2021 have no sizes."""

    type: Literal["ticker"]
    product_id: str
    sequence: _Whole
    best_bid: str
    best_ask: str
    best_bid_size: str | None = None
    best_ask_size: str | None = None
    time: str | None = None


class _Status(msgspec.Struct):
    products: list[msgspec.Raw]


class _Head(msgspec.Struct):
    type: str | None = None


_decode_match = msgspec.json.Decoder(_Match).decode
_decode_snapshot = msgspec.json.Decoder(_Snapshot).decode
_decode_update = msgspec.json.Decoder(_Update).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode
_decode_status = msgspec.json.Decoder(_Status).decode
_decode_head = msgspec.json.Decoder(_Head).decode


def _matches(found: Sequence[_Match]) -> dict[str, Any]:
    return {
        "symbol": [one.product_id for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "trade_id": [str(one.trade_id) for one in found],
        "sequence": [one.trade_id for one in found],
        "price": [encode(one.price) for one in found],
        "size": [encode(one.size) for one in found],
        "side": [taker(one.side) for one in found],
        "replayed": [one.type == "last_match" for one in found],
    }


def _updates(found: Sequence[_Update]) -> dict[str, Any]:
    bids = [[(price, size) for side, price, size in one.changes if side == "buy"] for one in found]
    asks = [[(price, size) for side, price, size in one.changes if side == "sell"] for one in found]
    return _levels(bids, asks) | {
        "symbol": [one.product_id for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "is_snapshot": False,
        "depth": 0,
    }


def _snapshots(found: Sequence[_Snapshot]) -> dict[str, Any]:
    return _levels([one.bids for one in found], [one.asks for one in found]) | {
        "symbol": [one.product_id for one in found],
        "event_time": [moment(one.time) for one in found],
        "is_snapshot": True,
        "depth": 0,
    }


def _levels(bids: Sequence[Sequence[tuple[str, str]]], asks: Sequence[Sequence[tuple[str, str]]]) -> dict[str, Any]:
    return {
        "bid_prices": [[encode(price) for price, _ in side] for side in bids],
        "bid_sizes": [[encode(size) for _, size in side] for side in bids],
        "ask_prices": [[encode(price) for price, _ in side] for side in asks],
        "ask_sizes": [[encode(size) for _, size in side] for side in asks],
    }


def _side(levels: Sequence[tuple[str, str | None]]) -> tuple[list[bytes | None], list[bytes | None]]:
    """Return prices and sizes; an empty price, or one of zero, is none, and a size may not have been said."""
    prices = [encode(price) if price.strip("0.") else None for price, _ in levels]
    sizes = [None if price is None or size is None else encode(size) for price, (_, size) in zip(prices, levels, strict=True)]
    return best(prices, sizes)


def _tickers(found: Sequence[_Ticker]) -> dict[str, Any]:
    bid_prices, bid_sizes = _side([(one.best_bid, one.best_bid_size) for one in found])
    ask_prices, ask_sizes = _side([(one.best_ask, one.best_ask_size) for one in found])
    return {
        "symbol": [one.product_id for one in found],
        "event_time": [moment(one.time) for one in found],
        "sequence": [one.sequence for one in found],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


_MATCHES = Shape("trade", lambda payload, _memory: (_decode_match(payload),), _matches)
_SHAPES: Mapping[bytes, Shape] = {
    b"match": _MATCHES,
    b"last_match": _MATCHES,
    b"snapshot": Shape("book_delta", lambda payload, _memory: (_decode_snapshot(payload),), _snapshots),
    b"l2update": Shape("book_delta", lambda payload, _memory: (_decode_update(payload),), _updates),
    b"ticker": Shape("quote", lambda payload, _memory: (_decode_ticker(payload),), _tickers),
    **dict.fromkeys((b"received", b"open", b"done", b"change", b"activate"), ORDERS),
}


def shape(payload: bytes) -> Shape | None:
    """Return the shape of a frame by its type."""
    return _SHAPES.get(type_of(payload))


def read(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Return the events in a frame; InvalidDatum says why there are none."""
    try:
        if frame.kind == "reply":
            return read_reply(frame)
        found = shape(frame.payload)
        return _plain(frame, memory) if found is None else decoded_events(found, found.decode(frame.payload, memory))
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def _plain(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Read a frame whose type stands elsewhere, or of which a block is made of nobody."""
    payload = frame.payload
    name = _decode_head(payload).type or ""
    found = _SHAPES.get(name.encode())
    if found is not None:
        return decoded_events(found, found.decode(payload, memory))
    if name == "status":
        return read_products(_decode_status(payload).products, None, memory, whole=True)
    if name in _SILENT:
        return ()
    raise InvalidDatum(f"unknown type {name!r}: {payload[:80]!r}")
