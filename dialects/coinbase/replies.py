"""What Advanced Trade answers to public requests, and how it refuses.

Sources: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products (filters, pages, the form of
an error), https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-public-market-trades (by time alone).
"""

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from dialects.answers import check_answer
from dialects.bodies import said
from dialects.coinbase.candles import CandleList, read_listed
from dialects.coinbase.contracts import read_contracts
from dialects.coinbase.products import instrument
from dialects.coinbase.sides import taker
from dialects.coinbase.symbols import counted, is_pair
from dialects.coinbase.times import microseconds
from dialects.contract import DecodedEvent, Frame, Refusal, Request
from dialects.listings import instruments_of
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum

PRODUCTS = "/api/v3/brokerage/market/products"
SPOT, FUTURES = f"{PRODUCTS}?product_type=SPOT", f"{PRODUCTS}?product_type=FUTURE"
STANDING = f"{FUTURES}&expiring_contract_status=STATUS_UNEXPIRED"
"""The list of contracts as it is asked for what they stand at, which its address tells from the list of instruments."""
TRADES_SECONDS = 60
"""Of how long a stretch trades are asked for at first: our own choice. A reply holds the newest of it, so the oldest may lack."""
TRADES_LIMIT = 1000
LASTING = {"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "UNIMPLEMENTED", "OUT_OF_RANGE"}
"""The request itself is wrong, by gRPC's names, which the venue's errors are."""
PASSING = {"UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED"}


class _Pages(msgspec.Struct):
    has_next: bool = False
    next_cursor: str | None = None


class _Products(msgspec.Struct):
    products: list[msgspec.Raw]
    pagination: _Pages | None = None


class _Trade(msgspec.Struct, gc=False):
    trade_id: str
    product_id: str
    price: str
    size: str
    time: str
    side: str


class _Trades(msgspec.Struct):
    trades: list[_Trade]


class _Outcome(msgspec.Struct):
    """As much of a reply as tells whether it is one."""

    error: str | None = None
    message: str | None = None


_decode_products = msgspec.json.Decoder(_Products).decode
_decode_trades = msgspec.json.Decoder(_Trades).decode
_decode_candles = msgspec.json.Decoder(CandleList).decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode


def trades_request(symbol: str, from_time: int | None, until: int | None) -> Request | None:
    """Return the request for a pair's trades from the second of a time to that of another; None without a time, and of a contract.

    A minute where the end is not known, and a second at least, for the venue takes whole ones. A contract's trades have no number by
    which what is missing could be told.
    """
    if from_time is None or not is_pair(symbol):
        return None
    start = max(from_time, 0) // 1_000_000
    end = start + TRADES_SECONDS if until is None else max(start + 1, until // 1_000_000)
    return Request("GET", f"{PRODUCTS}/{quote(symbol, safe='')}/ticker?limit={TRADES_LIMIT}&start={start}&end={end}")


def next_page(request: Request, body: bytes) -> Request | None:
    """Return the request for the page after a page of products; None after the last."""
    try:
        if urlsplit(request.path).path != PRODUCTS:
            return None
        pages = _decode_products(body).pagination
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if pages is None or not pages.has_next or not pages.next_cursor:
        return None
    before, _, last = request.path.partition("cursor=")
    before = before.rstrip("?&")
    cursor = quote(pages.next_cursor.encode(errors="replace"), safe="")
    joined = "&" if "?" in before else "?"
    return None if cursor == last else request._replace(path=f"{before}{joined}cursor={cursor}")


def read_reply(frame: Frame, memory: Memory) -> list[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    asked = urlsplit((frame.request or "").partition(" ")[2])
    if asked.path == PRODUCTS:
        listed = _decode_products(frame.payload).products
        if "expiring_contract_status" in parse_qs(asked.query):
            return read_contracts(listed, memory)
        return instruments_of(frame.venue, listed, instrument)
    product, _, what = asked.path.removeprefix(f"{PRODUCTS}/").partition("/")
    symbol = unquote(product)
    if not symbol or not asked.path.startswith(f"{PRODUCTS}/") or what not in {"", "ticker", "candles"}:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    if what == "ticker":
        return _trades(_decode_trades(frame.payload).trades, symbol)
    if what == "candles":
        granularity = parse_qs(asked.query).get("granularity", [""])[0]
        return read_listed(_decode_candles(frame.payload), symbol, granularity, frame.received_at)
    fields = instrument(msgspec.Raw(frame.payload))
    check_answer("a product", symbol, (fields["symbol"],))
    return [DecodedEvent("instrument", fields)]


def _trades(found: list[_Trade], symbol: str) -> list[DecodedEvent]:
    """Return the trades of a reply, oldest first: the venue sends the newest first."""
    check_answer("a trade", symbol, (one.product_id for one in found))
    made = []
    for one in reversed(found):
        fields: dict[str, Any] = {
            "symbol": one.product_id,
            "event_time": microseconds(one.time),
            "trade_id": one.trade_id,
            "sequence": counted(one.product_id, one.trade_id),
            "price": encode(one.price),
            "size": encode(one.size),
            "side": taker(one.side),
            "size_unit": "base" if is_pair(one.product_id) else "contract",
            "replayed": False,
        }
        made.append(DecodedEvent("trade", fields))
    return made


def refusal(status: int, body: bytes) -> Refusal | None:
    """Return why JSON below status 500 is no answer, in the venue's words; None where it is one, or is no JSON object."""
    try:
        outcome = _decode_outcome(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None if status >= 300 else Refusal(f"a reply of another form: {said(body)}", 0, unclear=True)
    if not outcome.error:
        return None
    words = f"{outcome.error}: {outcome.message or said(body)} (status {status})"[:250]
    if outcome.error in PASSING:
        return Refusal(words, 0)
    return Refusal(words) if outcome.error in LASTING else Refusal(words, 0, unclear=True)
