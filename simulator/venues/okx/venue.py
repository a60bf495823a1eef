"""OKX v5 on loopback: two addresses, for public data and for what it calls business.

Sources: https://www.okx.com/docs-v5/en/#overview-websocket-connect, https://www.okx.com/docs-v5/en/#overview-websocket-subscribe,
https://www.okx.com/docs-v5/en/#error-code-websocket-public. Each argument of a request is confirmed or refused by itself. Best quotes are
pushed at once here, for the venue at most every 10 ms; nobody is cut off for saying nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Step
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.venues.okx.books import Window
from simulator.venues.okx.frames import Writer
from simulator.venues.okx.instruments import listed, product
from simulator.venues.okx.others import Others
from simulator.venues.okx.rest import OkxRest
from simulator.wire import Connection, Message

PUBLIC, BUSINESS = 0, 1
DEPTH = 400
BOOK_US, QUIET_US = 100_000, 60_000_000
"""The window of `books`, and after which quiet time a book and a quote say that they still live."""
OF_BUSINESS = {"trades-all", "public-block-trades"}
TRADES_PER_BLOCK = 20
CHANNELS: dict[str, set[str]] = {
    "trades-all": {"SPOT", "SWAP", "FUTURES"},
    "public-block-trades": {"SPOT", "SWAP", "FUTURES"},
    "books": {"SPOT", "SWAP", "FUTURES"},
    "bbo-tbt": {"SPOT", "SWAP", "FUTURES"},
    "index-tickers": {"SPOT"},
    "mark-price": {"SWAP", "FUTURES"},
    "open-interest": {"SWAP", "FUTURES"},
    "estimated-price": {"FUTURES"},
    "funding-rate": {"SWAP"},
}
"""Channels that are asked for by instrument, and which instruments have them."""
UPGRADE = {"event": "notice", "code": "64008", "msg": "The connection will soon be closed for a service upgrade. Please reconnect."}


class Okx(Venue):
    """The simulated OKX."""

    name: ClassVar[str] = "okx"
    websocket_path: ClassVar[str] = "/ws/v5"
    windows_per_second: ClassVar[float] = 1_000_000 / BOOK_US

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return a pair of spot, two perpetuals and a future."""
        return listed(cls.name, base)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `trades-all` and `bbo-tbt`."""
        return len(step.trades) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = OkxRest(self.name, surroundings)
        super().__init__(surroundings)
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._windows: dict[str, Window] = {}
        self._quoted_at: dict[str, int] = {}
        self._book_end = 0
        self._others = Others(self)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websocket's paths and those of the REST host."""
        router.add_get(f"{self.websocket_path}/public", self._open_public)
        router.add_get(f"{self.websocket_path}/business", self._open_business)
        self._rest.add_routes(router)

    def writer(self, symbol: str) -> Writer:
        """Return what writes the messages of a symbol."""
        return self._writers[symbol]

    def on_step(self, step: Step) -> None:
        """Trades one by one and the best quote at once; books wait for their window."""
        instrument = step.listing.instrument
        writer = self._writers[instrument.symbol]
        self.made += self.frames_at_once(step)
        self._others.note(step)
        hearers = self.subscribers(f"trades-all {instrument.wire_symbol}") if step.trades else None
        if hearers is not None:
            for trade in step.trades:
                self.deliver(writer.trade(trade), hearers)
        hearers = self.subscribers(f"public-block-trades {instrument.wire_symbol}") if step.trades else None
        if hearers is not None and step.trades[0].trade_id % TRADES_PER_BLOCK < len(step.trades):
            self.deliver(writer.block(step.trades[0]), hearers)
        if step.quote_changed:
            self._push_quote(instrument, step.time_us)

    def on_time(self, time_us: int) -> None:
        """Close the windows that have ended."""
        if time_us >= self._book_end:
            self._book_end = time_us // BOOK_US * BOOK_US + BOOK_US
            self._push_books(time_us)
            self._others.push(time_us)

    def finish(self) -> None:
        """Close the windows early."""
        self._push_books(self.market.time_us)
        self._others.push(self.market.time_us)

    def _push_books(self, time_us: int) -> None:
        """Send what has changed of each book, and that it lives where nothing has for a minute."""
        for symbol, window in self._windows.items():
            instrument = self.listings[symbol].instrument
            hearers = self.subscribers(f"books {instrument.wire_symbol}")
            told = window.advance(time_us)
            if told is not None:
                self.made += 1
                if hearers is not None:
                    self.deliver(self._writers[symbol].book(told[:2], window.sequence, told[2], time_us), hearers)
            elif time_us - window.told_at >= QUIET_US:
                window.told_at = time_us
                if hearers is not None:
                    self.deliver(self._writers[symbol].book(([], []), window.sequence, window.sequence, time_us), hearers)
        for symbol, told_at in list(self._quoted_at.items()):
            if time_us - told_at >= QUIET_US:
                self._push_quote(self.listings[symbol].instrument, time_us)

    def _push_quote(self, instrument: Instrument, time_us: int, to: list[Connection] | None = None) -> None:
        hearers = to or self.subscribers(f"bbo-tbt {instrument.wire_symbol}")
        if hearers is not None:
            book = self.listings[instrument.symbol].book
            self._quoted_at[instrument.symbol] = time_us
            self.deliver(self._writers[instrument.symbol].quote(book.quote(), book.update_id, time_us), hearers)

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented channel."""
        return self._writers[message.symbol].stranger(message)

    def limited(self, fault: Fault) -> web.Response:
        """Return OKX's refusal."""
        return self._rest.limited(fault)

    def announce_shutdown(self) -> None:
        """Send the notice that comes a minute before a connection is closed."""
        for connection in self.connections.values():
            connection.say(json.dumps(UPGRADE | {"connId": self._id(connection)}, separators=(",", ":")))

    def greet(self, connection: Connection) -> None:
        """Say nothing: OKX does not speak first."""

    async def beat(self) -> None:
        """Send nothing: clients ping; runs until cancelled."""
        await asyncio.get_running_loop().create_future()

    async def _open_public(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, PUBLIC, [])

    async def _open_business(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, BUSINESS, [])

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request."""
        if text == "ping":
            connection.say("pong")
            return
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        wanted = asked.get("args") if isinstance(asked, dict) else None
        operation = asked.get("op") if isinstance(asked, dict) else None
        if (
            operation not in {"subscribe", "unsubscribe"}
            or not isinstance(wanted, list)
            or not all(isinstance(one, dict) for one in wanted)
        ):
            number = asked.get("id") if isinstance(asked, dict) else None
            self._refuse(connection, number, "60012", f"Invalid request: {text[:200]}")
            return
        for argument in wanted:
            self._answer(connection, operation, asked.get("id"), {str(name): str(value) for name, value in argument.items()})
        connection.flush()

    def _answer(self, connection: Connection, operation: str, number: Any, argument: dict[str, str]) -> None:
        stream = " ".join(
            [argument.get("channel", ""), *(argument[name] for name in ("instType", "instFamily", "instId") if name in argument)]
        )
        if not self._is_known(connection, argument):
            named = ",".join(f"{name}:{value}" for name, value in argument.items())
            self._refuse(
                connection, number, "60018", f"Wrong URL or {named} doesn't exist. Please use the correct URL, channel and parameters."
            )
            return
        head = {} if number is None else {"id": number}
        connection.say(json.dumps(head | {"event": operation, "arg": argument, "connId": self._id(connection)}, separators=(",", ":")))
        if operation == "unsubscribe":
            self.unsubscribe(connection, stream)
            return
        self.subscribe(connection, stream)
        self._say_first(connection, argument)

    def _refuse(self, connection: Connection, number: Any, code: str, words: str) -> None:
        head = {} if number is None else {"id": number}
        answer = head | {"event": "error", "code": code, "msg": words, "connId": self._id(connection)}
        connection.say(json.dumps(answer, separators=(",", ":")))

    def _id(self, connection: Connection) -> str:
        return f"{connection.number:08x}"

    def _is_known(self, connection: Connection, argument: dict[str, str]) -> bool:
        channel = argument.get("channel", "")
        if (channel in OF_BUSINESS) != (connection.variant == BUSINESS):
            return False
        listing = self._by_wire.get(argument.get("instId", ""))
        if channel in CHANNELS:
            kind = "" if listing is None else product(listing.instrument)
            return kind in CHANNELS[channel] and (channel == "estimated-price") == ("instType" in argument)
        return self._others.is_known(argument)

    def _say_first(self, connection: Connection, argument: dict[str, str]) -> None:
        """Send what a channel begins with."""
        channel, time_us = argument["channel"], self.market.time_us
        if channel in OF_BUSINESS:
            return
        if channel not in {"books", "bbo-tbt"}:
            self._others.say_first(connection, argument)
            return
        listing = self._by_wire[argument["instId"]]
        symbol = listing.instrument.symbol
        if channel == "bbo-tbt":
            self._push_quote(listing.instrument, time_us, [connection])
            return
        window = self._windows.get(symbol)
        if window is None:
            window = self._windows[symbol] = Window(listing.book, DEPTH, time_us)
        self.deliver(self._writers[symbol].book(window.whole, window.sequence, -1, time_us), [connection])
