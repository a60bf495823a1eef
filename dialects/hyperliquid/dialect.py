"""Hyperliquid: perpetuals of every DEX on it, and spot, on one socket. A chain's order book: no message has a number.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket with its pages `subscriptions` and
`timeouts-and-heartbeats`, and the pages named in the modules beside this one.

Nothing counts, so nothing proves a hole: every book is whole, trades have hashes for ids, and only silence shows that something is wrong.
After each subscription the last trades come again; REST has no more of them than that, so none can be asked for. No liquidation is told in
public.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dialects.contract import DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.hyperliquid import candles, fundings, replies, statuses
from dialects.hyperliquid.coins import is_perpetual
from dialects.hyperliquid.frames import may_have_changed, read, shape_of
from dialects.hyperliquid.session import HyperliquidSession
from dialects.memory import Memory
from dialects.rules import HYPERLIQUID_BOOK
from dialects.session import Session
from dialects.stream import Channel, Stream

_TOLD = ("mark_price", "funding_rate", "open_interest")


class Hyperliquid(Dialect):
    """Symbols are coins: `BTC`, `xyz:SP500`, `PURR/USDC`, `@107`; capital letters count.

    Limits of one address (…/api/rate-limits-and-user-limits): ten connections, 1000 subscriptions, 2000 messages a minute over all
    connections, and of requests 1200 weight a minute, of which some is left to the questions asked on sockets. "The server will close any
    connection if it hasn't sent a message to it in the last 60 seconds" (…/timeouts-and-heartbeats). How many streams go on a connection
    is our own choice: two of those messages a stream.

    Silence is our own choice too, by what was seen (September 2026): a book every 5 s, whether it has changed or not, a context every
    second, all contexts every 14 s; a best quote comes only when it changes, which took up to 46 s.
    """

    venue: ClassVar[str] = "hyperliquid"
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), silence=600),
        "book": Channel(("book_delta",), continuity=HYPERLIQUID_BOOK, silence=30, snapshot="pushed"),
        "quote": Channel(("quote",), silence=300),
        "ticker": Channel(_TOLD, silence=30),
        "all_tickers": Channel(_TOLD, scope="venue", silence=120, by_default=False),
        "funding": Channel(("funding_rate",), every=fundings.EVERY_SECONDS),
        "instrument": Channel(("instrument",), scope="venue", every=3600),
        "venue_status": Channel(("venue_status",), scope="venue", every=statuses.EVERY_SECONDS),
        "kline": Channel(("venue_candle",), every=candles.EVERY_SECONDS, by_default=False),
    }
    """`all_tickers` is every perpetual of every DEX, less often than `ticker`; klines weigh 21 a minute for each symbol."""
    limits: ClassVar[Limits] = Limits(
        streams_per_connection=200,
        messages_per_second=5,
        ping_every=30,
        requests_per_minute=1000,
        connections_per_address=10,
        streams_per_address=1000,
    )
    production: ClassVar[Endpoints] = Endpoints("wss://api.hyperliquid.xyz/ws", "https://api.hyperliquid.xyz")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC", "ETH", "SOL")
    fast_book: ClassVar[bool] = False
    """Whether books are of 5 levels every half second instead of 20 levels every 5 seconds; both are read."""

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the one address."""
        return endpoints.websocket

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return HyperliquidSession(fast=self.fast_book)

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for lists, for the venue's state, and for fundings and klines of each symbol; spot has no funding."""
        return [
            Poll((stream,), replies.polled(stream), self.channels[stream.channel].every)
            for stream in streams
            if stream.channel != "funding" or is_perpetual(stream.symbol)
        ]

    def as_of(self, request: Request, now: int) -> Request:
        """Return a request for fundings or klines with the times it is for."""
        return replies.as_of(request, now)

    def listing_request(self) -> Request:
        """Return the request for the pairs of spot; that for the perpetuals follows it."""
        return replies.LISTING

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request for the perpetuals after that for the pairs."""
        return replies.next_page(request)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: in the venue's own words, else by its status."""
        return replies.refusal(status, headers, body) or super().refusal(status, headers, body)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame of trades, a book or a best quote."""
        return shape_of(payload)

    def may_have_changed(self, payload: bytes) -> tuple[str, ...] | None:
        """Return the name of the coin whose context a frame holds, none of another frame, all where it does not say whose it is."""
        return may_have_changed(payload)

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds universes, tokens, and what was last told."""
        return read(frame, memory)
