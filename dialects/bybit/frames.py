"""What Bybit pushes, and the events made of it. Tickers stand in tickers.py, replies in replies.py, how it is asked in session.py.

Sources: https://bybit-exchange.github.io/docs/v5/websocket/public/trade and its neighbours `orderbook`, `ticker`, `all-liquidation`;
https://bybit-exchange.github.io/docs/v5/websocket/system/system-status; answers: https://bybit-exchange.github.io/docs/v5/ws/connect.

The keys of a frame come in another order in each market (`ts` before `type` on spot): a frame is told by its topic alone, which
comes first in all seen; one that begins otherwise is read all the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from dialects.bybit.market import Market
from dialects.bybit.replies import read_reply
from dialects.bybit.statuses import Statuses, read_statuses
from dialects.bybit.tickers import TickerMessage, name_of, read_ticker
from dialects.bybit.times import Millis, microseconds
from dialects.bybit.topics import STATUS, depth_of
from dialects.bybit.trades import TradeMessage, columns_of
from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.memory import Memory
from dialects.quotes import best
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Levels = list[tuple[str, str]]
_NO_LEVEL = ("0", "0")
RESTART = 1
"""The update id of "a snapshot data due to the restart of the service" (…/websocket/public/orderbook)."""
_LIQUIDATED = {"Buy": ("long", "sell"), "Sell": ("short", "buy")}
"""The position's side → who was liquidated, and the side of the order that closed it (…/websocket/public/all-liquidation)."""


class _Book(msgspec.Struct):
    s: str
    b: _Levels
    a: _Levels
    u: _Whole


class _Books(msgspec.Struct):
    """`{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1790000000020,"data":{"s":"BTCUSDT","b":[["64255.5","5.1"]],"a":[],"u":8}}`."""

    topic: str
    type: Literal["snapshot", "delta"]
    ts: Millis
    data: _Book
    cts: Millis | None = None


class _Best(msgspec.Struct):
    """The same of `orderbook.1.BTCUSDT`: its best levels as a snapshot each time."""

    type: Literal["snapshot"]
    ts: Millis
    data: _Book
    cts: Millis | None = None


class _Liquidation(msgspec.Struct, gc=False):
    """`{"T":1790000000471,"s":"BTCUSDT","S":"Buy","v":"0.006","p":"64101.30"}`: one of `data` of `allLiquidation.BTCUSDT`."""

    time: Millis = msgspec.field(name="T")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    size: str = msgspec.field(name="v")
    price: str = msgspec.field(name="p")


class _Liquidations(msgspec.Struct):
    data: list[_Liquidation]


class _Head(msgspec.Struct):
    """What tells a frame that is not in the usual form."""

    topic: str | None = None
    op: str | None = None
    success: bool | None = None
    type: str | None = None


def _time(message: _Books | _Best) -> int:
    """Return the matching engine's time, which is that of trades (`cts` and `T` correlate), else that of sending."""
    return microseconds(message.ts if message.cts is None else message.cts)


def _depth(name: str) -> int:
    depth = depth_of(name)
    if depth is None:
        raise InvalidDatum(f"the topic {name!r} is no book of some levels")
    return depth


def _books(found: Sequence[_Books]) -> dict[str, Any]:
    """Return the columns of books. Sizes stay in the venue's unit. `seq`, which compares books of other depths, has no field of ours."""
    return {
        "symbol": [one.data.s for one in found],
        "event_time": [_time(one) for one in found],
        "bid_prices": [[encode(price) for price, _ in one.data.b] for one in found],
        "bid_sizes": [[encode(size) for _, size in one.data.b] for one in found],
        "ask_prices": [[encode(price) for price, _ in one.data.a] for one in found],
        "ask_sizes": [[encode(size) for _, size in one.data.a] for one in found],
        "is_snapshot": [one.type == "snapshot" or one.data.u == RESTART for one in found],
        "depth": [_depth(one.topic) for one in found],
        "first_sequence": [one.data.u for one in found],
        "last_sequence": [one.data.u for one in found],
    }


def _quotes(found: Sequence[_Best]) -> dict[str, Any]:
    """Return the columns of best quotes. Level 1 is snapshots alone, best level first; an empty side has none."""
    bids, asks = (
        [one.data.b[0] if one.data.b else _NO_LEVEL for one in found],
        [one.data.a[0] if one.data.a else _NO_LEVEL for one in found],
    )
    bid_prices, bid_sizes = best([encode(price) for price, _ in bids], [encode(size) for _, size in bids])
    ask_prices, ask_sizes = best([encode(price) for price, _ in asks], [encode(size) for _, size in asks])
    return {
        "symbol": [one.data.s for one in found],
        "event_time": [_time(one) for one in found],
        "sequence": [one.data.u for one in found],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


def _liquidations(found: Sequence[_Liquidation]) -> dict[str, Any]:
    """Return the columns of liquidations. Their price is that of bankruptcy, no fill's: it makes no amount in another currency."""
    sides = [_LIQUIDATED.get(one.side, ("unknown", "unknown")) for one in found]
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "liquidated_side": [liquidated for liquidated, _ in sides],
        "order_side": [order for _, order in sides],
        "price": [encode(one.price) for one in found],
        "price_kind": "bankruptcy",
        "size_native": [encode(one.size) for one in found],
        "completeness": "complete",
        "source": "order_stream",
    }


