"""What Hyperliquid answers to `POST /info {"type":…}`, and how it refuses.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint with its pages `perpetuals` and `spot`;
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits: 1200 weight a minute from one address; the
requests here weigh 20, but for `exchangeStatus` (2); fundings and candles one more for every 20 and 60 of them.

No page says how a request is refused. Seen are: 422 with "Failed to deserialize the JSON body into the target type", which is the request's
own fault; and `null`, with 200 or with 500, where there is no such coin or it has no funding
(https://github.com/hyperliquid-dex/hyperliquid-python-sdk/issues/32, https://github.com/JKorf/HyperLiquid.Net/issues/16). Both last: only
what is polled is asked here, and that is asked again by and by whatever was answered.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from dialects.answers import check_answer
from dialects.bodies import is_json, said
from dialects.contract import DecodedEvent, Frame, Refusal, Request, Shape, decoded_events
from dialects.hyperliquid.candles import ASKED, CANDLES, MINUTE, read_candles
from dialects.hyperliquid.fundings import BACK_MILLISECONDS, FUNDINGS, read_fundings
from dialects.hyperliquid.instruments import read_pairs, read_perpetuals
from dialects.hyperliquid.statuses import STATUS, read_status
from dialects.hyperliquid.trades import Trade, trades
from dialects.hyperliquid.universe import METAS
from dialects.memory import Memory
from dialects.stream import Stream
from schemas.errors import InvalidDatum

INFO = "/info"
PAIRS = "spotMeta"
TRADES = "recentTrades"
NOT_UNDERSTOOD = 422


class _Details(msgspec.Struct):
    coin: str = ""
    interval: str = ""


class _Asked(msgspec.Struct):
    """The body of a request."""

    type: str
    coin: str = ""
    req: _Details | None = None


_decode_asked = msgspec.json.Decoder(_Asked).decode
_decode_trades = msgspec.json.Decoder(list[Trade]).decode


def info(weight: float, **body: Any) -> Request:
    """Return a request for information."""
    return Request("POST", INFO, weight, orjson.dumps(body))


LISTING, PERPETUALS, STATE = info(20, type=PAIRS), info(20, type=METAS), info(2, type=STATUS)
"""Pairs come first: the names of tokens, by which the collateral of perpetuals is called, are in their list."""


def polled(stream: Stream) -> Request:
    """Return the request for a stream of a polled channel, without the times it is for; KeyError where there is none."""
    if stream.channel == "kline":
        return info(21, type=CANDLES, req={"coin": stream.symbol, "interval": "1m"})
    if stream.channel == "funding":
        return info(21, type=FUNDINGS, coin=stream.symbol)
    return {"instrument": LISTING, "venue_status": STATE}[stream.channel]


def as_of(request: Request, now: int) -> Request:
    """Return a polled request with the times it is for; `now` in microseconds."""
    try:
        asked = _decode_asked(request.body)
        document = orjson.loads(request.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return request
    moment = now // 1000
    if asked.type == FUNDINGS:
        document |= {"startTime": moment - BACK_MILLISECONDS}
    elif asked.type == CANDLES and asked.req is not None:
        document["req"] |= {"startTime": moment - moment % MINUTE - (ASKED - 1) * MINUTE, "endTime": moment}
    else:
        return request
    return request._replace(body=orjson.dumps(document))


def next_page(request: Request) -> Request | None:
    """Return the request for the perpetuals after that for the pairs: together they are all that the venue lists."""
    return PERPETUALS if request == LISTING else None


def read_reply(frame: Frame, memory: Memory) -> list[DecodedEvent]:
    """Return the events in a reply; InvalidDatum and msgspec's errors where there is something else in it."""
    method, _, rest = (frame.request or "").partition(" ")
    path, _, body = rest.partition(" ")
    asked = _decode_asked(body.encode()) if method == "POST" and path == INFO and body else _Asked("")
    if asked.type == PAIRS:
        return read_pairs(frame.venue, frame.payload, memory)
    if asked.type == METAS:
        return read_perpetuals(frame.venue, frame.payload, memory)
    if asked.type == STATUS:
        return read_status(frame.payload, memory)
    if asked.type == FUNDINGS:
        return read_fundings(frame.payload, asked.coin, memory)
    if asked.type == CANDLES and asked.req is not None:
        return read_candles(frame.payload, asked.req.coin, asked.req.interval, frame.received_at)
    if asked.type == TRADES:
        rows = _decode_trades(frame.payload)
        check_answer("a trade", asked.coin, (one.coin for one in rows))
        return decoded_events(Shape("trade", lambda _payload, _memory: rows, trades), rows)
    raise InvalidDatum(f"a reply to {(frame.request or '')[:200]!r}, which nobody knows how to read")


def refusal(status: int, _headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Return why a reply is no answer where the venue says so in words of its own; None where it does not."""
    if status == NOT_UNDERSTOOD:
        return Refusal(f"status {status}: {said(body) or 'an empty body'}")
    text = body.strip()
    if text == b"null" and (status == 500 or 200 <= status < 300):
        return Refusal(f"it knows no such coin, or has no such thing of it (status {status}: null)")
    if 200 <= status < 300 and text[:1] not in {b"[", b"{"} and is_json(body):
        return Refusal(f"a reply of another form: {said(body)}", 0, unclear=True)
    return None
