"""Coinbase Advanced Trade: trades, whole books, best quotes, candles and products; two venues of one language.

Spot, whose trades are counted, and the contracts of Coinbase Derivatives (CDE), of whose trades no page says that, and whose funding, open
interest, index and sessions are asked for over REST.

Sources: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels and the pages named in the modules
beside this one. Its other exchange, with a language of its own, is dialects/coinbase_exchange.

`sequence_num` counts all messages of a connection, of every channel, from 0: one that is missing may have been of any stream, so it
breaks every book of the connection. Nothing is sent again: a book begins anew with a subscription.

A subscription to a pair against USDC is confirmed, and then speaks as the pair against USD
(https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview; some pairs against USDC are markets of their
own). What comes is kept under the name it comes with, so the stream that was asked for is said to be silent.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dialects.coinbase.frames import connection_sequence, read, shape
from dialects.coinbase.replies import FUTURES, SPOT, STANDING, TRADES_SECONDS, next_page, refusal, trades_request
from dialects.coinbase.session import CoinbaseSession
from dialects.contract import TOO_MANY, DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.rules import COINBASE_ADVANCED, TRADES_COUNTED
from dialects.session import Session
from dialects.stream import Channel, Stream

_SOCKET: Mapping[str, Channel] = {
    "book": Channel(("book_delta",), continuity=COINBASE_ADVANCED, silence=60, snapshot="pushed"),
    "quote": Channel(("quote",), silence=600),
    "kline": Channel(("venue_candle",), by_default=False),
}
_LISTED = Channel(("instrument",), scope="venue", every=3600)
_STANDING = Channel(("mark_price", "funding_rate", "open_interest", "venue_status"), scope="venue", every=60)
"""How often is our own choice: funding is charged by the hour, open interest moves with every trade."""


class AdvancedTrade(Dialect):
    """What both have in common.

    Limits (…/advanced-trade-apis/websocket/websocket-rate-limits): eight messages a second from one address, of which a connection takes
    two, so that four of them may begin at once. Streams on a connection are our own choice, since every one of them is lost with one
    message. REST (…/advanced-trade-apis/guides/rest-api-rate-limits): ten public requests a second; five of them are ours.
    Silence is our own choice; a ticker comes when a trade is made, and no more often.
    """

    products: ClassVar[str]
    """The path of the list of what is traded."""
    limits: ClassVar[Limits] = Limits(streams_per_connection=60, messages_per_second=2, requests_per_minute=300)
    production: ClassVar[Endpoints] = Endpoints("wss://advanced-trade-ws.coinbase.com", "https://api.coinbase.com")
    counts_connection: ClassVar[bool] = True

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the address, which is one for all."""
        return endpoints.websocket

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return CoinbaseSession()

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for the list of what is traded, and for what contracts stand at."""
        paths = {"instrument": self.products, "contract": STANDING}
        return [Poll((one,), Request("GET", paths[one.channel]), self.channels[one.channel].every) for one in streams]

    def listing_request(self) -> Request:
        """Return the request for all that is traded."""
        return Request("GET", self.products)

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request for what follows a page of products."""
        return next_page(request, body)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: by the venue's word for the error where it gives one, else by the status."""
        by_status = super().refusal(status, headers, body)
        if status in TOO_MANY or status >= 500:
            return by_status
        return by_status or refusal(status, body) if status < 300 else refusal(status, body) or by_status

    def connection_sequence(self, payload: bytes) -> int | None:
        """Return `sequence_num`."""
        return connection_sequence(payload)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame of trades, a book or best quotes."""
        return shape(payload)

    def may_have_changed(self, payload: bytes) -> tuple[str, ...]:
        """Return nothing: what is remembered are products and contracts as they were last told, and a whole list replaces each."""
        return ()

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds what was last told of each product and contract."""
        return read(frame, memory)


class Coinbase(AdvancedTrade):
    """Spot."""

    venue: ClassVar[str] = "coinbase"
    products: ClassVar[str] = SPOT
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), continuity=TRADES_COUNTED, silence=600),
        **_SOCKET,
        "status": Channel(("instrument", "venue_status"), by_default=False),
        "instrument": _LISTED,
    }
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC-USD", "ETH-USD", "SOL-USD")
    resumable_trades: ClassVar[bool] = True
    trades_stretch: ClassVar[int] = TRADES_SECONDS

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request | None:
        """Return the request for the trades between two times, of a minute where the second is not known; the venue takes no number."""
        return trades_request(symbol, from_time, until)


class CoinbaseDerivatives(AdvancedTrade):
    """Futures and perpetual-style futures of Coinbase Derivatives; sizes count contracts."""

    venue: ClassVar[str] = "coinbase_derivatives"
    products: ClassVar[str] = FUTURES
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",)),
        **_SOCKET,
        "instrument": _LISTED,
        "contract": _STANDING,
    }
    default_symbols: ClassVar[tuple[str, ...]] = ("BIP-20DEC30-CDE", "ETP-20DEC30-CDE")
