"""Kraken's websocket v2 on loopback.

Sources: docs.kraken.com, exchange/api-reference/spot-websocket-v2, and texts of the live feed for what it refuses
(`Currency pair not supported`, `Subscription depth not supported`, `Already subscribed`, `Subscription Not Found`).
`level3` has a path of its own, wants a token (kraken_tokens.py), and takes one depth for each symbol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import WSCloseCode, web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Step
from simulator.surroundings import Surroundings
from simulator.truth import OrderChange
from simulator.venue import Venue
from simulator.venues.kraken.book import ChecksumCache, DepthWindow
from simulator.venues.kraken.frames import Day, Writer, envelope, timestamp
from simulator.venues.kraken.instruments import QUOTE, spot
from simulator.venues.kraken.level3 import CHANNEL as LEVEL3
from simulator.venues.kraken.level3 import Orders
from simulator.venues.kraken.orders import DEPTHS as ORDER_DEPTHS
from simulator.venues.kraken.rest import KrakenRest
from simulator.venues.kraken.tokens import Tokens
from simulator.wire import Connection, Message

DEPTHS = (10, 25, 100, 500, 1000)
SNAPSHOT_TRADES = 50
CHANNELS = ("book", "instrument", "ticker", "trade")
TRIGGERS = ("bbo", "trades")
PUBLIC, AUTHENTICATED = 0, 1
"""Variants of a connection: by path, each with channels of its own."""
KEY_SECONDS = 0.1
"""How often connections are looked through for keys that have ended."""
CONNECTION_ID = 13_834_774_380_200_032_777
"""The first connection's id: beyond 2**53, as the live ones are."""


