"""Advanced Trade's websocket on loopback.

Sources: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview (one channel in a message; each request
is answered with all that is subscribed) and …/websocket-channels. Trades are batched, a ticker comes when a trade is made, candles of five
minutes every second. What the venue says to a product that it does not list is not documented: an error here, and the others go on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import ClassVar

from aiohttp import web

from simulator.candles import candles
from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing, Step, Trade
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.venues.coinbase.frames import Writer, envelope
from simulator.venues.coinbase.instruments import contract, pair
from simulator.venues.coinbase.numbering import Numbering
from simulator.venues.coinbase.rest import CoinbaseRest
from simulator.wire import Connection, Message

CHANNELS = ("market_trades", "level2", "ticker", "candles", "status", "heartbeats")
SNAPSHOT_TRADES = 100
CANDLES_US, STATUS_US = 1_000_000, 5_000_000
FIVE_MINUTES_NS = 300 * 10**9


class AdvancedTrade(Venue):
    """What both have in common."""

    instrument_of: ClassVar[Callable[[str, str], Instrument]]
    websocket_path: ClassVar[str] = "/advanced"
    keys_of: ClassVar[str] = "coinbase"

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the pair of a base, or its contract."""
        return (cls.instrument_of(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `l2_data`, and `market_trades` and `ticker` where something traded."""
        return bool(step.changes) + 2 * bool(step.trades)

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = CoinbaseRest(self.name, surroundings)
        self._numbering = Numbering()
        super().__init__(surroundings)
        self._heartbeat_seconds = surroundings.heartbeat_seconds
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._last = {symbol: listing.instrument.first_price for symbol, listing in self.listings.items()}
        self._quoted: dict[str, tuple[int, int, int, int]] = {}
        """The quote that a pair's last ticker told."""
        self._beats = 0
        self._candles_end = self._status_end = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websocket's path and those of the REST host."""
        router.add_get(self.websocket_path, self._open)
        self._rest.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Trades of one order in one message, then the book, then the ticker."""
        symbol, wire = step.listing.instrument.symbol, step.listing.instrument.wire_symbol
        writer = self._writers[symbol]
        self.made += self.frames_at_once(step)
        if step.trades:
            self._last[symbol] = step.trades[-1].price
            self._tell(f"market_trades {wire}", lambda: writer.trades(step.trades, step.time_us, snapshot=False))
        if step.changes:
            levels = [(change.bid, change.price, change.size) for change in step.changes]
            ids = (step.changes[0].update_id, step.changes[-1].update_id)
            self._tell(f"level2 {wire}", lambda: writer.book(levels, ids, step.time_us, snapshot=False))
        if step.trades:
            self._tick(step.listing, step.time_us)

    def _tell(self, stream: str, make: Callable[[], Message]) -> None:
        hearers = self.subscribers(stream)
        if hearers is not None:
            self.deliver(make(), hearers)

    def _tick(self, listing: Listing, time_us: int) -> None:
        symbol = listing.instrument.symbol
        self._quoted[symbol] = listing.book.quote()
        message = self._writers[symbol].ticker
        self._tell(f"ticker {listing.instrument.wire_symbol}", lambda: message(listing.book, self._last[symbol], time_us, snapshot=False))

    def deliver(self, message: Message, connections: list[Connection]) -> None:
        """Send a message under its number on each connection; a fault may take it away, but not its number."""
        super().deliver(self._numbering.numbered(message, connections), connections)

    def forget(self, connection: Connection) -> None:
        """Take a connection that has ended out of every list."""
        super().forget(connection)
        self._numbering.forget(connection)

    def on_time(self, time_us: int) -> None:
        """Tell candles every second, and the state of each pair every five."""
        if time_us >= self._candles_end:
            self._candles_end = time_us + CANDLES_US
            self._tell_candles(time_us)
        if time_us >= self._status_end:
            self._status_end = time_us + STATUS_US
            for wire, listing in self._by_wire.items():
                self._tell(f"status {wire}", lambda at=listing: self._status(at, snapshot=False))  # type: ignore[misc]  # bound now

    def _status(self, listing: Listing, *, snapshot: bool) -> Message:
        return self._writers[listing.instrument.symbol].status(self.market.time_us, snapshot=snapshot)

    def _tell_candles(self, time_us: int) -> None:
        for wire, listing in self._by_wire.items():
            message = self._candles(listing, time_us, snapshot=False) if self.subscribers(f"candles {wire}") else None
            if message is not None:
                self._tell(f"candles {wire}", lambda made=message: made)  # type: ignore[misc]  # bound now

    def _candles(self, listing: Listing, time_us: int, *, snapshot: bool) -> Message | None:
        """Return the candle that grows now; None where nothing traded in it."""
        tape = self.truth.tape(self.name, listing.instrument.symbol)
        begun = time_us * 1000 // FIVE_MINUTES_NS * FIVE_MINUTES_NS
        found = candles(listing.instrument, tape.trades(tape.first_id_after(begun - 1)), "5m")
        return self._writers[listing.instrument.symbol].candles(found, time_us, snapshot=snapshot) if found else None

    def finish(self) -> None:
        """Tell what the next trade would: the best quote of each pair where it has moved, and its candle."""
        for symbol, listing in self.listings.items():
            if self._quoted.get(symbol) != listing.book.quote():
                self._tick(listing, self.market.time_us)
        self._tell_candles(self.market.time_us)

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented channel, with the number of the one it comes before."""
        render = self._numbering.before(self._writers[message.symbol].stranger(message.time_us))
        return Message(message.symbol, "something_new", 0, 0, message.time_us, render)

    def limited(self, fault: Fault) -> web.Response:
        """Return the venue's refusal."""
        return self._rest.limited(fault)

    def announce_shutdown(self) -> None:
        """Announce nothing: no message of the venue does."""

    def greet(self, connection: Connection) -> None:
        """Say nothing, and let each connection have a text of its own, for its numbers."""
        connection.variant = connection.number

    async def beat(self) -> None:
        """Send a heartbeat a second to whoever asked for them; runs until cancelled."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            self._beats += 1
            for connection in self.subscribers("heartbeats") or ():
                self._say(connection, "heartbeats", f'{{"current_time":"{self.clock():.6f}","heartbeat_counter":{self._beats}}}')

    def _say(self, connection: Connection, channel: str, events: str) -> None:
        connection.say(envelope(channel, self._numbering.take(connection), self.market.time_us, events))

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, 0, [])

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request: with all that is subscribed then, or with an error."""
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        kind, channel = (asked.get("type"), asked.get("channel")) if isinstance(asked, dict) else (None, None)
        products = asked.get("product_ids", []) if isinstance(asked, dict) else None
        if kind not in {"subscribe", "unsubscribe"} or channel not in CHANNELS or not isinstance(products, list):
            self._error(connection, f"{channel} is not a valid channel" if kind == "subscribe" else "malformed message")
            return
        wrong = [product for product in products if product not in self._by_wire]
        if wrong and channel != "heartbeats":
            self._error(connection, f"{wrong[0]} is not a valid product")
            return
        streams = ["heartbeats"] if channel == "heartbeats" else [f"{channel} {product}" for product in products]
        for stream in streams:
            if kind == "unsubscribe":
                self.unsubscribe(connection, stream)
            else:
                self.subscribe(connection, stream)
                self._whole(connection, stream)
        self._say(connection, "subscriptions", json.dumps({"subscriptions": self._all(connection)}, separators=(",", ":")))

    def _error(self, connection: Connection, reason: str) -> None:
        connection.say(json.dumps({"type": "error", "message": "failed to subscribe", "reason": reason}, separators=(",", ":")))

    def _all(self, connection: Connection) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stream in connection.streams:
            channel, _, product = stream.partition(" ")
            found.setdefault(channel, []).append(product or channel)
        return found

    def _whole(self, connection: Connection, stream: str) -> None:
        """Send what a stream begins with."""
        channel, _, wire = stream.partition(" ")
        if channel == "heartbeats":
            return
        listing, time_us = self._by_wire[wire], self.market.time_us
        symbol, book = listing.instrument.symbol, listing.book
        writer, message = self._writers[symbol], None
        if channel == "market_trades":
            trades: list[Trade] = self.truth.tape(self.name, symbol).trades(limit=SNAPSHOT_TRADES)
            message = writer.trades(trades, time_us, snapshot=True)
        elif channel == "level2":
            sides = ((True, book.bids), (False, book.asks))
            levels = [(bid, price, size) for bid, side in sides for price, size in side.top(len(side.keys))]
            message = writer.book(levels, (book.update_id, book.update_id), time_us, snapshot=True)
        elif channel == "ticker":
            message = writer.ticker(book, self._last[symbol], time_us, snapshot=True)
        elif channel == "status":
            message = self._status(listing, snapshot=True)
        else:
            message = self._candles(listing, time_us, snapshot=True)
        if message is not None:
            self.deliver(message, [connection])


class Coinbase(AdvancedTrade):
    """The simulated spot market."""

    name: ClassVar[str] = "coinbase"
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(pair)


class CoinbaseDerivatives(AdvancedTrade):
    """The simulated market of contracts."""

    name: ClassVar[str] = "coinbase_derivatives"
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(contract)
