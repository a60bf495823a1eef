"""What Kraken sends on WebSocket v2 and answers to `/0/public/Trades`, and the events made of it. How it is asked stands in dialect.py.

Sources: https://docs.kraken.com/exchange/api-reference/spot-websocket-v2/book
and its neighbours `trade`, `ticker`, `instrument`, `heartbeat`,
`status`; https://docs.kraken.com/api/docs/rest-api/get-recent-trades. The `level3` channel stands in orders.py.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.instruments import CURRENCIES, canonical_name
from dialects.kraken.numbers import Number, encoded, microseconds, written
from dialects.kraken.orders import OrdersMessage, read_orders
from dialects.kraken.refusals import errors
from dialects.listings import instruments_of
from dialects.memory import Memory
from dialects.quotes import best
from schemas.bounds import LONGEST_NAME
from schemas.decimals import SCALE, unscaled
from schemas.errors import InvalidDatum

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Scale = Annotated[int, msgspec.Meta(ge=0, le=18)]
_Type = Literal["snapshot", "update"]


class _Trade(msgspec.Struct, gc=False):
    """`{"symbol":"BTC/USD","side":"buy","price":64250.1,"qty":0.05,"ord_type":"limit","trade_id":91,"timestamp":"2026-09-21T14:12:20.1Z"}`.

    Here and below: one of `data` of `{"channel":"trade","type":"update","data":[…]}`. Numbers are kept as text, never as floats.
    """

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
    """`{"symbol":"BTC/USD","bids":[{"price":64250.0,"qty":0.25}],"asks":[],"checksum":2439117997,"timestamp":"2026-09-21T14:13:20.1Z"}`."""

    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    timestamp: str | None = None


class _Ticker(msgspec.Struct):
    """`{"symbol":"BTC/USD","bid":64250.0,"bid_qty":0.25,"ask":64250.1,"ask_qty":0.22,…,"timestamp":"2026-09-21T14:13:20.1Z"}`."""

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
    price_increment: Number = None
    qty_increment: Number = None
    qty_min: Number = None
    cost_min: Number = None


class _Precisions(msgspec.Struct):
    """Of a pair, what its books' checksums are made with."""

    symbol: str
    price_precision: _Scale
    qty_precision: _Scale


class _Instruments(msgspec.Struct):
    pairs: list[msgspec.Raw]


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
_decode_pair = msgspec.json.Decoder(_Pair, float_hook=str).decode
_decode_precisions = msgspec.json.Decoder(_Precisions).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_reply = msgspec.json.Decoder(_Reply, float_hook=str).decode


class _Row(NamedTuple):
    """One of the things a message holds, what kind of message it is, and for a book its scales and depth."""

    one: Any
    is_snapshot: bool
    scales: Sequence[int | None] = ()


UNKNOWN = (None, None)
"""The scales of a pair of which the instrument channel has said nothing: what a message shows is too few where it leaves out zeros."""


def _shape(event: str, kind: Any, columns: Callable[[Sequence[_Row]], dict[str, Any]], *, scaled: bool = False) -> Shape:
    """Return the shape of messages of one channel, which hold one or more of its things."""
    decode = msgspec.json.Decoder(kind, float_hook=str).decode

    def rows(payload: bytes, memory: Memory) -> list[_Row]:
        message = decode(payload)
        is_snapshot = message.type == "snapshot"
        if not scaled:
            return [_Row(one, is_snapshot) for one in message.data]
        scales = memory.get("scales", {})
        return [_Row(one, is_snapshot, scales.get(one.symbol, UNKNOWN)) for one in message.data]

    return Shape(event, rows, columns)


def _trades(rows: Sequence[_Row]) -> dict[str, Any]:
    found: list[_Trade] = [row.one for row in rows]
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [microseconds(one.timestamp) for one in found],
        "trade_id": [str(one.trade_id) for one in found],
        "sequence": [one.trade_id for one in found],
        "price": [encoded(one.price) for one in found],
        "size": [encoded(one.qty) for one in found],
        "side": [one.side for one in found],
        "replayed": [row.is_snapshot for row in rows],
    }


