"""An exchange that is nowhere, spoken: tests/contracts/test_a_new_venue.py puts this file where a new dialect would be written.

It differs from the venues there are where it can: no request ids, many trades a frame, POST with a body, a book whose whole state is
asked for by REST, one address for everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import orjson

from dialects.answers import check_answer
from dialects.continuity import Kind, Rule
from dialects.contract import UNREADABLE, DecodedEvent, Dialect, Endpoints, Frame, Limits, Request, Shape, decoded_events
from dialects.memory import Memory
from dialects.session import FrameSignal, Session, Subscription
from dialects.stream import Channel, Stream
from schemas.decimals import encode
from schemas.errors import InvalidDatum

NAMES: Mapping[str, str] = {"trade": "fills", "book": "depth", "quote": "best"}
CHANNELS: Mapping[str, str] = {theirs: ours for ours, theirs in NAMES.items()}
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Level = tuple[str, str]


class _Fills(msgspec.Struct):
    of: str
    rows: list[tuple[_Whole, str, str, Literal["b", "s"], _Whole]]


class _Depth(msgspec.Struct):
    of: str
    first: _Whole
    last: _Whole
    bids: list[_Level]
    asks: list[_Level]


class _Best(msgspec.Struct):
    of: str
    n: _Whole
    bid: _Level
    ask: _Level


class _Asked(msgspec.Struct):
    book: str = ""
    fills: str = ""


_asked = msgspec.json.Decoder(_Asked).decode
_fills = msgspec.json.Decoder(_Fills).decode
_depth = msgspec.json.Decoder(_Depth).decode
_best = msgspec.json.Decoder(_Best).decode


def _trades(rows: Sequence[Any]) -> dict[str, Any]:
    return {
        "symbol": [of for of, _ in rows],
        "event_time": [row[4] for _, row in rows],
        "trade_id": [str(row[0]) for _, row in rows],
        "sequence": [row[0] for _, row in rows],
        "price": [encode(row[1]) for _, row in rows],
        "size": [encode(row[2]) for _, row in rows],
        "side": [{"b": "buy", "s": "sell"}[row[3]] for _, row in rows],
        "replayed": False,
    }


def _book(found: Sequence[_Depth], *, whole: bool = False) -> dict[str, Any]:
    levels = {
        f"{side}_{part}s": [[encode(level[place]) for level in getattr(one, f"{side}s")] for one in found]
        for side in ("bid", "ask")
        for place, part in enumerate(("price", "size"))
    }
    return levels | {
        "symbol": [one.of for one in found],
        "event_time": None,
        "is_snapshot": whole,
        "depth": 0,
        "first_sequence": [one.first for one in found],
        "last_sequence": [one.last for one in found],
    }


def _quotes(found: Sequence[_Best]) -> dict[str, Any]:
    return {
        "symbol": [one.of for one in found],
        "event_time": None,
        "sequence": [one.n for one in found],
        "bid_price": [encode(one.bid[0]) for one in found],
        "bid_size": [encode(one.bid[1]) for one in found],
        "ask_price": [encode(one.ask[0]) for one in found],
        "ask_size": [encode(one.ask[1]) for one in found],
    }


def _rows(payload: bytes) -> list[Any]:
    one = _fills(payload)
    return [(one.of, row) for row in one.rows]


TRADES = Shape("trade", lambda payload, _memory: _rows(payload), _trades)
SHAPES: Mapping[bytes, Shape] = {
    b'{"what":"fil': TRADES,
    b'{"what":"dep': Shape("book_delta", lambda payload, _memory: (_depth(payload),), _book),
    b'{"what":"bes': Shape("quote", lambda payload, _memory: (_best(payload),), _quotes),
}


class Bourse(Dialect):
    """Its limits are nobody's."""

    venue: ClassVar[str] = "bourse"
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), continuity=Rule(Kind.COUNTED), silence=60),
        "book": Channel(("book_delta",), continuity=Rule(Kind.RANGES, snapshot="rest"), silence=60, snapshot="rest"),
        "quote": Channel(("quote",), silence=60),
    }
    limits: ClassVar[Limits] = Limits(streams_per_connection=50, messages_per_second=10, ping_every=15, requests_per_minute=100)
    production: ClassVar[Endpoints] = Endpoints("wss://bourse.example/feed", "https://bourse.example")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC-EUR", "ETH-EUR")
    resumable_trades: ClassVar[bool] = True

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the one address."""
        return endpoints.websocket

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return BourseSession()

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the request for a whole book."""
        return Request("POST", "/ask", body=orjson.dumps({"book": stream.symbol})) if stream.channel == "book" else None

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request:
        """Return the request for trades from a number on."""
        return Request("POST", "/ask", body=orjson.dumps({"fills": symbol, "from": from_sequence}))

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape by the first bytes."""
        return SHAPES.get(payload[:12])

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame."""
        try:
            if frame.kind == "reply":
                return self._reply(frame)
            known = self.shape(frame.payload)
            if known is not None:
                return decoded_events(known, known.decode(frame.payload, memory))
            document = orjson.loads(frame.payload)
        except UNREADABLE as error:
            raise InvalidDatum(f"bourse: {error}") from error
        if isinstance(document, dict) and document.keys() & {"following", "left", "pong", "no"}:
            return ()
        raise InvalidDatum("bourse: not a frame of this venue")

    def _reply(self, frame: Frame) -> list[DecodedEvent]:
        if not (frame.request or "").startswith("POST /ask "):
            raise InvalidDatum(f"bourse: a reply to {frame.request!r}")
        asked = _asked((frame.request or "").removeprefix("POST /ask "))
        if b'"rows"' in frame.payload:
            rows = _rows(frame.payload)
            check_answer("a fill", asked.fills, (of for of, _ in rows))
            return decoded_events(TRADES, rows)
        whole = _depth(frame.payload)
        check_answer("a book", asked.book, (whole.of,))
        columns = _book([whole], whole=True)
        return [DecodedEvent("book_delta", {name: column[0] if isinstance(column, list) else column for name, column in columns.items()})]


class BourseSession(Session):
    """What is asked for is answered by its name."""

    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return a message for each stream."""
        return [_message("follow", stream) for stream in streams]

    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return a message for each stream."""
        return [_message("leave", stream) for stream in streams]

    def ping(self) -> bytes:
        """Return its ping."""
        return b'{"do":"ping"}'

    def hear(self, payload: bytes) -> FrameSignal:
        """Say what a frame means."""
        try:
            document = orjson.loads(payload)
        except ValueError:
            return FrameSignal()
        if not isinstance(document, dict):
            return FrameSignal()
        stream = _stream(document.get("what") or document.get("following"), document.get("of"))
        if stream is None:
            return FrameSignal()
        if "no" in document:
            return FrameSignal(refused=((stream, str(document["no"])),))
        return FrameSignal(confirmed=(stream,)) if "following" in document else FrameSignal(stream)


def _message(word: str, stream: Stream) -> Subscription:
    return Subscription(orjson.dumps({"do": word, "what": NAMES[stream.channel], "of": stream.symbol}), (stream,))


def _stream(name: object, symbol: object) -> Stream | None:
    channel = CHANNELS.get(name) if isinstance(name, str) else None
    return Stream(channel, symbol) if channel and isinstance(symbol, str) else None
