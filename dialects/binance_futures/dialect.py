"""Binance's futures: USD-M and COIN-M, two venues of one language.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info,
https://developers.binance.com/docs/derivatives/coin-margined-futures/general-info and the pages named in the modules beside this one.

Addresses: those of USD-M are routed since 2026-04-23
(https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Important-WebSocket-Change-Notice): books
and best quotes on `/public`, all else on `/market`. "USD-M Futures is the exception": of COIN-M the venue names one address for all
(https://developers.binance.com/docs/products/caas/market-data-streams). Since 2026-06-30 frames of both markets come on the addresses of
each, and say of which they are (`st`).

Trades are aggregates: of one price and one taker's side within 100 ms, and only these can be asked for by number. The raw `@trade` is no
stream of the futures' documentation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from dialects.binance_futures import requests
from dialects.binance_futures.frames import read
from dialects.binance_futures.klines import EVERY_SECONDS
from dialects.binance_futures.market import COINM, USDM, Market
from dialects.binance_futures.refusals import refusal
from dialects.binance_futures.replies import next_page
from dialects.binance_futures.session import BinanceFuturesSession
from dialects.binance_futures.shapes import kinds_of
from dialects.contract import TOO_MANY, DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.rules import BINANCE_FUTURES_BOOK, TRADES_COUNTED
from dialects.session import Session
from dialects.stream import Channel, Stream

PUBLIC, MARKET = "public", "market"
_CHANNELS: Mapping[str, Channel] = {
    "trade": Channel(("trade",), continuity=TRADES_COUNTED, silence=600),
    "book": Channel(("book_delta",), continuity=BINANCE_FUTURES_BOOK, silence=60, snapshot="rest"),
    "quote": Channel(("quote",), silence=60),
    "mark_price": Channel(("mark_price", "funding_rate"), silence=30),
    "liquidation": Channel(("liquidation",)),
    "contract_info": Channel(("venue_status",), scope="venue"),
    "instrument": Channel(("instrument",), scope="venue", every=3600),
    "funding": Channel(("funding_rate",), every=600),
    "open_interest": Channel(("open_interest",), every=60),
    "premium_index": Channel(("mark_price", "funding_rate"), every=60),
    "open_interest_history": Channel(("open_interest",), every=300, by_default=False),
    "long_short_ratio": Channel(("long_short_ratio",), every=300, by_default=False),
    "kline": Channel(("venue_candle",), every=EVERY_SECONDS, by_default=False),
}
"""How often is asked is our own choice; ratios and histories are of five minutes. Those that are not carried by default would take, of many
symbols, most of what REST allows."""


class BinanceFutures(Dialect):
    """What the two markets have in common.

    Limits (…/websocket-market-streams/Connect): 1024 streams a connection, 10 messages a second to the venue (pongs among them, so 8 are
    ours), disconnected after 24 hours; the venue pings every three minutes in the protocol itself. REST: 2400 of weight a minute
    (`rateLimits` of `exchangeInfo`).
    Silence is our own choice: mark prices come each second, books and quotes of a listed contract move within a minute, trades of one
    that is delivered may be many minutes apart.
    """

    market: ClassVar[Market]
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=1024,
        messages_per_second=8,
        connection_lifetime=86_400,
        requests_per_minute=2400,
    )
    resumable_trades: ClassVar[bool] = True

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the address for combined frames of the streams' route; they are asked for by message, which the venue confirms."""
        route = self.channels[streams[0].channel if streams else "book"].route
        return f"{endpoints.websocket}/{route}/stream" if route else f"{endpoints.websocket}/stream"

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return BinanceFuturesSession()

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for what is asked again and again, each once."""
        asked = requests.together(self.market, streams)
        return [Poll(some, request, self.channels[some[0].channel].every) for request, some in asked]

    def listing_request(self) -> Request:
        """Return the request for all instruments."""
        return requests.exchange_info(self.market)

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request for the instruments, once it is known what their funding is."""
        return next_page(request, self.market)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: by the venue's code where it gives one, else by the status."""
        own = None if status in TOO_MANY or status >= 500 else refusal(status, headers, body)
        return own or super().refusal(status, headers, body)

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the request for a book's best 1000 levels (weight 20)."""
        return requests.depth(self.market, stream.symbol) if stream.channel == "book" else None

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request:
        """Return the request for up to 1000 aggregate trades from an id on (weight 20)."""
        return requests.trades(self.market, symbol, from_sequence)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a combined frame of trades, changes of a book, a best quote or a liquidation."""
        return kinds_of(self.market).shape(payload)

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds what was last told of rates, contracts and the rows of polled replies."""
        return read(frame, memory, self.market)


class BinanceUsdm(BinanceFutures):
    """Perpetuals and futures that are settled in a stable coin."""

    venue: ClassVar[str] = "binance_usdm"
    market: ClassVar[Market] = USDM
    channels: ClassVar[Mapping[str, Channel]] = {
        name: replace(
            channel,
            route="" if channel.every else PUBLIC if name in {"book", "quote"} else MARKET,
            by_default=channel.by_default and name != "premium_index",
        )
        for name, channel in _CHANNELS.items()
    } | {"insurance_fund": Channel(("insurance_fund",), scope="venue", every=600)}
    """`premium_index` says of USD-M what `mark_price` does, and the interest rate beside it."""
    production: ClassVar[Endpoints] = Endpoints("wss://fstream.binance.com", "https://fapi.binance.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class BinanceCoinm(BinanceFutures):
    """Perpetuals and futures of US dollars that are settled in the base currency."""

    venue: ClassVar[str] = "binance_coinm"
    market: ClassVar[Market] = COINM
    channels: ClassVar[Mapping[str, Channel]] = _CHANNELS
    production: ClassVar[Endpoints] = Endpoints("wss://dstream.binance.com", "https://dapi.binance.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTCUSD_PERP", "ETHUSD_PERP", "SOLUSD_PERP")
