"""What OKX answers to requests: `{"code":"0","msg":"","data":[…]}`.

Sources: https://www.okx.com/docs-v5/en/#overview-rest-authentication (the form), and the pages named in the modules beside this one.
Instruments are listed a product at a time, options a family at a time: each list is asked for as the next page of the one before.
"""

from collections.abc import Sequence
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from dialects.answers import check_answer
from dialects.contract import DecodedEvent, Frame, Request, Shape, decoded_events
from dialects.listings import instruments_of
from dialects.memory import Memory
from dialects.okx.instruments import InstrumentList, instrument
from dialects.okx.klines import CANDLES, candles_request, read_candles
from dialects.okx.names import CONTRACTS, family_of, product_of
from dialects.okx.options import SUMMARIES
from dialects.okx.prices import INDICES, MARKS, OPEN_INTEREST
from dialects.okx.ratios import KINDS, next_ratios, ratios_request, read_ratios
from dialects.okx.trades import LISTED_TRADES
from dialects.stream import Stream
from schemas.errors import InvalidDatum

INSTRUMENTS = "/api/v5/public/instruments"
HISTORY = "/api/v5/market/history-trades"
PAGE = 100
"""Most trades of a reply."""
OPTION_FAMILIES = ("BTC-USD", "ETH-USD")
"""Families of options that are listed and summed up: the venue gives none of all (`instFamily` is required)."""
_LISTS = ("instType=SPOT", "instType=SWAP", "instType=FUTURES", *(f"instType=OPTION&instFamily={family}" for family in OPTION_FAMILIES))
_ROWS: dict[str, Shape] = {
    HISTORY: LISTED_TRADES,
    "/api/v5/market/trades": LISTED_TRADES,
    "/api/v5/public/mark-price": MARKS,
    "/api/v5/market/index-tickers": INDICES,
    "/api/v5/public/open-interest": OPEN_INTEREST,
    "/api/v5/public/opt-summary": SUMMARIES,
}
"""Paths whose rows are those of a channel."""


class _Reply(msgspec.Struct):
    code: str
    msg: str = ""


_decode = msgspec.json.Decoder(_Reply).decode
_decode_instruments = msgspec.json.Decoder(InstrumentList).decode


def instruments_request() -> Request:
    """Return the request for the first of the lists."""
    return Request("GET", f"{INSTRUMENTS}?{_LISTS[0]}")


def trades_request(symbol: str, from_sequence: int) -> Request:
    """Return the request for the hundred trades from an id on: the newest of those that are "earlier than the requested tradeId"."""
    return Request("GET", f"{HISTORY}?instId={quote(symbol)}&type=1&after={from_sequence + PAGE}&limit={PAGE}")


def polled_request(stream: Stream) -> Request:
    """Return the request for a stream of a polled channel."""
    if stream.channel == "instrument":
        return instruments_request()
    return candles_request(stream.symbol) if stream.channel == "kline" else ratios_request(stream.symbol)


def contract_requests(streams: Sequence[Stream]) -> list[Request]:
    """Return the requests for what the contracts hold whose trades are among some streams, each once."""
    symbols = dict.fromkeys(one.symbol for one in streams if one.channel in {"trade", "block_trade"})
    return [Request("GET", _contract_path(symbol)) for symbol in symbols if product_of(symbol) in CONTRACTS]


def _contract_path(symbol: str) -> str:
    product = product_of(symbol)
    family = f"&instFamily={quote(family_of(symbol))}" if product == "OPTION" else ""
    return f"{INSTRUMENTS}?instType={product}{family}&instId={quote(symbol)}"


def next_page(request: Request) -> Request | None:
    """Return the request for what follows a list; None after the last. Never raises."""
    path, _, text = request.path.partition("?")
    if path == INSTRUMENTS and text in _LISTS:
        following = _LISTS.index(text) + 1
        return Request("GET", f"{path}?{_LISTS[following]}") if following < len(_LISTS) else None
    return next_ratios(path, _asked(request.path)[1].get("instId", "")) if path in KINDS else None


def read_reply(frame: Frame, memory: Memory) -> Sequence[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    path, query = _asked((frame.request or "").partition(" ")[2])
    outcome = _decode(frame.payload)
    if outcome.code != "0":
        raise InvalidDatum(f"{path[:100]}: {outcome.msg[:200]} (code {outcome.code[:20]})")
    if path in _ROWS:
        made = decoded_events(_ROWS[path], _ROWS[path].decode(frame.payload, memory))
        check_answer(f"a {_ROWS[path].event}", query.get("instId", ""), (one.fields["symbol"] for one in made))
        return made
    if path == INSTRUMENTS:
        noted = memory if "instId" in query else None
        return instruments_of(
            frame.venue, _decode_instruments(frame.payload).data, lambda one: instrument(one, noted, query.get("instId", ""))
        )
    if path in {CANDLES, "/api/v5/market/history-candles"}:
        return read_candles(frame.payload, query.get("instId", ""), query.get("bar", "1m"), frame.received_at)
    if path in KINDS:
        return read_ratios(frame.payload, path, query, memory)
    raise InvalidDatum(f"a reply to {(frame.request or '')[:200]!r}, which nobody knows how to read")


def _asked(text: str) -> tuple[str, dict[str, str]]:
    """Return path and query of a request; ValueError where it is none."""
    parts = urlsplit(text)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
