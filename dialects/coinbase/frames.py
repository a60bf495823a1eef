"""What Advanced Trade pushes, and the events made of it. Replies stand in replies.py, how it is asked in session.py.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels.

Every message has its channel, the time of its sending and `sequence_num`, which counts all messages of the connection. Of a book the
whole comes first, of trades a stretch of history, the newest first; what comes after is in order.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from dialects.coinbase.candles import Candles, read_candles
from dialects.coinbase.replies import read_reply
from dialects.coinbase.sides import taker
from dialects.coinbase.statuses import read_products
from dialects.coinbase.symbols import counted, is_pair
from dialects.coinbase.times import microseconds
from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.memory import Memory
from dialects.quotes import best
from schemas.bounds import FIRST
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_Kind = Literal["snapshot", "update"]
_SILENT = {"heartbeats", "subscriptions"}
"""Channels of which no event comes."""


class _Update(msgspec.Struct, gc=False):
    """`{"side":"offer","event_time":"2026-10-02T09:00:00.5Z","price_level":"64250.2","new_quantity":"0"}`: a level's size, 0 removes it."""

    side: Literal["bid", "offer"]
    event_time: str
    price_level: str
    new_quantity: str


class _Book(msgspec.Struct, gc=False):
    type: _Kind
    product_id: str
    updates: list[_Update]


class _Books(msgspec.Struct, gc=False):
    """`{"channel":"l2_data","timestamp":"2026-10-02T09:00:00.6Z","sequence_num":3,"events":[{"type":"update",…}]}`."""

    timestamp: str
    events: list[_Book]


class _Trade(msgspec.Struct, gc=False):
    """`{"trade_id":"9101","product_id":"BTC-USD","price":"64250.2","size":"0.01","side":"SELL","time":"…"}`: the side is the maker's."""

    trade_id: str
    product_id: str
    price: str
    size: str
    side: str
    time: str


class _Traded(msgspec.Struct, gc=False):
    type: _Kind
    trades: list[_Trade]


class _Trades(msgspec.Struct, gc=False):
    events: list[_Traded]


class _Ticker(msgspec.Struct, gc=False):
    """The best bid and ask when a trade was made; an empty side is empty text."""

    product_id: str
    best_bid: str
    best_bid_quantity: str
    best_ask: str
    best_ask_quantity: str


class _Ticked(msgspec.Struct, gc=False):
    tickers: list[_Ticker]


class _Tickers(msgspec.Struct, gc=False):
    timestamp: str
    events: list[_Ticked]


class _Listed(msgspec.Struct):
    products: list[msgspec.Raw]


class _Statuses(msgspec.Struct):
    timestamp: str
    events: list[_Listed]


class _Head(msgspec.Struct):
    """What tells a frame that is read by itself."""

    channel: str | None = None
    type: str | None = None


_decode_books = msgspec.json.Decoder(_Books).decode
_decode_trades = msgspec.json.Decoder(_Trades).decode
_decode_tickers = msgspec.json.Decoder(_Tickers).decode
_decode_statuses = msgspec.json.Decoder(_Statuses).decode
_decode_candles = msgspec.json.Decoder(Candles).decode
_decode_head = msgspec.json.Decoder(_Head).decode
BookRow = tuple[str, _Book]
TradeRow = tuple[_Trade, bool]
QuoteRow = tuple[str, _Ticker]


def _book_rows(payload: bytes, _memory: Memory) -> list[BookRow]:
    message = _decode_books(payload)
    return [(message.timestamp, one) for one in message.events]


def _trade_rows(payload: bytes, _memory: Memory) -> list[TradeRow]:
    """Return trades, oldest first, and whether each is history."""
    return [(trade, event.type == "snapshot") for event in _decode_trades(payload).events for trade in oldest_first(event.trades)]


def oldest_first(trades: list[_Trade]) -> list[_Trade]:
    """Return trades by rising ids where they come the other way round, as history does; else as they are. Each product has its own ids."""
    if len(trades) < 2:
        return trades
    alike = [one for one in trades if one.product_id == trades[0].product_id]
    first, last = (counted(one.product_id, one.trade_id) for one in (alike[0], alike[-1]))
    if len(alike) > 1 and first is not None and last is not None:
        falls = first > last
    else:
        falls = microseconds(trades[0].time) > microseconds(trades[-1].time)
    return trades[::-1] if falls else trades


def _quote_rows(payload: bytes, _memory: Memory) -> list[QuoteRow]:
    message = _decode_tickers(payload)
    return [(message.timestamp, ticker) for event in message.events for ticker in event.tickers]


