"""What Coinbase Exchange answers to public requests, and how it refuses.

Sources: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-known-trading-pairs and its neighbours
`get-product-trades`, `get-product-candles`, `get-product-book`; https://docs.cdp.coinbase.com/exchange/rest-api/pagination;
https://docs.cdp.coinbase.com/exchange/rest-api/requests ("Errors": a message beside the status, `{"message":"NotFound"}`).
"""

from typing import Annotated, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from dialects.coinbase.candles import amount, ordered
from dialects.coinbase.sides import taker
from dialects.coinbase.statuses import decode_product, pair
from dialects.coinbase.times import LATEST_SECOND, microseconds
from dialects.coinbase_exchange.orders import Level3, resting
from dialects.contract import DecodedEvent, Frame, Refusal, Request
from dialects.listings import instruments_of
from schemas.decimals import encode
from schemas.errors import InvalidDatum

PRODUCTS = "/products"
TRADES_LIMIT = 1000
CANDLES_KEPT = 10
"""Newest candles of a reply that are taken: it holds up to 300, and cannot be asked for fewer without saying from when."""
LASTING = {400, 404}
"""Statuses of a request that is wrong itself: its form, or what it names."""
_INTERVALS = {"60": "1m", "300": "5m", "900": "15m", "3600": "1h", "21600": "6h", "86400": "1d"}
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Second = Annotated[int, msgspec.Meta(ge=0, le=LATEST_SECOND)]


class _Trade(msgspec.Struct, gc=False):
    """`{"time":"2026-10-02T09:00:00.5Z","trade_id":71,"price":"64250.10","size":"0.5","side":"sell"}`: the side is the maker's."""

    trade_id: _Whole
    price: str
    size: str
    side: str
    time: str


class _Candle(msgspec.Struct, array_like=True):
    """`[1790000040,64250.1,64260,64255.6,64258,3.25]`; numbers are read by their text."""

    start: _Second
    low: msgspec.Raw
    high: msgspec.Raw
    open: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw


class _Outcome(msgspec.Struct):
    message: str | None = None


_decode_products = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trades = msgspec.json.Decoder(list[_Trade]).decode
_decode_candles = msgspec.json.Decoder(list[_Candle]).decode
_decode_book = msgspec.json.Decoder(Level3).decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode


def trades_request(symbol: str, from_sequence: int) -> Request:
    """Return the request for 1000 trades from an id on.

    A page is asked for by the id after it ("after" is older), and no page says whether that is part of it: so it ends one before, and
    holds the id asked for both ways.
    """
    return Request("GET", f"{PRODUCTS}/{quote(symbol, safe='')}/trades?limit={TRADES_LIMIT}&after={from_sequence + TRADES_LIMIT - 1}")


def candles_request(symbol: str) -> Request:
    """Return the request for the last minutes of a product."""
    return Request("GET", f"{PRODUCTS}/{quote(symbol, safe='')}/candles?granularity=60")


def orders_request(symbol: str) -> Request:
    """Return the request for every order that rests."""
    return Request("GET", f"{PRODUCTS}/{quote(symbol, safe='')}/book?level=3")


def read_reply(frame: Frame) -> list[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    asked = urlsplit((frame.request or "").partition(" ")[2])
    if asked.path == PRODUCTS:
        return instruments_of(frame.venue, _decode_products(frame.payload), lambda one: pair(decode_product(one)), whole=True)
    parts = asked.path.split("/")
    if len(parts) != 4 or parts[1] != "products" or not parts[2] or parts[3] not in {"trades", "candles", "book"}:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    symbol = unquote(parts[2])
    if parts[3] == "trades":
        return _trades(_decode_trades(frame.payload), symbol)
    if parts[3] == "book":
        return resting(_decode_book(frame.payload), symbol, frame.connection_id)
    return _candles(_decode_candles(frame.payload), symbol, parse_qs(asked.query).get("granularity", [""])[0], frame.received_at)


def _trades(found: list[_Trade], symbol: str) -> list[DecodedEvent]:
    """Return the trades of a reply, oldest first: the venue sends the newest first."""
    return [
        DecodedEvent(
            "trade",
            {
                "symbol": symbol,
                "event_time": microseconds(one.time),
                "trade_id": str(one.trade_id),
                "sequence": one.trade_id,
                "price": encode(one.price),
                "size": encode(one.size),
                "side": taker(one.side),
                "replayed": False,
            },
        )
        for one in reversed(found)
    ]


def _candles(found: list[_Candle], symbol: str, granularity: str, received_at: int) -> list[DecodedEvent]:
    """Return the newest candles, which come first; one is closed where a newer one has begun, which is the venue's only word on it."""
    interval = _INTERVALS.get(granularity)
    if interval is None:
        raise InvalidDatum(f"the granularity {granularity[:40]!r} is none of {', '.join(_INTERVALS)}")
    width = int(granularity) * 1_000_000
    made: list[DecodedEvent] = []
    for place, one in enumerate(found[:CANDLES_KEPT]):
        opens = one.start * 1_000_000
        if place and one.start >= found[place - 1].start:
            raise InvalidDatum(f"candles are not newest first: {one.start} comes after {found[place - 1].start}")
        opened, high, low, close, volume = (bytes(raw).decode() for raw in (one.open, one.high, one.low, one.close, one.volume))
        traded = amount(volume)
        fields: dict[str, Any] = {
            "symbol": symbol,
            "event_time": None,
            "interval": interval,
            "open_time": opens,
            "close_time": opens + width,
            "volume": traded,
            "volume_unit": "base",
            "base_volume": traded,
            "closed": place > 0,
            "version": received_at,
        }
        made.append(DecodedEvent("venue_candle", fields | ordered(opened, high, low, close)))
    return made


def refusal(status: int, body: bytes) -> Refusal | None:
    """Return why JSON with an error's status is no answer, in the venue's words; None where it is one, or the words are not the venue's."""
    try:
        words = _decode_outcome(body).message
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if words is None:
        return None
    text = f"{words} (status {status})"[:250]
    return Refusal(text) if status in LASTING else Refusal(text, 0, unclear=True)
