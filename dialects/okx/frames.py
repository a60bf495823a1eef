"""What OKX pushes, by the channel that each frame names, and the events made of it.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-subscribe and the pages named in the modules beside this one. A frame begins
with its argument, in all seen; one that begins otherwise is read all the same.

Of the channels that are never asked for, `tickers` makes no event: it holds what best quotes and trades say, and statistics of a day.
`books5` and `books-elp` are other books of the same instrument, which would take the place of its own: they are refused.
"""

from collections.abc import Iterable, Mapping

import msgspec

from dialects.contract import DecodedEvent, Frame, PartlyInvalid, Shape, decoded_events
from dialects.listings import instruments_of
from dialects.memory import Memory
from dialects.okx.books import BOOKS, DEPTHS, QUOTES
from dialects.okx.funding import read_funding
from dialects.okx.funds import read_funds
from dialects.okx.instruments import InstrumentList, instrument
from dialects.okx.klines import read_candles
from dialects.okx.liquidations import LIQUIDATIONS
from dialects.okx.names import CANDLE, OPENING, Argument
from dialects.okx.options import SUMMARIES
from dialects.okx.prices import ESTIMATES, INDICES, MARKS, OPEN_INTEREST
from dialects.okx.replies import read_reply
from dialects.okx.statuses import read_notice, read_statuses
from dialects.okx.trades import BLOCK_TRADES, SUMMED_TRADES, TRADES
from schemas.errors import InvalidDatum

PONG = b"pong"
_SHAPES: Mapping[bytes, Shape] = {
    b"trades-all": TRADES,
    b"trades": SUMMED_TRADES,
    b"public-block-trades": BLOCK_TRADES,
    **dict.fromkeys((name.encode() for name in DEPTHS), BOOKS),
    b"bbo-tbt": QUOTES,
    b"mark-price": MARKS,
    b"index-tickers": INDICES,
    b"estimated-price": ESTIMATES,
    b"open-interest": OPEN_INTEREST,
    b"liquidation-orders": LIQUIDATIONS,
    b"opt-summary": SUMMARIES,
}
_ANSWERS = {"subscribe", "unsubscribe", "error", "login", "channel-conn-count", "channel-conn-count-error"}
_START = len(OPENING)
_LONGEST_NAME = 40


class Head(msgspec.Struct, rename="camel"):
    """What tells a frame that is not in the usual form."""

    arg: Argument | None = None
    event: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_decode_head = msgspec.json.Decoder(Head).decode
_decode_instruments = msgspec.json.Decoder(InstrumentList).decode


def shape(payload: bytes) -> Shape | None:
    """Return the shape of a frame that begins with the name of its channel; its decoder then checks the rest."""
    if not payload.startswith(OPENING):
        return None
    end = payload.find(b'"', _START, _START + _LONGEST_NAME)
    return _SHAPES.get(payload[_START:end]) if end > 0 else None


def read(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Return the events in a frame; InvalidDatum says why there are none."""
    payload = frame.payload
    try:
        if frame.kind == "reply":
            return read_reply(frame, memory)
        found = shape(payload)
        if found is not None:
            return decoded_events(found, found.decode(payload, memory))
        return _plain(frame, memory)
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def _plain(frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
    """Read a frame that is of no shape by its looks, or is an answer to us."""
    payload = frame.payload
    if payload == PONG:
        return ()
    head = _decode_head(payload)
    if head.event is not None:
        if head.event == "notice":
            return read_notice(payload)
        if head.event in _ANSWERS:
            return ()
        raise InvalidDatum(f"an answer of an unknown kind: {payload[:80]!r}")
    if head.arg is None or not bytes(head.data):
        raise InvalidDatum(f"neither data of a channel nor an answer: {payload[:80]!r}")
    channel = head.arg.channel
    found = _SHAPES.get(channel.encode())
    if found is not None:
        return decoded_events(found, found.decode(payload, memory))
    if channel.startswith(CANDLE):
        return read_candles(payload, head.arg.inst_id, channel.removeprefix(CANDLE), frame.received_at)
    match channel:
        case "funding-rate":
            return read_funding(payload, memory)
        case "status":
            return read_statuses(payload)
        case "adl-warning":
            return read_funds(payload)
        case "instruments":
            return instruments_of(frame.venue, _decode_instruments(payload).data, instrument)
        case "tickers":
            return ()
    raise InvalidDatum(f"unknown channel {channel[:40]!r}: {payload[:80]!r}")