def _books(rows: Sequence[_Row], depth: int) -> dict[str, Any]:
    found: list[_Book] = [row.one for row in rows]
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [None if one.timestamp is None else microseconds(one.timestamp) for one in found],
        "bid_prices": [[encoded(level.price) for level in one.bids] for one in found],
        "bid_sizes": [[encoded(level.qty) for level in one.bids] for one in found],
        "ask_prices": [[encoded(level.price) for level in one.asks] for one in found],
        "ask_sizes": [[encoded(level.qty) for level in one.asks] for one in found],
        "is_snapshot": [row.is_snapshot for row in rows],
        "depth": depth,
        "checksum": [one.checksum for one in found],
        "price_scale": [row.scales[0] for row in rows],
        "size_scale": [row.scales[1] for row in rows],
    }


def _quotes(rows: Sequence[_Row]) -> dict[str, Any]:
    found: list[_Ticker] = [row.one for row in rows]
    bid_prices, bid_sizes = best([_optional(one.bid) for one in found], [_optional(one.bid_qty) for one in found])
    ask_prices, ask_sizes = best([_optional(one.ask) for one in found], [_optional(one.ask_qty) for one in found])
    return {
        "symbol": [one.symbol for one in found],
        "event_time": [None if one.timestamp is None else microseconds(one.timestamp) for one in found],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


def shapes(depth: int) -> Mapping[bytes, Shape]:
    """Return the shapes of the frequent channels by how a frame of each begins: `{"channel":"trade","type":"update","data":[{…}]}`.

    `depth` is that of the books subscribed.
    """
    return {
        b'{"channel":"trade"': _shape("trade", _Trades, _trades),
        b'{"channel":"book",': _shape("book_delta", _Books, partial(_books, depth=depth), scaled=True),
        b'{"channel":"ticker': _shape("quote", _Tickers, _quotes),
    }


OPENING = 18
"""Bytes that tell the frequent channels apart; the decoder then checks the rest."""


def read(frame: Frame, memory: Memory, shapes_of: Mapping[bytes, Shape], orders_depth: int) -> Iterable[DecodedEvent]:
    """Return the events in a frame; the depth is that of the orders subscribed. InvalidDatum says why there are none.

    Instrument frames leave [price_scale, size_scale] by symbol in `memory["scales"]`. Until then a book's scales are null: its
    checksum is made with them, and proves nothing for who does not know them.
    """
    payload = frame.payload
    try:
        if frame.kind == "reply":
            return _reply(frame)
        message = _decode(payload)
        known = _SHAPED.get(type(message))
        if known is not None:
            shape = shapes_of[known]
            return decoded_events(shape, shape.decode(payload, memory))
        if isinstance(message, OrdersMessage):
            return read_orders(frame, message, orders_depth)
        if isinstance(message, _InstrumentList):
            return _instruments(message.data.pairs, memory)
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if frame.kind == "message" and _is_answer(payload):
            return ()
        raise InvalidDatum(f"kraken: {error}") from error
    return ()


_SHAPED: Mapping[type, bytes] = {_Trades: b'{"channel":"trade"', _Books: b'{"channel":"book",', _Tickers: b'{"channel":"ticker'}


def _is_answer(payload: bytes) -> bool:
    """Tell whether a frame answers a request of ours: it has a method or an error, and no channel."""
    try:
        answer = _decode_answer(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return answer.channel is None and (answer.method in {"subscribe", "unsubscribe", "pong"} or answer.error is not None)


_STATUSES = {
    "online": "trading",
    "cancel_only": "suspended",
    "limit_only": "trading",
    "post_only": "post_only",
    "reduce_only": "reduce_only",
    "maintenance": "suspended",
    "delisted": "delisted",
    "work_in_progress": "pre_open",
}
"""The venue's words (…/spot-websocket-v2/instrument, "status") in ours."""


MOST_PAIRS = 5_000
"""Pairs whose scales are remembered: the venue lists some 1,500."""


def _instruments(pairs: Sequence[msgspec.Raw], memory: Memory) -> list[DecodedEvent]:
    """Return the instruments (PartlyInvalid where some cannot be read), and remember their scales, whatever else is odd of a pair."""
    scales: dict[str, list[int]] = {}

    def read_pair(pair: msgspec.Raw) -> dict[str, Any]:
        precisions = _decode_precisions(pair)
        scales[precisions.symbol] = [precisions.price_precision, precisions.qty_precision]
        return _instrument(_decode_pair(pair))

    try:
        return instruments_of("kraken", pairs, read_pair)
    finally:
        known = memory.get("scales", {})
        room = MOST_PAIRS - len(known)
        new = [symbol for symbol in scales if symbol not in known and len(symbol) <= LONGEST_NAME][:room]
        memory["scales"] = known | {symbol: scales[symbol] for symbol in (*new, *(known.keys() & scales))}
        memory.keep()  # the books need them where the frame is refused for another field of one pair, too


def _instrument(pair: _Pair) -> dict[str, Any]:
    return {
        "symbol": pair.symbol,
        "base": pair.base,
        "quote": pair.quote,
        "settle": pair.quote,
        "price_scale": pair.price_precision,
        "size_scale": pair.qty_precision,
        "status": pair.status,
        "trading_status": _STATUSES.get(pair.status, "unknown"),
        "canonical_name": canonical_name("spot", pair.base, pair.quote),
        "kind": "spot",
        "margin_type": "none",
        "tick_size": _optional(pair.price_increment),
        "lot_size": _optional(pair.qty_increment),
        "min_size": _optional(pair.qty_min),
        "min_notional": _optional(pair.cost_min),
        "asset_class": "unknown",
    }


def _optional(number: Number) -> bytes | None:
    return None if number is None else encoded(number)


def _reply(frame: Frame) -> list[DecodedEvent]:
    """Read `/0/public/Trades`: rows of [price, size, seconds, b|s, m|l, "", trade id]; the symbol is the request's."""
    parts = urlsplit((frame.request or "").partition(" ")[2])
    pair = parse_qs(parts.query).get("pair")
    if parts.path != "/0/public/Trades" or not pair:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    reply = _decode_reply(frame.payload)
    if wrong := errors(reply.error):
        raise InvalidDatum(f"{parts.path}: {', '.join(wrong)}")
    rows = [value for key, value in reply.result.items() if key != "last"]
    if len(rows) != 1 or not isinstance(rows[0], list):
        raise InvalidDatum(f"{parts.path}: expected the trades of one pair, got {sorted(reply.result)}")
    for name in reply.result.keys() - {"last"}:
        if not _is_named(name, pair[0]):
            raise InvalidDatum(f"{parts.path}: trades of {name[:64]!r} where those of {pair[0][:64]!r} were asked for")
    return [DecodedEvent("trade", _old_trade(pair[0], row)) for row in rows[0]]


def _is_named(name: str, pair: str) -> bool:
    """Whether an old name can be a pair's: `BTC/USD` is XXBTZUSD, `SOL/USD` SOLUSD, so it begins with the one and ends with the other.

    What stands before a currency (X, Z, or nothing) follows no rule that could be checked.
    """
    base, _, other = pair.partition("/")
    return not other or (any(one in name for one in _spelled(base)) and name.endswith(_spelled(other)))


def _spelled(asset: str) -> tuple[str, ...]:
    return (asset, *(old for old, new in CURRENCIES.items() if new == asset))


def _old_trade(symbol: str, row: Any) -> dict[str, Any]:
    try:
        price, size, time, side, _, _, number = row
        moment = unscaled(written(time)) // _MICROSECOND
        if not 0 <= moment < 2**63:
            raise InvalidDatum(f"{time!r} is not a time in seconds since 1970")
        if type(number) is not int or not 0 <= number < 2**63:
            raise InvalidDatum(f"{number!r} is not a trade id")
        return {
            "symbol": symbol,
            "event_time": moment,
            "trade_id": str(number),
            "sequence": number,
            "price": encoded(price),
            "size": encoded(size),
            "side": _SIDES[side],
            "replayed": False,
        }
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidDatum(f"not a trade: {row!r}: {error}") from error


_MICROSECOND = 10 ** (SCALE - 6)
"""A microsecond in counts of 10⁻¹⁸ seconds."""
_SIDES = {"b": "buy", "s": "sell"}
