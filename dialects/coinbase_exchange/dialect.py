"""Coinbase Exchange: trades, whole books, best quotes, products and their states, and single orders to those who have a key.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview and the pages named in the modules beside this one. Products and
trade ids are those of Advanced Trade (dialects/coinbase), which has the same pairs under another language.

`full`, `level2` and `level3` want a signature since 2023 (https://docs.cdp.coinbase.com/exchange/websocket-feed/authentication), so books
are taken from `level2_batch`, which sends the same every 50 ms. The heartbeat channel, a message a second for each product, is not asked
for; it is read, and nothing comes of it.

Of `full` each message counts by one (dialects/rules.py, COINBASE_FULL), but many make no event, and an event of an order has no number: so
single orders are held to prove nothing, and the time without a connection is told of them. The book of level 3 that is asked for when they
begin has the number from which they go on, in its frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from dialects.coinbase_exchange.frames import read, shape
from dialects.coinbase_exchange.replies import PRODUCTS, candles_request, orders_request, refusal, trades_request
from dialects.coinbase_exchange.session import ExchangeSession
from dialects.contract import TOO_MANY, DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.rules import COINBASE_LEVEL2, TRADES_COUNTED
from dialects.session import Session
from dialects.stream import Channel, Stream


class CoinbaseExchange(Dialect):
    """The exchange behind Advanced Trade, for professionals.

    Limits (…/exchange/websocket-feed/rate-limits): a hundred messages a second from one address, of which a connection takes ten, and
    eight new connections a second; streams on a connection are our own choice. REST (…/exchange/rest-api/rate-limits): ten public
    requests a second; five of them are ours. Silence is our own choice; a ticker comes when a trade is made, and no more often. The
    status channel sends all products every few seconds, so it is carried where the settings name it; candles, which "should not be
    polled frequently" (…/get-product-candles), too.
    """

    venue: ClassVar[str] = "coinbase_exchange"
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), continuity=TRADES_COUNTED, silence=600),
        "book": Channel(("book_delta",), continuity=COINBASE_LEVEL2, silence=60, snapshot="pushed"),
        "quote": Channel(("quote",), silence=600),
        "status": Channel(("instrument", "venue_status"), scope="venue", silence=300, by_default=False),
        "orders": Channel(("order_delta",), silence=60, private=True, snapshot="rest"),
        "instrument": Channel(("instrument",), scope="venue", every=3600),
        "kline": Channel(("venue_candle",), every=300, by_default=False),
    }
    limits: ClassVar[Limits] = Limits(streams_per_connection=200, messages_per_second=10, requests_per_minute=300)
    private_limits: ClassVar[Limits] = replace(limits, streams_per_connection=10)
    production: ClassVar[Endpoints] = Endpoints(
        "wss://ws-feed.exchange.coinbase.com", "https://api.exchange.coinbase.com", "wss://ws-direct.exchange.coinbase.com"
    )
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC-USD", "ETH-USD", "SOL-USD")
    resumable_trades: ClassVar[bool] = True

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the address of private channels or that of the others.

        Raises ValueError where streams of both kinds are to share a connection, and where the address needed is not set.
        """
        kinds = {self.channels[stream.channel].private for stream in streams}
        if len(kinds) > 1:
            raise ValueError("coinbase_exchange takes authenticated channels on connections of their own")
        address = endpoints.authenticated if True in kinds else endpoints.websocket
        if not address:
            raise ValueError(f"no address of coinbase_exchange's {'authenticated ' if True in kinds else ''}websocket is set")
        return address

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return ExchangeSession()

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for the list of products and for the candles of each symbol."""
        return [Poll((stream,), self._polled(stream), self.channels[stream.channel].every) for stream in streams]

    def _polled(self, stream: Stream) -> Request:
        return candles_request(stream.symbol) if stream.channel == "kline" else Request("GET", PRODUCTS)

    def listing_request(self) -> Request:
        """Return the request for all products, which come in one reply."""
        return Request("GET", PRODUCTS)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: by the status, in the venue's words where it gives some."""
        own = None if status in TOO_MANY or not 300 <= status < 500 else refusal(status, body)
        return own or super().refusal(status, headers, body)

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the request for every resting order of a product."""
        return orders_request(stream.symbol) if stream.channel == "orders" else None

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request:
        """Return the request for up to 1000 trades from an id on."""
        return trades_request(symbol, from_sequence)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame of trades, a book, best quotes or single orders."""
        return shape(payload)

    def may_have_changed(self, payload: bytes) -> tuple[str, ...]:
        """Return nothing: what is remembered are products as they were last told, and the next status replaces each."""
        return ()

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds what was last told of each product."""
        return read(frame, memory)
