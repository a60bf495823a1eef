"""What Binance's futures answer to requests, and the events made of it. What is asked stands in requests.py, refusals in refusals.py.

Sources: the pages under https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/ and
…/coin-margined-futures/market-data/rest-api/: Order-Book, Compressed-Aggregate-Trades-List, and those of the modules beside this one.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from dialects.answers import check_answer
from dialects.binance_futures.funding import Adjusted, Charged, read_charged, remember_adjusted
from dialects.binance_futures.instruments import Listing, instrument
from dialects.binance_futures.insurance import Group, read_insurance
from dialects.binance_futures.interest import Interest, PastInterest, read_interest, read_past_interest
from dialects.binance_futures.klines import Kline, read_klines
from dialects.binance_futures.market import Market
from dialects.binance_futures.marks import Premium, read_premiums
from dialects.binance_futures.ratios import KINDS, Ratio, read_ratios
from dialects.binance_futures.refusals import outcome_of
from dialects.binance_futures.requests import PAST_INTEREST, asked, exchange_info, funding_info
from dialects.binance_futures.shapes import AggregateTrade, Whole, trades
from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import DecodedEvent, Frame, Request, Shape, decoded_events
from dialects.listings import instruments_of
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum

DEFAULT_DEPTH = 500
DEFAULT_CHARGED = 100
"""Fundings of a reply where no number was asked for."""
_COUNT = re.compile("[0-9]{1,5}")


class _Depth(msgspec.Struct):
    last_update_id: Whole = msgspec.field(name="lastUpdateId")
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    time: Millis | None = msgspec.field(name="T", default=None)
    symbol: str | None = None
    """COIN-M says it, USD-M does not."""


_decode_depth = msgspec.json.Decoder(_Depth).decode
_decode_trades = msgspec.json.Decoder(list[AggregateTrade]).decode
_decode_klines = msgspec.json.Decoder(list[Kline]).decode
_decode_listing = msgspec.json.Decoder(Listing).decode
_decode_interest = msgspec.json.Decoder(Interest).decode
_decode_past_interest = msgspec.json.Decoder(list[PastInterest], strict=False).decode
_decode_ratios = msgspec.json.Decoder(list[Ratio], strict=False).decode
"""Not strict: the pages write times as text, the replies as numbers."""
_decode_premiums = msgspec.json.Decoder(list[Premium] | Premium).decode
_decode_charged = msgspec.json.Decoder(list[Charged] | None).decode
_decode_adjusted = msgspec.json.Decoder(list[Adjusted] | None).decode
_decode_insurance = msgspec.json.Decoder(list[Group] | Group).decode


class _Reply:
    """One reply to be read: what was asked, and what is remembered of the connection."""

    def __init__(self, frame: Frame, query: dict[str, str], path: str, memory: Memory, market: Market) -> None:
        self.frame = frame
        self.payload = frame.payload
        self.query = query
        self.path = path
        self.memory = memory
        self.market = market

    @property
    def symbol(self) -> str:
        """The symbol that was asked for; InvalidDatum where none was."""
        symbol = self.query.get("symbol", "")
        if not symbol:
            raise InvalidDatum(f"a reply to {self.frame.request!r}, which names no symbol")
        return symbol


def _depth(reply: _Reply) -> list[DecodedEvent]:
    one, limit = _decode_depth(reply.payload), reply.query.get("limit", "")
    check_answer("a book", reply.symbol, (one.symbol,))
    fields = {
        "symbol": reply.symbol,
        "event_time": None if one.time is None else microseconds(one.time),
        "bid_prices": [encode(price) for price, _ in one.bids],
        "bid_sizes": [encode(size) for _, size in one.bids],
        "ask_prices": [encode(price) for price, _ in one.asks],
        "ask_sizes": [encode(size) for _, size in one.asks],
        "is_snapshot": True,
        "depth": int(limit) if _COUNT.fullmatch(limit) else DEFAULT_DEPTH,
        "first_sequence": one.last_update_id,
        "last_sequence": one.last_update_id,
    }
    return [DecodedEvent("book_delta", fields)]


def _trades(reply: _Reply) -> list[DecodedEvent]:
    rows, symbol = _decode_trades(reply.payload), reply.symbol
    return decoded_events(Shape("trade", lambda _payload, _memory: rows, lambda found: trades(found, symbol, reply.market)), rows)


def _instruments(reply: _Reply) -> list[DecodedEvent]:
    found = _decode_listing(reply.payload)
    header = {} if found.server_time is None else {"event_time": microseconds(found.server_time)}
    return instruments_of(
        reply.frame.venue, found.symbols, lambda one: header | instrument(one, reply.memory, reply.market), whole=not reply.query
    )


def _adjusted(reply: _Reply) -> list[DecodedEvent]:
    remember_adjusted(_decode_adjusted(reply.payload) or [], reply.memory)
    return []


def _charged(reply: _Reply) -> list[DecodedEvent]:
    limit = reply.query.get("limit", "")
    most = int(limit) if _COUNT.fullmatch(limit) else DEFAULT_CHARGED
    return read_charged(_decode_charged(reply.payload) or [], reply.query.get("symbol", ""), most, reply.memory)


def _premiums(reply: _Reply) -> list[DecodedEvent]:
    listed = _decode_premiums(reply.payload)
    found = listed if isinstance(listed, list) else [listed]
    check_answer("a mark price", reply.query.get("symbol", ""), (one.symbol for one in found))
    return read_premiums(found, reply.memory, reply.market)


def _insurance(reply: _Reply) -> list[DecodedEvent]:
    found = _decode_insurance(reply.payload)
    return read_insurance(found if isinstance(found, list) else [found], reply.memory)


def _klines(reply: _Reply) -> list[DecodedEvent]:
    asked_for = reply.query | {"symbol": reply.symbol}
    return read_klines(_decode_klines(reply.payload), asked_for, reply.frame.received_at, reply.market)


def _interest(reply: _Reply) -> list[DecodedEvent]:
    one = _decode_interest(reply.payload)
    check_answer("open interest", reply.query.get("symbol", ""), (one.symbol,))
    return read_interest(one, reply.market)


_OF_API: Mapping[str, Callable[[_Reply], list[DecodedEvent]]] = {
    "/depth": _depth,
    "/aggTrades": _trades,
    "/exchangeInfo": _instruments,
    "/fundingInfo": _adjusted,
    "/fundingRate": _charged,
    "/premiumIndex": _premiums,
    "/insuranceBalance": _insurance,
    "/klines": _klines,
    "/openInterest": _interest,
}
"""What follows the market's own beginning of a path → what reads its reply."""


def _reader(path: str, market: Market) -> Callable[[_Reply], list[DecodedEvent]] | None:
    if path == PAST_INTEREST:
        return lambda reply: read_past_interest(_decode_past_interest(reply.payload), reply.query, reply.memory, reply.market)
    if path in KINDS:
        return lambda reply: read_ratios(_decode_ratios(reply.payload), reply.path, reply.query, reply.memory, reply.market)
    return _OF_API.get(path.removeprefix(market.api)) if path.startswith(market.api) else None


def read_reply(frame: Frame, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    path, query = asked((frame.request or "").partition(" ")[2])
    read = _reader(path, market)
    if read is None:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    refused = outcome_of(frame.payload)
    if refused is not None:
        raise InvalidDatum(f"{path}: {refused[1]}")
    return read(_Reply(frame, query, path, memory, market))


def next_page(request: Request, market: Market) -> Request | None:
    """Return the list of instruments for what comes before it: their funding, which stands in a list of its own."""
    wanted: Any = exchange_info(market)
    return wanted if request.path == funding_info(market).path else None
