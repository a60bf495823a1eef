"""What Binance's futures push, and the events made of it. The frequent frames stand in shapes.py, replies in replies.py.

Sources: the pages under https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/ and
…/coin-margined-futures/websocket-market-streams/.

Frames of streams that are asked for nowhere here are read all the same where they say what no other does: klines, the index of a pair,
and the streams of all symbols at once (`!markPrice@arr`, `!forceOrder@arr`). The best levels of a book, whole each time
(`@depth5`), look like its changes and are none: they are refused, by their name.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from dialects.binance_futures.klines import PushedKline, read_pushed
from dialects.binance_futures.market import Market
from dialects.binance_futures.marks import Index, Mark, read_index, read_mark
from dialects.binance_futures.replies import read_reply
from dialects.binance_futures.shapes import kinds_of
from dialects.binance_futures.statuses import ContractInfo, read_contract_info
from dialects.binance_futures.streams import is_partial_book
from dialects.contract import DecodedEvent, Frame, PartlyInvalid, decoded_events
from dialects.memory import Memory
from schemas.errors import InvalidDatum


class _CombinedMark(msgspec.Struct, gc=False):
    data: Mark


_decode_mark = msgspec.json.Decoder(_CombinedMark).decode
_ANSWERS = {"result", "error", "code"}


def read(frame: Frame, memory: Memory, market: Market) -> Iterable[DecodedEvent]:
    """Return the events in a frame of a market; InvalidDatum says why there are none."""
    payload = frame.payload
    try:
        if frame.kind == "reply":
            return read_reply(frame, memory, market)
        shape = kinds_of(market).shape(payload)
        if shape is not None:
            return decoded_events(shape, shape.decode(payload, memory))
        if payload.startswith(b'{"stream":"') and payload.find(b"@markPrice", 11, 160) > 11:
            return read_mark(_decode_mark(payload).data, memory, market) if payload[11:12] != b"!" else _plain(frame, memory, market)
        return _plain(frame, memory, market)
    except PartlyInvalid:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDatum(f"{frame.venue}: {error}") from error


def _plain(frame: Frame, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Read a frame that is not in the usual form: not combined, other spacing, of all symbols, an answer, or nothing we know."""
    document = orjson.loads(frame.payload)
    name = document.get("stream") if isinstance(document, dict) else None
    data = document.get("data") if name is not None else document
    if isinstance(name, str) and is_partial_book(name):
        raise InvalidDatum(f"{name!r} is the best levels of a book, not its changes")
    if isinstance(data, list):
        return [event for one in data for event in _event(one, frame, memory, market)]
    if isinstance(data, dict) and "e" not in data and _ANSWERS & data.keys():
        return []
    return _event(data, frame, memory, market)


def _event(data: Any, frame: Frame, memory: Memory, market: Market) -> list[DecodedEvent]:
    kind = data.get("e") if isinstance(data, dict) else None
    known = kinds_of(market).by_type.get(kind) if isinstance(kind, str) else None
    if known is not None:
        return decoded_events(known.shape, known.rows(msgspec.convert(data, known.form)))
    match kind:
        case "markPriceUpdate":
            return read_mark(msgspec.convert(data, Mark), memory, market)
        case "indexPriceUpdate":
            return read_index(msgspec.convert(data, Index), market)
        case "contractInfo":
            return read_contract_info(msgspec.convert(data, ContractInfo), memory, market)
        case "kline":
            return read_pushed(msgspec.convert(data, PushedKline), frame.received_at, market)
        case "serverShutdown":
            return []
        case _:
            raise InvalidDatum(f"unknown message type {kind!r}: {frame.payload[:80]!r}")
