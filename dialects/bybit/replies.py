"""What Bybit answers to requests: `{"retCode":0,"retMsg":"OK","result":{…},"time":1790000000000}`, and how it refuses.

Sources: https://bybit-exchange.github.io/docs/v5/intro ("Common response"), https://bybit-exchange.github.io/docs/v5/market/recent-trade,
https://bybit-exchange.github.io/docs/v5/error, https://bybit-exchange.github.io/docs/v5/rate-limit.

The results stand in the modules beside this one: instruments, klines (the venue's own candles, which ours are never made of), statuses,
trades.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from dialects.answers import check_answer
from dialects.bodies import said
from dialects.bybit.instruments import InstrumentList, instrument
from dialects.bybit.klines import KLINES, read_klines
from dialects.bybit.market import Market
from dialects.bybit.statuses import StatusList, read_statuses
from dialects.bybit.times import Millis, microseconds
from dialects.bybit.trades import columns_of, decode_trades
from dialects.contract import DecodedEvent, Frame, Refusal, Request, Shape, decoded_events
from dialects.listings import instruments_of
from dialects.memory import Memory
from dialects.retry_after import LIMITED_SECONDS
from schemas.errors import InvalidDatum

INSTRUMENTS = "/v5/market/instruments-info"
STATUS = "/v5/system/status"
TRADES = "/v5/market/recent-trade"
TOO_MANY = {10006, 10018}
"""Too many visits of this endpoint, or of this address, with status 200."""
BANNED = {10009}
"""This address is banned."""
BANNED_SECONDS = 600.0
"""After 403, "access too frequent", wait ten minutes (…/docs/v5/rate-limit, "IP Limits")."""
AGAIN = {10000: 0.0, 10002: 0.0, 10016: 0.0, 10019: 1.0, 10429: 1.0, 170001: 0.0, 170007: 0.0, 170032: 0.0}
"""The venue timed out, its clock and ours part, an error of its own, a service that begins anew, or it protects itself (…/docs/v5/error):
seconds after which to ask again."""
LASTING = {10001, 10003, 10004, 10005, 10007, 10010, 10017, 10024, 10027, 10029, 170121, 170142}
"""The request itself is wrong, or not allowed: its parameters, its symbol, its path, who asks."""
_RESET = "x-bapi-limit-reset-timestamp"


class _Reply(msgspec.Struct, rename="camel"):
    ret_code: int
    result: msgspec.Raw
    time: Millis
    ret_msg: str = ""


class _Outcome(msgspec.Struct, rename="camel"):
    """As much of a reply as tells whether it is one."""

    ret_code: int
    ret_msg: str = ""
    time: int = 0


_decode = msgspec.json.Decoder(_Reply).decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode
_decode_instruments = msgspec.json.Decoder(InstrumentList).decode
_decode_statuses = msgspec.json.Decoder(StatusList).decode


def instruments_request(market: Market) -> Request:
    """Return the request for what trades in a market: in pages of up to 1000, but for spot, which has none."""
    return Request("GET", f"{INSTRUMENTS}?category={market.category}" + ("" if market.category == "spot" else "&limit=1000"))


def trades_request(market: Market, symbol: str) -> Request:
    """Return the request for the last trades of a symbol: as many as the venue gives (60 of spot, else 1000)."""
    return Request("GET", f"{TRADES}?category={market.category}&symbol={quote(symbol)}&limit={60 if market.category == 'spot' else 1000}")


def next_page(request: Request, body: bytes) -> Request | None:
    """Return the request for the page after a page of instruments; None after the last. A cursor is written as it came, which is escaped.

    A cursor may follow a last page too: then the next one is empty.
    """
    try:
        if _asked(request.path)[0] != INSTRUMENTS:
            return None
        found = _decode_instruments(_decode(body).result)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    cursor = quote(found.next_page_cursor or "", safe="%")
    if not found.list or not cursor or request.path.endswith(f"&cursor={cursor}"):
        return None
    return request._replace(path=f"{request.path.partition('&cursor=')[0]}&cursor={cursor}")


def read_reply(frame: Frame, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    path, query = _asked((frame.request or "").partition(" ")[2])
    if path not in {INSTRUMENTS, KLINES, STATUS, TRADES}:
        raise InvalidDatum(f"a reply to {frame.request!r}, which nobody knows how to read")
    if path != STATUS and query.get("category") != market.category:
        raise InvalidDatum(f"a reply to {frame.request!r}, which is not of {market.category}")
    outcome = _decode_outcome(frame.payload)
    if outcome.ret_code:
        raise InvalidDatum(f"{path}: {outcome.ret_msg} (retCode {outcome.ret_code})")
    reply = _decode(frame.payload)
    if path == STATUS:
        return read_statuses(_decode_statuses(reply.result).list, reply.time, memory, whole=True)
    if path == KLINES:
        return read_klines(reply.result, query, reply.time, frame.received_at, market)
    if path == TRADES:
        rows = decode_trades(reply.result)
        check_answer("a trade", query.get("symbol", ""), (one.symbol for one in rows))
        return decoded_events(Shape("trade", lambda _payload, _memory: rows, columns_of(market)), rows)
    found = _decode_instruments(reply.result)
    is_full = not found.next_page_cursor and not query.keys() - {"category", "limit"}
    time = microseconds(reply.time)
    return instruments_of(frame.venue, found.list, lambda one: {"event_time": time} | instrument(one, market), whole=is_full)


def _asked(text: str) -> tuple[str, dict[str, str]]:
    """Return path and query of a request; ValueError where it is none."""
    parts = urlsplit(text)
    return parts.path, {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Return why a reply with status 403, or JSON with 200, is no answer, in the venue's words; None where it is one."""
    if status == 403:
        return Refusal(f"access too frequent, or not from here (status 403): {said(body)}", BANNED_SECONDS, limited=True)
    try:
        outcome = _decode_outcome(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Refusal(f"a reply of another form: {said(body)}", 0, unclear=True)
    code, words = outcome.ret_code, f"{outcome.ret_msg} (retCode {outcome.ret_code})"
    if code in TOO_MANY:
        return Refusal(words, _seconds_to_reset(headers, outcome.time), limited=True)
    if code in BANNED:
        return Refusal(words, BANNED_SECONDS, limited=True)
    if not code:
        return None
    return Refusal(words) if code in LASTING else Refusal(words, AGAIN.get(code, 0.0), unclear=code not in AGAIN)


def _seconds_to_reset(headers: Mapping[str, str], now: int) -> float:
    """Return the seconds from the reply's own time until the venue says that it takes requests again; a minute where it does not say."""
    for name in headers:
        if name.lower() == _RESET and headers[name].isascii() and headers[name].isdigit() and len(headers[name]) < 20:
            left = int(headers[name]) - now
            if 0 < left <= BANNED_SECONDS * 1000:
                return left / 1000
    return LIMITED_SECONDS