def _liquidations_in_base(found: Sequence[_Liquidation]) -> dict[str, Any]:
    columns = _liquidations(found)
    return columns | {"size_base": columns["size_native"]}


def _liquidations_in_quote(found: Sequence[_Liquidation]) -> dict[str, Any]:
    columns = _liquidations(found)
    return columns | {"size_quote": columns["size_native"]}


def _of_many(event: str, kind: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    decode = msgspec.json.Decoder(kind).decode
    return Shape(event, lambda payload, _memory: decode(payload).data, columns)


def _of_one(event: str, kind: Any, columns: Callable[[Any], dict[str, Any]]) -> Shape:
    decode = msgspec.json.Decoder(kind).decode
    return Shape(event, lambda payload, _memory: (decode(payload),), columns)


class Shapes:
    """The shapes of one market's frequent frames, by the channel that their topic begins with."""

    def __init__(self, market: Market) -> None:
        in_base = market.unit == "base"
        trades = _of_many("trade", TradeMessage, columns_of(market))
        liquidations = _of_many("liquidation", _Liquidations, _liquidations_in_base if in_base else _liquidations_in_quote)
        self._books = _of_one("book_delta", _Books, _books)
        self._best = _of_one("quote", _Best, _quotes)
        self._others: Mapping[bytes, Shape] = {b"publicTrad": trades} | ({} if market.category == "spot" else {b"allLiquida": liquidations})

    def of(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame that begins with its topic: `{"topic":"orderbook.50.BTCUSDT",…`."""
        return self.named(payload[10:22]) if payload[:10] == b'{"topic":"' else None

    def named(self, topic: bytes) -> Shape | None:
        """Return the shape of a topic by its first twelve bytes; the decoder then checks the rest."""
        if topic[:10] == b"orderbook.":
            return self._best if topic[10:12] == b"1." else self._books
        return self._others.get(topic[:10])


@cache
def shapes_of(market: Market) -> Shapes:
    """Return the shapes of a market."""
    return Shapes(market)


_OPENING = b'{"topic":"'
_TICKER = b'{"topic":"tickers.'
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_ticker = msgspec.json.Decoder(TickerMessage).decode
_decode_statuses = msgspec.json.Decoder(Statuses).decode
_OPERATIONS = {"subscribe", "unsubscribe", "ping", "pong", "auth"}


def read(frame: Frame, memory: Memory, market: Market) -> Iterable[DecodedEvent]:
    """Return the events in a frame of a market; InvalidDatum says why there are none."""
    payload = frame.payload
    try:
        if frame.kind == "reply":
            return read_reply(frame, memory, market)
        shape = shapes_of(market).of(payload)
        if shape is not None:
            return decoded_events(shape, shape.decode(payload, memory))
        if payload.startswith(_TICKER):
            return _ticker(payload, memory, market)
        return _plain(payload, memory, market)
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def may_have_changed(payload: bytes) -> tuple[str, ...] | None:
    """Return the names in memory of what a frame that could not be read may have changed, by its topic; None where it begins with none.

    A frame is of one topic, and of all topics only the tickers are merged.
    """
    end = payload.find(b'"', len(_OPENING))
    topic = payload[len(_OPENING) : end]
    if not payload.startswith(_OPENING) or end < 0 or b"\\" in topic or not topic.isascii():
        return None
    channel, _, symbol = topic.decode().partition(".")
    return (name_of(symbol),) if channel == "tickers" else ()


def _plain(payload: bytes, memory: Memory, market: Market) -> Iterable[DecodedEvent]:
    """Read a frame that does not begin with its topic, or is an answer to us."""
    head = _decode_head(payload)
    if head.topic is None:
        if head.op in _OPERATIONS or (head.success is not None and head.type == "COMMAND_RESP"):
            return ()
        raise InvalidDatum(f"neither a topic nor an answer: {payload[:80]!r}")
    shape = shapes_of(market).named(head.topic.encode())
    if shape is not None:
        return decoded_events(shape, shape.decode(payload, memory))
    if head.topic.startswith("tickers."):
        return _ticker(payload, memory, market)
    if head.topic == STATUS:
        found = _decode_statuses(payload)
        return read_statuses(found.data, found.ts, memory, whole=False)
    raise InvalidDatum(f"unknown topic {head.topic!r}: {payload[:80]!r}")


def _ticker(payload: bytes, memory: Memory, market: Market) -> Iterable[DecodedEvent]:
    """Spot's tickers make no event: they hold what trades say too, statistics of a day, and an index in US dollars.

    (`usdIndexPrice`, by which the venue values collateral: not in the pair's quote currency, as `mark_price.index_price` is.)
    """
    message = _decode_ticker(payload)
    return () if market.category == "spot" else read_ticker(message, memory, market)
