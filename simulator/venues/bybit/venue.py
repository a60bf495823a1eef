"""Bybit v5 on loopback: spot, linear and inverse, each on an address of its own.

Sources: https://bybit-exchange.github.io/docs/v5/ws/connect and https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook; the
words with which topics are refused (`error:handler not found,topic:…`, `error:already subscribed,topic:…`, `args size >10`) are the
live ones'. One wrong topic refuses its whole request. Contracts send the snapshots before the answer, spot after it.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing, Step
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.venues.bybit.books import Window
from simulator.venues.bybit.frames import Liquidation, Writer
from simulator.venues.bybit.instruments import inverse, linear, spot
from simulator.venues.bybit.rest import BybitRest
from simulator.venues.bybit.tickers import Ticker
from simulator.wire import Connection, Message

DEPTHS = (1, 50, 200, 1000)
TICKER_US, LIQUIDATIONS_US, AGAIN_US = 100_000, 500_000, 3_000_000
"""Windows of market time: of tickers, of liquidations, and after which level 1 of contracts is pushed again."""
RESTARTED = 1
"""The update id of the first snapshot after a restart of the service."""
BEYOND = 5
"""Ticks from the last price of a sweep to where the position was bankrupt."""


class Bybit(Venue):
    """What the three markets have in common."""

    category: ClassVar[str] = ""
    instrument_of: ClassVar[Callable[[str, str], Instrument]]
    most_args: ClassVar[int] = 2**31
    keys_of: ClassVar[str] = "bybit"

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the market's instrument of a base."""
        return (cls.instrument_of(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `publicTrade`, a book and level 1."""
        return bool(step.trades) + bool(step.changes) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = BybitRest(self.name, self.category, surroundings)
        super().__init__(surroundings)
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._windows: dict[str, dict[int, Window]] = {symbol: {} for symbol in self.listings}
        self._tickers = {symbol: Ticker(listing) for symbol, listing in self.listings.items()}
        self._pushed_at: dict[str, int] = defaultdict(int)
        """When level 1 of a symbol was last pushed; market time."""
        self._liquidated: dict[str, list[Liquidation]] = defaultdict(list)
        self._tickers_end = self._liquidations_end = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websocket's path and those of the REST host."""
        router.add_get(self.websocket_path, self._open)
        self._rest.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Trades of one order in one message, then the books of every depth that was ever subscribed; level 1 whole."""
        symbol, wire = step.listing.instrument.symbol, step.listing.instrument.wire_symbol
        writer, sequence = self._writers[symbol], step.listing.book.update_id
        self.made += self.frames_at_once(step)
        if step.trades:
            self._tickers[symbol].note(step)
            self._note_sweep(step)
            hearers = self.subscribers(f"publicTrade.{wire}")
            if hearers is not None:
                self.deliver(writer.trades(step.trades, sequence, step.time_us), hearers)
            self._push_spot_ticker(step)
        for depth, window in self._windows[symbol].items():
            bids, asks = window.advance()
            hearers = self.subscribers(f"orderbook.{depth}.{wire}") if bids or asks else None
            if hearers is None:
                continue
            if depth == 1:
                self._push_book(step.listing, window, hearers, step.time_us)
            else:
                self.deliver(writer.book(depth, window.update_id, (bids, asks), sequence, step.time_us, snapshot=False), hearers)

    def on_time(self, time_us: int) -> None:
        """Close the windows that have ended."""
        if time_us >= self._tickers_end:
            self._tickers_end = time_us // TICKER_US * TICKER_US + TICKER_US
            self._push_tickers(time_us)
            self._push_quotes_again(time_us)
        if time_us >= self._liquidations_end:
            self._liquidations_end = time_us // LIQUIDATIONS_US * LIQUIDATIONS_US + LIQUIDATIONS_US
            self._push_liquidations(time_us)

    def finish(self) -> None:
        """Close the windows early."""
        self._push_tickers(self.market.time_us)
        self._push_liquidations(self.market.time_us)

    def _push_book(self, listing: Listing, window: Window, hearers: list[Connection], time_us: int) -> None:
        """Send the whole of a depth."""
        symbol, sides = listing.instrument.symbol, (list(window.bids().items()), list(window.asks().items()))
        message = self._writers[symbol].book(window.depth, window.update_id, sides, listing.book.update_id, time_us, snapshot=True)
        if window.depth == 1:
            self._pushed_at[symbol] = time_us
        self.deliver(message, hearers)

    def _push_quotes_again(self, time_us: int) -> None:
        """Send level 1 of contracts again, under the same id, where nothing has changed for three seconds."""
        for symbol, listing in self.listings.items():
            due = self.category != "spot" and time_us - self._pushed_at[symbol] >= AGAIN_US
            hearers = self.subscribers(f"orderbook.1.{listing.instrument.wire_symbol}") if due else None
            if hearers is not None:
                self._push_book(listing, self._windows[symbol][1], hearers, time_us)

    def _push_tickers(self, time_us: int) -> None:
        """Send what has changed of each contract's ticker."""
        for symbol, listing in self.listings.items():
            hearers = self.subscribers(f"tickers.{listing.instrument.wire_symbol}") if self.category != "spot" else None
            if hearers is None:
                continue
            ticker = self._tickers[symbol]
            changes = ticker.changes(ticker.contract(time_us))
            if changes:
                self.deliver(self._writers[symbol].ticker(changes, listing.book.update_id, time_us, snapshot=False), hearers)

    def _push_spot_ticker(self, step: Step) -> None:
        instrument = step.listing.instrument
        hearers = self.subscribers(f"tickers.{instrument.wire_symbol}") if self.category == "spot" else None
        if hearers is not None:
            fields = self._tickers[instrument.symbol].spot()
            sequence = step.listing.book.update_id
            self.deliver(self._writers[instrument.symbol].ticker(fields, sequence, step.time_us, snapshot=True), hearers)

    def _note_sweep(self, step: Step) -> None:
        """Take an order that ran through several levels for a liquidation."""
        if self.category != "spot" and len(step.trades) > 1:
            last = step.trades[-1]
            price = last.price + (BEYOND if last.taker_buys else -BEYOND)
            size = sum(trade.size for trade in step.trades)
            self._liquidated[step.listing.instrument.symbol].append(Liquidation(step.time_us, last.taker_buys, max(price, 1), size))

    def _push_liquidations(self, time_us: int) -> None:
        for symbol, found in self._liquidated.items():
            hearers = self.subscribers(f"allLiquidation.{self.listings[symbol].instrument.wire_symbol}")
            if hearers is not None:
                self.deliver(self._writers[symbol].liquidations(found, time_us), hearers)
        self._liquidated.clear()

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented topic."""
        return self._writers[message.symbol].stranger(message)

    def limited(self, fault: Fault) -> web.Response:
        """Return Bybit's refusal."""
        return self._rest.limited(fault)

    def announce_shutdown(self) -> None:
        """Restart the service: Bybit announces nothing on these sockets, every book is sent whole again under update id 1."""
        for symbol, listing in self.listings.items():
            for depth, window in self._windows[symbol].items():
                window.update_id = RESTARTED
                hearers = self.subscribers(f"orderbook.{depth}.{listing.instrument.wire_symbol}")
                if hearers is not None:
                    self._push_book(listing, window, hearers, self.market.time_us)
        self.flush()

    def greet(self, connection: Connection) -> None:
        """Say nothing: Bybit does not speak first."""

    async def beat(self) -> None:
        """Send nothing: clients ping; runs until cancelled."""
        await asyncio.get_running_loop().create_future()

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, 0, [])

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request."""
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            self._answer(connection, "", None, success=False, words="Failed to decode incoming data")
            return
        operation, number = asked.get("op"), asked.get("req_id")
        topics = asked.get("args")
        if operation == "ping":
            self._answer(connection, "ping", number, success=True, words="pong")
        elif operation not in {"subscribe", "unsubscribe"}:
            self._answer(connection, str(operation), number, success=False, words="error:invalid op")
        elif not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
            self._answer(connection, operation, number, success=False, words="error:invalid args")
        elif operation == "unsubscribe":
            for topic in topics:
                self.unsubscribe(connection, topic)
            self._answer(connection, operation, number, success=True, words="")
        else:
            self._subscribe_all(connection, topics, number)

    def _subscribe_all(self, connection: Connection, topics: list[str], number: Any) -> None:
        wrong = self._mistake(connection, topics)
        if wrong is not None:
            self._answer(connection, "subscribe", number, success=False, words=wrong)
            return
        for topic in topics:
            self.subscribe(connection, topic)
        if self.category == "spot":
            self._answer(connection, "subscribe", number, success=True, words="subscribe")
        for topic in topics:
            self._say_whole(connection, topic)
        if self.category != "spot":
            self._answer(connection, "subscribe", number, success=True, words="")
        connection.flush()

    def _answer(self, connection: Connection, operation: str, number: Any, *, success: bool, words: str) -> None:
        answer: dict[str, Any] = {"success": success, "ret_msg": words, "conn_id": f"{connection.number:08x}-0b33-4cb4-90a1-ac45c8086cae"}
        if number is not None or self.category != "spot":
            answer["req_id"] = number or ""
        connection.say(json.dumps(answer | {"op": operation}, separators=(",", ":")))

    def _mistake(self, connection: Connection, topics: list[str]) -> str | None:
        if len(topics) > self.most_args:
            return f"args size >{self.most_args}"
        for topic in topics:
            if not self._is_topic(topic):
                return f"error:handler not found,topic:{topic}"
            if topic in connection.streams:
                return f"error:already subscribed,topic:{topic}"
        return None

    def _is_topic(self, topic: str) -> bool:
        channel, _, symbol = topic.rpartition(".")
        channels = {"publicTrade", "tickers", *(f"orderbook.{depth}" for depth in DEPTHS)}
        return symbol in self._by_wire and (channel in channels or (channel == "allLiquidation" and self.category != "spot"))

    def _say_whole(self, connection: Connection, topic: str) -> None:
        """Send what a topic begins with: a book, a ticker; trades and liquidations begin with the next."""
        channel, _, wire = topic.rpartition(".")
        listing, time_us = self._by_wire[wire], self.market.time_us
        symbol = listing.instrument.symbol
        if channel == "tickers":
            ticker = self._tickers[symbol]
            if self.category != "spot" and not (ticker.published and len(self.subscribers(topic) or ()) > 1):
                ticker.published = ticker.contract(time_us)
            fields = ticker.spot() if self.category == "spot" else ticker.published
            self.deliver(self._writers[symbol].ticker(fields, listing.book.update_id, time_us, snapshot=True), [connection])
        elif channel.startswith("orderbook."):
            depth = int(channel.partition(".")[2])
            window = self._windows[symbol].setdefault(depth, Window(listing.book, depth))
            self._push_book(listing, window, [connection], time_us)


class BybitSpot(Bybit):
    """The simulated spot market."""

    name: ClassVar[str] = "bybit_spot"
    category: ClassVar[str] = "spot"
    websocket_path: ClassVar[str] = "/v5/public/spot"
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(spot)
    most_args: ClassVar[int] = 10


class BybitLinear(Bybit):
    """The simulated market of contracts settled in USDT."""

    name: ClassVar[str] = "bybit_linear"
    category: ClassVar[str] = "linear"
    websocket_path: ClassVar[str] = "/v5/public/linear"
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(linear)


class BybitInverse(Bybit):
    """The simulated market of contracts of one US dollar."""

    name: ClassVar[str] = "bybit_inverse"
    category: ClassVar[str] = "inverse"
    websocket_path: ClassVar[str] = "/v5/public/inverse"
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(inverse)