class Kraken(Venue):
    """The simulated Kraken."""

    name: ClassVar[str] = "kraken"
    websocket_path: ClassVar[str] = "/v2"
    authenticated_path: ClassVar[str] = "/l3/v2"

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the spot pair."""
        return (spot(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `trade`, `book` and `ticker` (bbo); no single orders."""
        return bool(step.trades) + bool(step.changes) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = KrakenRest(self.name, surroundings)
        self._tokens = Tokens(surroundings.accounts, surroundings.truth.market.settings.seed)
        super().__init__(surroundings)
        self._heartbeat_seconds = surroundings.heartbeat_seconds
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._windows: dict[str, dict[int, DepthWindow]] = {symbol: {} for symbol in self.listings}
        self._checksums = {symbol: ChecksumCache(listing.book) for symbol, listing in self.listings.items()}
        self.orders = Orders(self.market, self.listings, self._checksums, surroundings.orders)
        self._days = {symbol: Day(listing.instrument.first_price) for symbol, listing in self.listings.items()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websockets' paths and those of the REST host."""
        router.add_get(self.websocket_path, self._open)
        router.add_get(self.authenticated_path, self._open_authenticated)
        self._rest.add_routes(router)
        self._tokens.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Trades of one order in one message, then the book, single orders, and the best quote; `made` counts no single orders."""
        symbol = step.listing.instrument.symbol
        writer, book = self._writers[symbol], step.listing.book
        self.made += self.frames_at_once(step)
        if step.trades:
            day = self._days[symbol]
            for trade in step.trades:
                day.add(trade)
            hearers = self.subscribers(f"trade {symbol}")
            if hearers is not None:
                self.deliver(writer.trades(step.trades, False, step.time_us), hearers)
        for depth, window in self._windows[symbol].items():
            bids, asks = window.advance(step.changes)
            hearers = self.subscribers(f"book {symbol} {depth}")
            if hearers is not None and (bids or asks):
                ids = (step.changes[0].update_id, step.changes[-1].update_id)
                crc = self._checksums[symbol].value()
                self.deliver(writer.book(bids, asks, crc, ids, False, step.time_us), hearers)
        for depth, sides in self.orders.advance(step).items():
            hearers = self.subscribers(f"{LEVEL3} {symbol} {depth}")
            if hearers is not None and any(sides):
                self.deliver(self.orders.update(step, sides), hearers)
        for trigger, due in (("bbo", step.quote_changed), ("trades", bool(step.trades))):
            hearers = self.subscribers(f"ticker {symbol} {trigger}") if due else None
            if hearers is not None:
                self.deliver(writer.ticker(self._days[symbol], book, False, step.time_us), hearers)

    def on_time(self, time_us: int) -> None:
        """Nothing falls due by market time."""

    def finish(self) -> None:
        """Nothing is kept back."""

    def order_changes(self, symbol: str) -> list[OrderChange]:
        """Return what was told on `level3`, heard or not."""
        return self.orders.changes(symbol)

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented channel."""
        return self._writers[message.symbol].stranger(message)

    def announce_shutdown(self) -> None:
        """Say maintenance on the `status` channel."""
        for connection in self.connections.values():
            connection.say(self._status(connection, "maintenance"))

    def greet(self, connection: Connection) -> None:
        """Send the `status` message which is the first of every connection."""
        connection.say(self._status(connection, "online"))

    def _status(self, connection: Connection, system: str) -> str:
        number = CONNECTION_ID + connection.number
        data = f'[{{"version":"2.0.10","system":"{system}","api_version":"v2","connection_id":{number}}}]'
        return envelope("status", False, data)

    async def beat(self) -> None:
        """Send heartbeats, and end connections whose key has ended; runs until cancelled."""
        async with asyncio.TaskGroup() as work:
            work.create_task(self._send_heartbeats())
            work.create_task(self._watch_keys(work))

    async def _send_heartbeats(self) -> None:
        """Send a heartbeat to every subscribed connection that heard nothing for a while."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            now = self.clock()
            for connection in list(self.connections.values()):
                if connection.streams and now - connection.last_write >= self._heartbeat_seconds * 0.95:
                    connection.say('{"channel":"heartbeat"}')
                    connection.last_write = now

    async def _watch_keys(self, work: asyncio.TaskGroup) -> None:
        """End each connection opened with a key that has expired or was taken away."""
        while True:
            await asyncio.sleep(KEY_SECONDS)
            for connection in [each for each in self.connections.values() if each.keys and self._tokens.orphaned(each)]:
                self._log_end(0, "key_ended", connection)
                connection.flush()
                self.forget(connection)
                work.create_task(connection.socket.close(code=WSCloseCode.POLICY_VIOLATION))

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, PUBLIC, [])

    async def _open_authenticated(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, AUTHENTICATED, [])

    def limited(self, fault: Fault) -> web.Response:
        """Kraken refuses with status 200 and an error text, unless the fault asks for another status."""
        return web.json_response(
            {"error": ["EGeneral:Too many requests"]},
            status=fault.status or 200,
            headers={"Retry-After": str(fault.retry_after)},
        )

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request: one acknowledgement for each symbol."""
        time_in = timestamp(self.market.time_us)
        try:
            asked = json.loads(text)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            self._reply(connection, {"error": "Malformed request", "method": "error", "success": False}, time_in, None)
            return
        method, number = asked["method"], asked.get("req_id")
        if method == "ping":
            self._reply(connection, {"method": "pong"}, time_in, number)
        elif method in ("subscribe", "unsubscribe"):
            params = asked.get("params")
            self._change(connection, method, params if isinstance(params, dict) else {}, time_in, number)
        else:
            self._reply(connection, {"error": "Method not supported", "method": method, "success": False}, time_in, number)

    def _reply(self, connection: Connection, answer: dict[str, Any], time_in: str, number: Any) -> None:
        answer |= {"time_in": time_in, "time_out": timestamp(self.market.time_us)}
        if number is not None:
            answer["req_id"] = number
        connection.say(json.dumps(answer, separators=(",", ":")))

    def _change(self, connection: Connection, method: str, params: dict[str, Any], time_in: str, number: Any) -> None:
        error = self._mistake(connection, params)
        if error is not None:
            self._reply(connection, {"error": error, "method": method, "success": False}, time_in, number)
            return
        channel = str(params["channel"])
        depth, trigger = params.get("depth", DEPTHS[0]), params.get("event_trigger", "trades")
        snapshot = params.get("snapshot", True) is True
        for symbol in params["symbol"] if channel != "instrument" else [""]:
            result: dict[str, Any] = {"channel": channel}
            stream = f"{channel} {symbol}"
            if channel in ("book", LEVEL3):
                result["depth"], stream = depth, f"{stream} {depth}"
            if channel == "ticker":
                result["event_trigger"], stream = trigger, f"{stream} {trigger}"
            if method == "subscribe":
                result["snapshot"] = snapshot
            if symbol:
                result["symbol"] = symbol
            refused = self._refusal(connection, method, symbol, stream)
            if refused is not None:
                answer = {"error": refused, "method": method, "success": False, "symbol": symbol}
                self._reply(connection, answer, time_in, number)
                continue
            self._reply(connection, {"method": method, "result": result, "success": True}, time_in, number)
            if method == "unsubscribe":
                self.unsubscribe(connection, stream)
                continue
            self.subscribe(connection, stream)
            if channel == "book":
                self._open_window(symbol, depth)
            if channel == LEVEL3:
                self.orders.open(symbol, depth)
            if snapshot:
                self._snapshot(connection, channel, symbol, depth)
        connection.flush()

    def _mistake(self, connection: Connection, params: dict[str, Any]) -> str | None:
        """Return what is wrong with a request for channels as a whole; each symbol is looked at afterwards."""
        channel, symbols = params.get("channel"), params.get("symbol", [])
        depth, trigger = params.get("depth", DEPTHS[0]), params.get("event_trigger", "trades")
        channels = (LEVEL3,) if connection.variant == AUTHENTICATED else CHANNELS
        if not isinstance(channel, str) or channel not in channels:
            return "Channel not supported"
        if (channel == "book" and depth not in DEPTHS) or (channel == LEVEL3 and depth not in ORDER_DEPTHS):
            return "Subscription depth not supported"
        if channel == "ticker" and trigger not in TRIGGERS:
            return "Event trigger not supported"
        if channel != "instrument" and (not isinstance(symbols, list) or not symbols):
            return "Symbol(s) not found"
        return self._tokens.refusal(connection, params.get("token")) if channel == LEVEL3 else None

    def _refusal(self, connection: Connection, method: str, symbol: str, stream: str) -> str | None:
        if symbol and symbol not in self.listings:
            return f"Currency pair not supported {symbol}"
        if method == "subscribe" and stream in connection.streams:
            return "Already subscribed"
        if (
            method == "subscribe"
            and stream.startswith(LEVEL3)
            and any(f"{LEVEL3} {symbol} {other}" in connection.streams for other in ORDER_DEPTHS)
        ):
            return "Already subscribed"
        if method == "unsubscribe" and stream not in connection.streams:
            return "Subscription Not Found"
        return None

    def _open_window(self, symbol: str, depth: int) -> None:
        if depth not in self._windows[symbol]:
            self._windows[symbol][depth] = DepthWindow(self.listings[symbol].book, depth)

    def _snapshot(self, connection: Connection, channel: str, symbol: str, depth: int) -> None:
        time_us = self.market.time_us
        if channel == "instrument":
            connection.say(self._instruments())
            return
        if channel == LEVEL3:
            self.deliver(self.orders.snapshot(symbol, depth), [connection])
            return
        writer, book = self._writers[symbol], self.listings[symbol].book
        if channel == "trade":
            trades = self.truth.tape(self.name, symbol).trades(limit=SNAPSHOT_TRADES)
            message = writer.trades(trades, True, time_us)
        elif channel == "book":
            ids = (book.update_id, book.update_id)
            crc = self._checksums[symbol].value()
            message = writer.book(book.bids.top(depth), book.asks.top(depth), crc, ids, True, time_us)
        else:
            message = writer.ticker(self._days[symbol], book, True, time_us)
        self.deliver(message, [connection])

    def _instruments(self) -> str:
        names = sorted({name for each in self.listings.values() for name in (each.instrument.base, QUOTE)})
        assets = ",".join(
            f'{{"id":"{name}","status":"enabled","precision":10,"precision_display":5,"borrowable":false,'
            f'"collateral_value":0.00,"margin_rate":0.000000}}'
            for name in names
        )
        pairs = ",".join(writer.pair() for writer in self._writers.values())
        return envelope("instrument", True, f'{{"assets":[{assets}],"pairs":[{pairs}]}}')
