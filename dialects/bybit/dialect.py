"""Bybit v5: spot, linear and inverse contracts, three venues of one language. A symbol may be another thing in each.

Sources: https://bybit-exchange.github.io/docs/v5/ws/connect and the pages named in the modules beside this one.

`system.status` is pushed too, but on an address of its own (wss://stream.bybit.com/v5/public/misc/status): here it is asked for over
REST, in the same form. Trades have opaque ids and REST gives the last ones alone: none can be asked for by number.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dialects.bybit.frames import may_have_changed, read, shapes_of
from dialects.bybit.klines import EVERY_SECONDS, klines_request
from dialects.bybit.market import INVERSE, LINEAR, SPOT, Market
from dialects.bybit.replies import STATUS, instruments_request, next_page, refusal
from dialects.bybit.session import BybitSession
from dialects.contract import DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.rules import BYBIT_BOOK, BYBIT_BOOK_LEVEL_1
from dialects.session import Session
from dialects.stream import Channel, Stream

_POLLED: Mapping[str, Channel] = {
    "instrument": Channel(("instrument",), scope="venue", every=3600),
    "venue_status": Channel(("venue_status",), scope="venue", every=60),
    "kline": Channel(("venue_candle",), every=EVERY_SECONDS, by_default=False),
}
"""How often is our own choice: limits of sizes change twice a month (…/docs/v5/market/instrument), listings by the day.

Klines are a request a minute for each symbol: of many they would take most of what REST allows, which backfill and lists need too. So
they are carried only where the settings name them.
"""
_SPOT: Mapping[str, Channel] = {
    "trade": Channel(("trade",), silence=600),
    "book": Channel(("book_delta",), continuity=BYBIT_BOOK, silence=60, snapshot="pushed"),
    "quote": Channel(("quote",), continuity=BYBIT_BOOK_LEVEL_1, silence=60),
    **_POLLED,
}
_CONTRACTS: Mapping[str, Channel] = {
    "trade": Channel(("trade",), silence=600),
    "book": Channel(("book_delta",), continuity=BYBIT_BOOK, silence=60, snapshot="pushed"),
    "quote": Channel(("quote",), continuity=BYBIT_BOOK_LEVEL_1, silence=15),
    "ticker": Channel(("mark_price", "funding_rate", "open_interest"), silence=60),
    "liquidation": Channel(("liquidation",)),
    **_POLLED,
}


class Bybit(Dialect):
    """What the three markets have in common.

    Limits (…/docs/v5/ws/connect): topics of up to 21,000 characters on a connection, which is 500 of 42 each; 500 new connections in
    five minutes, and 1000 at a time from one address for each market (…/docs/v5/rate-limit); a ping every 20 seconds. Messages a second
    are our own choice: the venue documents no limit. REST: 600 requests in five seconds from one address; what it allows in five
    seconds is taken for a minute, so that no burst passes it.
    Silence is our own choice, but for level 1 of contracts, which is pushed again after three seconds without change
    (…/docs/v5/websocket/public/orderbook).
    """

    market: ClassVar[Market]
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=500,
        messages_per_second=5,
        ping_every=20,
        requests_per_minute=600,
        connections_per_address=1000,
    )
    book_depth: ClassVar[int] = 50
    """Levels per side subscribed: 50, 200 or 1000; every depth is read."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the market's address."""
        return endpoints.websocket

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return BybitSession(self.market, self.book_depth)

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for the list of instruments, for the venue's state and for the klines of each symbol."""
        return [Poll((stream,), self._polled(stream), self.channels[stream.channel].every) for stream in streams]

    def _polled(self, stream: Stream) -> Request:
        if stream.channel == "kline":
            return klines_request(self.market, stream.symbol)
        return instruments_request(self.market) if stream.channel == "instrument" else Request("GET", STATUS)

    def listing_request(self) -> Request:
        """Return the request for all instruments of the market."""
        return instruments_request(self.market)

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request for what follows a page of instruments."""
        return next_page(request, body)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: Bybit refuses with status 200 and a code, and bans with 403."""
        own = None if status == 403 else super().refusal(status, headers, body)
        return own or refusal(status, headers, body)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame of trades, a book, a best quote or liquidations."""
        return shapes_of(self.market).of(payload)

    def may_have_changed(self, payload: bytes) -> tuple[str, ...] | None:
        """Return the name of the ticker that a frame's topic names, none of another topic, all where it begins with no topic."""
        return may_have_changed(payload)

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds what was last said of each ticker and notice."""
        return read(frame, memory, self.market)


class BybitSpot(Bybit):
    """Spot."""

    venue: ClassVar[str] = "bybit_spot"
    market: ClassVar[Market] = SPOT
    channels: ClassVar[Mapping[str, Channel]] = _SPOT
    production: ClassVar[Endpoints] = Endpoints("wss://stream.bybit.com/v5/public/spot", "https://api.bybit.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class BybitLinear(Bybit):
    """Perpetuals and futures that are settled in USDT or USDC."""

    venue: ClassVar[str] = "bybit_linear"
    market: ClassVar[Market] = LINEAR
    channels: ClassVar[Mapping[str, Channel]] = _CONTRACTS
    production: ClassVar[Endpoints] = Endpoints("wss://stream.bybit.com/v5/public/linear", "https://api.bybit.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class BybitInverse(Bybit):
    """Perpetuals and futures of US dollars that are settled in the base currency."""

    venue: ClassVar[str] = "bybit_inverse"
    market: ClassVar[Market] = INVERSE
    channels: ClassVar[Mapping[str, Channel]] = _CONTRACTS
    production: ClassVar[Endpoints] = Endpoints("wss://stream.bybit.com/v5/public/inverse", "https://api.bybit.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSD", "ETHUSD", "SOLUSD")
