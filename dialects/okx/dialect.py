"""OKX v5: spot, perpetuals, futures and options, one venue of one language; an instrument's id says which of them it is.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket and the pages named in the modules beside this one.

Two addresses of public data: `public`, and `business` for trades one by one, blocks and candles. What a contract holds is said by the list
of instruments alone, so each connection that carries trades of contracts has the reply for each among its frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from dialects.contract import DecodedEvent, Dialect, Endpoints, Frame, Limits, Poll, Refusal, Request, Shape
from dialects.memory import Memory
from dialects.okx import klines, names, ratios
from dialects.okx.frames import read, shape
from dialects.okx.refusals import refusal
from dialects.okx.replies import contract_requests, instruments_request, next_page, polled_request, trades_request
from dialects.okx.session import OkxSession
from dialects.rules import OKX_BOOK, OKX_BOOK_5, OKX_TRADES
from dialects.session import Session
from dialects.stream import Channel, Stream

PUBLIC, BUSINESS = "public", "business"


class Okx(Dialect):
    """OKX.

    Limits (https://www.okx.com/docs-v5/en/#overview-websocket-connect): a connection ends where nothing is said for 30 seconds; 480
    requests to subscribe or unsubscribe in an hour on each; books of 400 levels are best carried by less than 30 channels a connection.
    REST counts each path by itself, most 20 requests in two seconds: so many are asked of all together.
    Silence: books say something once a minute and mark prices every ten seconds even where nothing changes, indices once a minute,
    funding every 30 to 90 seconds (…-ws-order-book-channel, …-mark-price-channel, …-index-tickers-channel, …-funding-rate-channel);
    that of trades and of open interest is our own choice.
    """

    venue: ClassVar[str] = "okx"
    channels: ClassVar[Mapping[str, Channel]] = {
        "trade": Channel(("trade",), continuity=OKX_TRADES, silence=600, route=BUSINESS),
        "book": Channel(("book_delta",), continuity=OKX_BOOK, silence=90, snapshot="pushed", route=PUBLIC),
        "quote": Channel(("quote",), continuity=OKX_BOOK_5, silence=90, route=PUBLIC),
        "block_trade": Channel(("trade",), route=BUSINESS),
        "index_price": Channel(("mark_price",), silence=90, route=PUBLIC),
        "mark_price": Channel(("mark_price",), silence=30, route=PUBLIC),
        "settlement_price": Channel(("mark_price",), route=PUBLIC),
        "funding_rate": Channel(("funding_rate",), silence=180, route=PUBLIC),
        "open_interest": Channel(("open_interest",), silence=60, route=PUBLIC),
        "liquidation": Channel(("liquidation",), scope="venue", route=PUBLIC),
        "venue_status": Channel(("venue_status",), scope="venue", route=PUBLIC),
        "option_summary": Channel(("option_summary",), scope="venue", by_default=False, route=PUBLIC),
        "insurance_fund": Channel(("insurance_fund",), scope="venue", by_default=False, route=PUBLIC),
        "instrument": Channel(("instrument",), scope="venue", every=3600),
        "kline": Channel(("venue_candle",), every=klines.EVERY_SECONDS, by_default=False),
        "long_short_ratio": Channel(("long_short_ratio",), every=ratios.EVERY_SECONDS, by_default=False),
    }
    limits: ClassVar[Limits] = Limits(streams_per_connection=29, messages_per_second=480 / 3600, ping_every=20, requests_per_minute=600)
    production: ClassVar[Endpoints] = Endpoints("wss://ws.okx.com:8443/ws/v5", "https://openapi.okx.com")
    default_symbols: ClassVar[tuple[str, ...]] = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
    resumable_trades: ClassVar[bool] = True

    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the address that has these streams; ValueError where they are of two."""
        routes = {self.channels[stream.channel].route for stream in streams} or {PUBLIC}
        if len(routes) > 1:
            raise ValueError(f"okx has no address with {' and '.join(sorted(routes))} channels")
        return f"{endpoints.websocket}/{routes.pop()}"

    def session(self) -> Session:
        """Return what speaks on a new connection."""
        return OkxSession()

    def has(self, stream: Stream) -> bool:
        """Whether an instrument has a channel, by the kind that its id says."""
        return names.has(stream)

    def references(self, streams: Sequence[Stream]) -> list[Request]:
        """Return the requests for what the contracts hold whose trades are among the streams."""
        return contract_requests(streams)

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return the requests for the lists of instruments, and for the candles and ratios of each symbol."""
        return [Poll((stream,), polled_request(stream), self.channels[stream.channel].every) for stream in streams]

    def listing_request(self) -> Request:
        """Return the request for the first list of instruments: spot's."""
        return instruments_request()

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request for the list that follows one."""
        return next_page(request)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer: by the venue's code where it gives one, else by the status."""
        own = None if status >= 500 else refusal(status, body)
        return own or super().refusal(status, headers, body)

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request:
        """Return the request for up to 100 trades from an id on, of the last three months."""
        return trades_request(symbol, from_sequence)

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a frame by the channel that it begins with."""
        return shape(payload)

    def may_have_changed(self, payload: bytes) -> tuple[str, ...]:
        """Return nothing: no channel tells changes of what was said before, but for books, which are not merged here."""
        return ()

    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame; memory holds what contracts hold, and what was told last of funding and ratios."""
        return read(frame, memory)
