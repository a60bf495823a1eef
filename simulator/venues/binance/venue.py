"""Binance spot on loopback.

Source: binance/binance-spot-api-docs, web-socket-streams.md (paths, methods, limits, error texts).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Change, Step
from simulator.surroundings import Surroundings
from simulator.venues.binance.connections import BinanceConnections
from simulator.venues.binance.frames import COMBINED, MICROSECONDS, Writer, stamp, wrap
from simulator.venues.binance.instruments import spot
from simulator.venues.binance.replies import failure
from simulator.venues.binance.rest import BinanceRest
from simulator.wire import Connection, Message

FAST_US, SLOW_US = 100_000, 1_000_000
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Binance(BinanceConnections):
    """The simulated Binance."""

    name: ClassVar[str] = "binance"
    messages_per_second: ClassVar[int] = 5
    windows_per_second: ClassVar[float] = 1_000_000 / FAST_US
    """Of `depth@100ms`, the stream of book changes that is counted."""

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the spot pair."""
        return (spot(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `trade` and `bookTicker`."""
        return len(step.trades) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        self._rest = BinanceRest(self.name, surroundings)
        super().__init__(surroundings)
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._fast: dict[str, list[Change]] = {symbol: [] for symbol in self.listings}
        self._slow: dict[str, list[Change]] = {symbol: [] for symbol in self.listings}
        self._fast_end = self.market.time_us // FAST_US * FAST_US + FAST_US
        self._slow_end = self.market.time_us // SLOW_US * SLOW_US + SLOW_US

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths of the stream and the REST host."""
        router.add_get("/ws", self._open)
        router.add_get("/ws/{streams:.+}", self._open)
        router.add_get("/stream", self._open)
        self._rest.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Trades and the best quote at once; book changes wait for their window."""
        symbol = step.listing.instrument.symbol
        writer = self._writers[symbol]
        self.made += self.frames_at_once(step)
        hearers = self.subscribers(f"{writer.lower}@trade") if step.trades else None
        if hearers is not None:
            for trade in step.trades:
                self.deliver(writer.trade(trade), hearers)
        self._fast[symbol].extend(step.changes)
        if step.quote_changed:
            hearers = self.subscribers(f"{writer.lower}@bookTicker")
            if hearers is not None:
                book = step.listing.book
                self.deliver(writer.book_ticker(book.update_id, book.quote(), step.time_us), hearers)

    def on_time(self, time_us: int) -> None:
        """Close the depth windows that have ended."""
        if time_us >= self._fast_end:
            self._close_fast(self._fast_end)
            self._fast_end = time_us // FAST_US * FAST_US + FAST_US
        if time_us >= self._slow_end:
            self._close_slow(self._slow_end)
            self._slow_end = time_us // SLOW_US * SLOW_US + SLOW_US

    def finish(self) -> None:
        """Close the windows early, so that what was sent holds every change made."""
        self._close_fast(self.market.time_us)
        self._close_slow(self.market.time_us)

    def _close_fast(self, time_us: int) -> None:
        for symbol, changes in self._fast.items():
            if changes:
                self.made += 1
                self._publish_depth(symbol, "depth@100ms", changes, time_us)
                self._slow[symbol].extend(changes)
                self._fast[symbol] = []

    def _close_slow(self, time_us: int) -> None:
        for symbol, changes in self._slow.items():
            if changes:
                self._publish_depth(symbol, "depth", changes, time_us)
                self._slow[symbol] = []

    def _publish_depth(self, symbol: str, channel: str, changes: list[Change], time_us: int) -> None:
        writer = self._writers[symbol]
        hearers = self.subscribers(f"{writer.lower}@{channel}")
        if hearers is not None:
            self.deliver(writer.depth(channel, changes, time_us), hearers)

    def stranger(self, message: Message) -> Message:
        """Return an undocumented event."""
        return self._writers[message.symbol].stranger(message)

    def announce_shutdown(self) -> None:
        """Send the `serverShutdown` event, wrapped as `!serverShutdown` on combined connections."""
        for connection in self.connections.values():
            moment = stamp(self.market.time_us, connection.variant)
            connection.say(wrap("!serverShutdown", f'{{"e":"serverShutdown","E":{moment}}}', connection.variant))

    async def _open(self, request: web.Request) -> web.StreamResponse:
        combined = request.path == "/stream"
        named = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        unit = request.query.get("timeUnit", "MILLISECOND").upper()
        if unit not in ("MILLISECOND", "MICROSECOND"):
            return failure(-1000, "Invalid timeUnit.")
        variant = (COMBINED if combined else 0) | (MICROSECONDS if unit == "MICROSECOND" else 0)
        return await self.serve(request, variant, [stream for stream in named.split("/") if stream])

    def answer(self, connection: Connection, text: str) -> dict[str, Any]:
        """Subscribe and unsubscribe, and say what is."""
        try:
            asked = json.loads(text)
        except ValueError:
            return {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
        if not isinstance(asked, dict) or "method" not in asked:
            return {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 73"}
        method, params, number = asked["method"], asked.get("params"), asked.get("id")
        if method not in METHODS:
            choices = ", ".join(f"`{name}`" for name in METHODS)
            return {
                "code": 2,
                "msg": f"Invalid request: unknown variant {method}, expected one of {choices} at line 1 column 28",
            }
        if number is not None and not isinstance(number, int | str):
            return {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(connection.streams), "id": number}
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return set_or_get_property(connection, method, params, number)
        if not isinstance(params, list) or not all(isinstance(stream, str) for stream in params):
            return {"code": 2, "msg": "Invalid request: invalid type, expected a sequence", "id": number}
        for stream in params:
            if method == "SUBSCRIBE":
                self.subscribe(connection, stream)
            else:
                self.unsubscribe(connection, stream)
        return {"result": None, "id": number}

    def limited(self, fault: Fault) -> web.Response:
        """429, or 418 once banned, with Retry-After."""
        status = fault.status or 429
        banned = "Way too much request weight used; IP banned until {}. Please use WebSocket Streams"
        text = (
            banned.format(self.market.time_us // 1000 + fault.retry_after * 1000)
            if status == 418
            else "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
        )
        return failure(-1003, text, status, {"Retry-After": str(fault.retry_after)})


def set_or_get_property(connection: Connection, method: str, params: Any, number: Any) -> dict[str, Any]:
    """SET_PROPERTY and GET_PROPERTY; `combined` is the only property."""
    wanted = 2 if method == "SET_PROPERTY" else 1
    if not isinstance(params, list) or len(params) != wanted:
        return {"code": 2, "msg": "Invalid request: property name must be a string"}
    if params[0] != "combined":
        return {"code": 0, "msg": "Unknown property", "id": number}
    if method == "GET_PROPERTY":
        return {"result": bool(connection.variant & COMBINED), "id": number}
    if not isinstance(params[1], bool):
        return {"code": 1, "msg": "Invalid value type: expected Boolean"}
    connection.variant = (connection.variant & ~COMBINED) | (COMBINED if params[1] else 0)
    return {"result": None, "id": number}
