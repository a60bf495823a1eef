"""Coinbase Exchange's websocket on loopback.

Sources: https://docs.cdp.coinbase.com/exchange/websocket-feed/overview and …/websocket-feed/channels; the live feed confirms
`level2_batch` as `level2_50`, and refuses with `Failed to subscribe` and a reason that names the channel or the product, the whole request.
`level2`, `level3` and `full` want a signature, which nobody has here: they are refused in the venue's words.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing, Step, Trade
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.venues.coinbase.clock import timestamp
from simulator.venues.coinbase.instruments import pair
from simulator.venues.coinbase_exchange.frames import Writer
from simulator.venues.coinbase_exchange.rest import ExchangeRest, product
from simulator.wire import Connection, Message

CHANNELS = ("matches", "level2_batch", "ticker", "heartbeat", "status")
SIGNED = {"level2", "level3", "full"}
WANTS_SIGNATURE = (
    "level2, level3, and full channels now require authentication. https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)
CONFIRMED_AS = {"level2_batch": "level2_50"}
STATUS_US = 5_000_000


class CoinbaseExchange(Venue):
    """The simulated Exchange."""

    name: ClassVar[str] = "coinbase_exchange"
    websocket_path: ClassVar[str] = "/feed"

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the pair."""
        return (pair(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count a `match` for each fill, `l2update`, and `ticker` where something traded."""
        return len(step.trades) + bool(step.changes) + bool(step.trades)

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = ExchangeRest(self.name, surroundings)
        super().__init__(surroundings)
        self._heartbeat_seconds = surroundings.heartbeat_seconds
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._sequences: dict[str, int] = defaultdict(int)
        """Messages of each pair that `full` would count."""
        self._quoted: dict[str, tuple[int, int, int, int]] = {}
        """The quote that a pair's last ticker told."""
        self._status_end = 0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websocket's path and those of the REST host."""
        router.add_get(self.websocket_path, self._open)
        self._rest.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Each fill in a message of its own, then the book, then the ticker."""
        symbol, wire = step.listing.instrument.symbol, step.listing.instrument.wire_symbol
        writer = self._writers[symbol]
        self.made += self.frames_at_once(step)
        hearers = self.subscribers(f"matches {wire}")
        for trade in step.trades:
            self._sequences[symbol] += 1
            if hearers is not None:
                self.deliver(writer.match(trade, self._sequences[symbol], step.time_us), hearers)
        self._sequences[symbol] += 2 * len(step.changes)
        hearers = self.subscribers(f"level2_batch {wire}")
        if hearers is not None and step.changes:
            self.deliver(writer.update(step.changes, step.time_us), hearers)
        if step.trades:
            self._tick(step.listing, step.time_us)

    def _tick(self, listing: Listing, time_us: int) -> None:
        symbol = listing.instrument.symbol
        self._quoted[symbol] = listing.book.quote()
        hearers = self.subscribers(f"ticker {listing.instrument.wire_symbol}")
        if hearers is not None:
            self.deliver(self._ticker(listing, time_us), hearers)

    def _ticker(self, listing: Listing, time_us: int) -> Message:
        symbol = listing.instrument.symbol
        return self._writers[symbol].ticker(listing.book, self._last(symbol), self._sequences[symbol], time_us)

    def _last(self, symbol: str) -> Trade | None:
        trades = self.truth.tape(self.name, symbol).trades(limit=1)
        return trades[0] if trades else None

    def on_time(self, time_us: int) -> None:
        """Tell all products every five seconds."""
        if time_us >= self._status_end:
            self._status_end = time_us + STATUS_US
            for connection in self.subscribers("status ") or ():
                connection.say(self._status())

    def _status(self) -> str:
        products: list[dict[str, Any]] = [product(listing.instrument) for listing in self.listings.values()]
        return json.dumps({"type": "status", "products": products, "currencies": []}, separators=(",", ":"))

    def finish(self) -> None:
        """Tell what the next trade would: the best quote of each pair where it has moved."""
        for symbol, listing in self.listings.items():
            if self._quoted.get(symbol) != listing.book.quote():
                self._tick(listing, self.market.time_us)

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented type."""
        return self._writers[message.symbol].stranger(message)

    def limited(self, fault: Fault) -> web.Response:
        """Return the venue's refusal."""
        return self._rest.limited(fault)

    def announce_shutdown(self) -> None:
        """Announce nothing: no message of the venue does."""

    def greet(self, connection: Connection) -> None:
        """Say nothing: the venue does not speak first."""

    async def beat(self) -> None:
        """Send a heartbeat a second for each pair to whoever asked for it; runs until cancelled."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            for wire, listing in self._by_wire.items():
                for connection in self.subscribers(f"heartbeat {wire}") or ():
                    connection.say(self._heartbeat(listing))

    def _heartbeat(self, listing: Listing) -> str:
        symbol = listing.instrument.symbol
        last = self._last(symbol)
        return (
            f'{{"type":"heartbeat","sequence":{self._sequences[symbol]},"last_trade_id":{0 if last is None else last.trade_id},'
            f'"product_id":"{listing.instrument.wire_symbol}","time":"{timestamp(self.market.time_us)}"}}'
        )

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, 0, [])

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request: with all that is subscribed then, or with an error."""
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        kind = asked.get("type") if isinstance(asked, dict) else None
        channels = asked.get("channels") if isinstance(asked, dict) else None
        if kind not in {"subscribe", "unsubscribe"} or not isinstance(channels, list):
            self._error(connection, "malformed JSON")
            return
        named = [
            (one, asked.get("product_ids", [])) if isinstance(one, str) else (one.get("name"), one.get("product_ids", []))
            for one in channels
        ]
        for channel, products in named:
            wrong = self._mistake(channel, products)
            if wrong:
                self._error(connection, wrong)
                return
        streams = [f"{channel} {wire}" for channel, products in named for wire in ([""] if channel == "status" else products)]
        for stream in streams:
            if kind == "unsubscribe":
                self.unsubscribe(connection, stream)
            elif stream not in connection.streams:
                self.subscribe(connection, stream)
                self._whole(connection, stream)
        connection.say(json.dumps({"type": "subscriptions", "channels": self._all(connection)}, separators=(",", ":")))

    def _mistake(self, channel: Any, products: Any) -> str:
        if channel in SIGNED:
            return WANTS_SIGNATURE
        if channel not in CHANNELS:
            return f"{channel} is not a valid channel"
        return next((f"{one} is not a valid product" for one in products if one not in self._by_wire), "")

    def _error(self, connection: Connection, reason: str) -> None:
        connection.say(json.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason}, separators=(",", ":")))

    def _all(self, connection: Connection) -> list[dict[str, Any]]:
        found: dict[str, list[str]] = {}
        for stream in connection.streams:
            channel, _, wire = stream.partition(" ")
            found.setdefault(CONFIRMED_AS.get(channel, channel), []).extend([wire] if wire else [])
        return [{"name": name, "product_ids": products, "account_ids": None} for name, products in found.items()]

    def _whole(self, connection: Connection, stream: str) -> None:
        """Send what a stream begins with: the last match, the book, a ticker, all products."""
        channel, _, wire = stream.partition(" ")
        if channel == "status":
            connection.say(self._status())
            return
        listing, time_us = self._by_wire[wire], self.market.time_us
        symbol = listing.instrument.symbol
        writer, last = self._writers[symbol], self._last(symbol)
        if channel == "matches" and last is not None:
            self.deliver(writer.match(last, self._sequences[symbol], time_us, last=True), [connection])
        elif channel == "level2_batch":
            self.deliver(writer.snapshot(listing.book, time_us), [connection])
        elif channel == "ticker":
            self.deliver(self._ticker(listing, time_us), [connection])
