"""Books and best quotes.

Source: https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel. `books` (400 levels, every 100 ms),
`books-l2-tbt` and `books50-l2-tbt` (for accounts of a high tier) begin with a snapshot and go on by changes: an amount of 0 deletes a
level, and one that leaves the depth is deleted too. `bbo-tbt` is the whole best level each time, at most every 10 ms.

`checksum` is not read: it is fixed at 0 since June 2026 (okx.com/help, "OKX Order Book Channels Checksum Field Deprecation"), and what is 0
always proves nothing; `prevSeqId` does. Orders of the Enhanced Liquidity Program are in none of these books.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from dialects.contract import Shape
from dialects.memory import Memory
from dialects.okx.times import Millis, microseconds
from dialects.quotes import best
from schemas.decimals import encode
from schemas.errors import InvalidDatum

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Previous = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
NO_PREDECESSOR = -1
"""The `prevSeqId` of a snapshot."""
DEPTHS = {"books": 400, "books-l2-tbt": 400, "books50-l2-tbt": 50}


class _Level(msgspec.Struct, array_like=True, gc=False):
    """`["411.8","10","0","4"]`: price, amount, what is no longer used, and the number of orders."""

    price: str
    size: str


class _Argument(msgspec.Struct, rename="camel"):
    channel: str
    inst_id: str


class _Book(msgspec.Struct, rename="camel"):
    bids: list[_Level]
    asks: list[_Level]
    ts: Millis
    seq_id: _Id
    prev_seq_id: _Previous


class _Books(msgspec.Struct):
    """`{"arg":{…},"action":"update","data":[{"asks":[],"bids":[…],"ts":"…","checksum":0,"prevSeqId":10,"seqId":15}]}`."""

    arg: _Argument
    action: Literal["snapshot", "update"]
    data: list[_Book]


class _Best(msgspec.Struct, rename="camel"):
    bids: list[_Level]
    asks: list[_Level]
    ts: Millis
    seq_id: _Id | None = None


class _Bests(msgspec.Struct):
    arg: _Argument
    data: list[_Best]


class _Row(NamedTuple):
    symbol: str
    depth: int
    is_snapshot: bool
    book: _Book


_decode_books = msgspec.json.Decoder(_Books, strict=False).decode
_decode_bests = msgspec.json.Decoder(_Bests, strict=False).decode
"""Not strict: times are text."""
_NOTHING = _Level("0", "0")


def _books(payload: bytes, _memory: Memory) -> list[_Row]:
    message = _decode_books(payload)
    depth = DEPTHS.get(message.arg.channel)
    if depth is None:
        raise InvalidDatum(f"the channel {message.arg.channel[:40]!r} is no book of changes")
    is_snapshot = message.action == "snapshot"
    rows = [_Row(message.arg.inst_id, depth, is_snapshot, book) for book in message.data]
    if any((one.book.prev_seq_id == NO_PREDECESSOR) is not is_snapshot for one in rows):
        raise InvalidDatum("a snapshot that names a predecessor, or a change that names none")
    return rows


def _book_columns(rows: Sequence[_Row]) -> dict[str, Any]:
    """Return the columns of books; sizes in the venue's unit: base currency, or contracts."""
    books = [one.book for one in rows]
    return {
        "symbol": [one.symbol for one in rows],
        "event_time": [microseconds(book.ts) for book in books],
        "bid_prices": [[encode(level.price) for level in book.bids] for book in books],
        "bid_sizes": [[encode(level.size) for level in book.bids] for book in books],
        "ask_prices": [[encode(level.price) for level in book.asks] for book in books],
        "ask_sizes": [[encode(level.size) for level in book.asks] for book in books],
        "is_snapshot": [one.is_snapshot for one in rows],
        "depth": [one.depth for one in rows],
        "last_sequence": [book.seq_id for book in books],
        "previous_sequence": [book.prev_seq_id for book in books],
    }


def _bests(payload: bytes, _memory: Memory) -> list[tuple[str, _Best]]:
    message = _decode_bests(payload)
    return [(message.arg.inst_id, one) for one in message.data]


def _best_columns(rows: Sequence[tuple[str, _Best]]) -> dict[str, Any]:
    bids, asks = ([side[0] if side else _NOTHING for side in sides] for sides in _sides(rows))
    bid_prices, bid_sizes = best([encode(one.price) for one in bids], [encode(one.size) for one in bids])
    ask_prices, ask_sizes = best([encode(one.price) for one in asks], [encode(one.size) for one in asks])
    return {
        "symbol": [symbol for symbol, _ in rows],
        "event_time": [microseconds(one.ts) for _, one in rows],
        "sequence": [one.seq_id for _, one in rows],
        "bid_price": bid_prices,
        "bid_size": bid_sizes,
        "ask_price": ask_prices,
        "ask_size": ask_sizes,
    }


def _sides(rows: Sequence[tuple[str, _Best]]) -> tuple[list[list[_Level]], list[list[_Level]]]:
    return [one.bids for _, one in rows], [one.asks for _, one in rows]


BOOKS = Shape("book_delta", _books, _book_columns)
QUOTES = Shape("quote", _bests, _best_columns)