def _time(sent: str, book: _Book) -> int:
    """Return the matching engine's time of a change; of a whole book, or where the engine's is none (1970), that of sending."""
    if book.type == "update" and book.updates:
        found = microseconds(book.updates[-1].event_time)
        if found >= FIRST:
            return found
    return microseconds(sent)


def _books(rows: Sequence[BookRow]) -> dict[str, Any]:
    """Return the columns of books. Sizes stay in the venue's unit; the counter is the connection's, so no update has an id of its own."""
    bids = [[one for one in book.updates if one.side == "bid"] for _, book in rows]
    asks = [[one for one in book.updates if one.side == "offer"] for _, book in rows]
    return {
        "symbol": [book.product_id for _, book in rows],
        "event_time": [_time(sent, book) for sent, book in rows],
        "bid_prices": [[encode(one.price_level) for one in side] for side in bids],
        "bid_sizes": [[encode(one.new_quantity) for one in side] for side in bids],
        "ask_prices": [[encode(one.price_level) for one in side] for side in asks],
        "ask_sizes": [[encode(one.new_quantity) for one in side] for side in asks],
        "is_snapshot": [book.type == "snapshot" for _, book in rows],
        "depth": 0,
    }


def trade_columns(rows: Sequence[TradeRow]) -> dict[str, Any]:
    """Return the columns of trades. What a contract holds is not said here: its size is in contracts alone."""
    found = [trade for trade, _ in rows]
    return {
        "symbol": [one.product_id for one in found],
        "event_time": [microseconds(one.time) for one in found],
        "trade_id": [one.trade_id for one in found],
        "sequence": [counted(one.product_id, one.trade_id) for one in found],
        "price": [encode(one.price) for one in found],
        "size": [encode(one.size) for one in found],
        "side": [taker(one.side) for one in found],
        "size_unit": ["base" if is_pair(one.product_id) else "contract" for one in found],
        "replayed": [replayed for _, replayed in rows],
    }


def _side(levels: Sequence[tuple[str, str]]) -> tuple[list[bytes | None], list[bytes | None]]:
    whole = [(price, size) if price and size else ("0", "0") for price, size in levels]
    return best([encode(price) for price, _ in whole], [encode(size) for _, size in whole])


def _quotes(rows: Sequence[QuoteRow]) -> dict[str, Any]:
    bid_prices, bid_sizes = _side([(one.best_bid, one.best_bid_quantity) for _, one in rows])
    ask_prices, ask_sizes = _side([(one.best_ask, one.best_ask_quantity) for _, one in rows])
    return {
        "symbol": [one.product_id for _, one in rows],
        "event_time": [microseconds(sent) for sent, _ in rows],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


_SHAPES: Mapping[bytes, Shape] = {
    b"l2_data": Shape("book_delta", _book_rows, _books),
    b"market_trades": Shape("trade", _trade_rows, trade_columns),
    b"ticker": Shape("quote", _quote_rows, _quotes),
}
_OPENING = b'{"channel":"'
_NUMBER = re.compile(rb'"sequence_num"\s*:\s*(\d{1,18})\s*[,}]')


def shape(payload: bytes) -> Shape | None:
    """Return the shape of a frame that begins with its channel: `{"channel":"l2_data",…`."""
    return _SHAPES.get(payload[12 : payload.find(b'"', 12, 44)]) if payload.startswith(_OPENING) else None


def connection_sequence(payload: bytes) -> int | None:
    """Return `sequence_num`, which counts all messages of a connection, from 0."""
    found = _NUMBER.search(payload)
    return int(found[1]) if found else None


def read(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Return the events in a frame; InvalidDatum says why there are none."""
    try:
        if frame.kind == "reply":
            return read_reply(frame, memory)
        found = shape(frame.payload)
        return _plain(frame, memory) if found is None else decoded_events(found, found.decode(frame.payload, memory))
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def _plain(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    payload = frame.payload
    head = _decode_head(payload)
    found = _SHAPES.get((head.channel or "").encode())
    if found is not None:
        return decoded_events(found, found.decode(payload, memory))
    if head.channel == "status":
        message = _decode_statuses(payload)
        return read_products(
            (one for event in message.events for one in event.products), microseconds(message.timestamp), memory, whole=False
        )
    if head.channel == "candles":
        return read_candles(_decode_candles(payload), frame.received_at)
    if head.channel in _SILENT or (head.channel is None and head.type == "error"):
        return ()
    raise InvalidDatum(f"unknown channel {head.channel!r}: {payload[:80]!r}")
