"""What Kraken sends on WebSocket v2 and answers to `/0/public/Trades`, and the events made of it. How it is asked stands in kraken.py.

Sources: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
and its neighbours `trade`, `ticker`, `instrument`, `heartbeat`,
`status`; https://docs.kraken.com/api/docs/rest-api/get-recent-trades. The `level3` channel stands in kraken_orders.py.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

import msgspec

from dialects.contract import Frame, Made
from dialects.kraken.numbers import Number, encoded, microseconds, written
from dialects.kraken.orders import OrdersMessage, read_orders
from dialects.records import Side, book_delta, instrument, quote, trade
from schemas.decimals import scale_of
from schemas.errors import InvalidDatum

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Scale = Annotated[int, msgspec.Meta(ge=0, le=18)]
_Type = Literal["snapshot", "update"]


class _Trade(msgspec.Struct, gc=False):
    symbol: str
    side: Literal["buy", "sell"]
    price: Number
    qty: Number
    trade_id: _Whole
    timestamp: str


class _Level(msgspec.Struct, gc=False):
    price: Number
    qty: Number


class _Book(msgspec.Struct):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: str | None = None


class _Ticker(msgspec.Struct):
    symbol: str
    bid: Number
    bid_qty: Number
    ask: Number
    ask_qty: Number
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


class _Trades(msgspec.Struct, tag_field="channel", tag="trade"):
    type: _Type
    data: list[_Trade]


class _Books(msgspec.Struct, tag_field="channel", tag="book"):
    type: _Type
    data: list[_Book]


class _Tickers(msgspec.Struct, tag_field="channel", tag="ticker"):
    type: _Type
    data: list[_Ticker]


class _InstrumentList(msgspec.Struct, tag_field="channel", tag="instrument"):
    type: _Type
    data: _Instruments


class _Heartbeat(msgspec.Struct, tag_field="channel", tag="heartbeat"):
    pass


class _Status(msgspec.Struct, tag_field="channel", tag="status"):
    pass


class _Answer(msgspec.Struct):
    channel: str | None = None
    method: str | None = None
    error: str | None = None


class _Reply(msgspec.Struct):
    error: list[str]
    result: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Trades | _Books | _Tickers | _InstrumentList | OrdersMessage | _Heartbeat | _Status, float_hook=str).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_reply = msgspec.json.Decoder(_Reply, float_hook=str).decode


def read(frame: Frame, memory: dict[str, Any], depth: int, orders_depth: int) -> Iterable[Made]:
    """Return the events in a frame; the depths are those of the books and orders subscribed. InvalidDatum says why there are none.

    Instrument frames leave [price_scale, size_scale] by symbol in `memory["scales"]`. Until then a book's scales are the
    most decimals its own frame shows, which is too few where the venue leaves out zeros.
    """
    try:
        if frame.kind == "reply":
            return _reply(frame)
        message = _decode(frame.payload)
        kind = type(message)
        if kind is _Trades:
            replayed = message.type == "snapshot"
            return [_trade(frame, index, one, replayed) for index, one in enumerate(message.data)]
        if kind is _Books:
            scales, is_snapshot = memory.get("scales", {}), message.type == "snapshot"
            return [_book(frame, index, one, scales.get(one.symbol), is_snapshot, depth) for index, one in enumerate(message.data)]
        if kind is OrdersMessage:
            return read_orders(frame, message, orders_depth)
        if kind is _Tickers:
            return [_quote(frame, index, one) for index, one in enumerate(message.data)]
        if kind is _InstrumentList:
            pairs = message.data.pairs
            memory.setdefault("scales", {}).update({pair.symbol: [pair.price_precision, pair.qty_precision] for pair in pairs})
            return [_instrument(frame, index, pair) for index, pair in enumerate(pairs)]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if frame.kind == "message" and _is_answer(frame.payload):
            return ()
        raise InvalidDatum(f"kraken: {error}") from error
    return ()


def _is_answer(payload: bytes) -> bool:
    """Tell whether a frame answers a request of ours: it has a method or an error, and no channel."""
    try:
        answer = _decode_answer(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return answer.channel is None and (answer.method in {"subscribe", "unsubscribe", "pong"} or answer.error is not None)


def _trade(frame: Frame, index: int, one: _Trade, replayed: bool) -> Made:
    time = microseconds(one.timestamp)
    return trade(frame, index, one.symbol, time, one.trade_id, encoded(one.price), encoded(one.qty), one.side, replayed)


def _book(frame: Frame, index: int, book: _Book, scales: Sequence[int] | None, is_snapshot: bool, depth: int) -> Made:
    if scales is None:
        levels = book.bids + book.asks
        scales = [
            max((scale_of(written(level.price)) for level in levels), default=0),
            max((scale_of(written(level.qty)) for level in levels), default=0),
        ]
    return book_delta(
        frame,
        index,
        book.symbol,
        None if book.timestamp is None else microseconds(book.timestamp),
        ([encoded(level.price) for level in book.bids], [encoded(level.qty) for level in book.bids]),
        ([encoded(level.price) for level in book.asks], [encoded(level.qty) for level in book.asks]),
        is_snapshot=is_snapshot,
        depth=depth,
        checksum=book.checksum,
        price_scale=scales[0],
        size_scale=scales[1],
    )


def _quote(frame: Frame, index: int, one: _Ticker) -> Made:
    time = None if one.timestamp is None else microseconds(one.timestamp)
    bid, bid_size, ask, ask_size = (None if number is None else encoded(number) for number in (one.bid, one.bid_qty, one.ask, one.ask_qty))
    return quote(frame, index, one.symbol, time, None, (bid, bid_size), (ask, ask_size))


def _instrument(frame: Frame, index: int, pair: _Pair) -> Made:
    return instrument(
        frame,
        index,
        pair.symbol,
        base=pair.base,
        quote=pair.quote,
        price_scale=pair.price_precision,
        size_scale=pair.qty_precision,
        status=pair.status,
    )


def _reply(frame: Frame) -> list[Made]:
    """Read `/0/public/Trades`: rows of [price, size, seconds, b|s, m|l, "", trade id]; the symbol is the request's."""
    parts = urlsplit((frame.request or "").partition(" ")[2])
    pair = parse_qs(parts.query).get("pair")
    if parts.path != "/0/public/Trades" or not pair:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    reply = _decode_reply(frame.payload)
    if reply.error:
        raise InvalidDatum(f"{parts.path}: {', '.join(reply.error)}")
    rows = [value for key, value in reply.result.items() if key != "last"]
    if len(rows) != 1 or not isinstance(rows[0], list):
        raise InvalidDatum(f"{parts.path}: expected the trades of one pair, got {sorted(reply.result)}")
    return [_old_trade(frame, pair[0], index, row) for index, row in enumerate(rows[0])]


def _old_trade(frame: Frame, symbol: str, index: int, row: Any) -> Made:
    try:
        price, size, time, side, _, _, number = row
        seconds, _, fraction = written(time).partition(".")
        moment = int(seconds) * 1_000_000 + int((fraction + "000000")[:6])
        if type(number) is not int or not 0 <= number < 2**63:
            raise InvalidDatum(f"{number!r} is not a trade id")
        return trade(frame, index, symbol, moment, number, encoded(price), encoded(size), _SIDES[side])
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidDatum(f"not a trade: {row!r}: {error}") from error


_SIDES: dict[str, Side] = {"b": "buy", "s": "sell"}
