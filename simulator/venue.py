"""What every simulated venue does alike: take connections, hand messages to those subscribed, count, drop the slow."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from aiohttp import WSCloseCode, WSMsgType, web

from simulator.faults import Fault, Injection
from simulator.instruments import Instrument
from simulator.market import Step
from simulator.surroundings import Surroundings
from simulator.truth import OrderChange
from simulator.wire import Connection, Message, text_frame
from topology import http

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Venue(ABC):
    """One exchange: its HTTP application and the websockets connected to it. It is found by its `name` (simulator/catalogue.py)."""

    name: ClassVar[str] = ""
    """The dialect's venue."""
    websocket_path: ClassVar[str] = ""
    """What follows host and port in the base address of its websocket."""
    authenticated_path: ClassVar[str] = ""
    """The same for the websocket of channels that need a credential; empty where it has none of its own."""
    keys_of: ClassVar[str] = ""
    """The exchange whose API keys it takes (simulator/accounts/exchanges), where that is not its name."""
    windows_per_second: ClassVar[float] = 0.0
    """Frames a second that an instrument gives at most by timed windows, beside `frames_at_once`; 0: it has none."""
    shutdown_code = WSCloseCode.GOING_AWAY

    @classmethod
    @abstractmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return what it lists of a base currency, any at all: a made-up one too."""

    @classmethod
    @abstractmethod
    def frames_at_once(cls, step: Step) -> int:
        """Return how many frames a step at this venue gives a client that hears trades, book and quotes, but for timed windows."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.truth = surroundings.truth
        self.market = surroundings.truth.market
        self.desk = surroundings.desk
        self.clock = surroundings.clock
        self.made = 0
        """Messages made, whether anybody was subscribed or not."""
        self.connections: dict[int, Connection] = {}
        self.closed: list[Connection] = []
        self._numbers = 0
        self._subscribers: dict[str, list[Connection]] = {}
        self.listings = surroundings.listings(self.name)
        self.app = http.application(http.VENUE, self._gate)
        self.add_routes(self.app.router)

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the venue's paths."""

    @abstractmethod
    def on_step(self, step: Step) -> None:
        """Make the messages of one market step at this venue."""

    @abstractmethod
    def on_time(self, time_us: int) -> None:
        """Make what falls due by market time alone."""

    @abstractmethod
    def finish(self) -> None:
        """Make everything that would still come of the steps so far."""

    @abstractmethod
    def stranger(self, message: Message) -> Message:
        """Return a message of a type that the venue's documentation does not know."""

    @abstractmethod
    def limited(self, fault: Fault) -> web.Response:
        """Return the answer to one request too many."""

    @abstractmethod
    def announce_shutdown(self) -> None:
        """Tell every connection that the server is about to go."""

    @abstractmethod
    async def hear(self, connection: Connection, text: str) -> None:
        """Answer one text message of a client."""

    @abstractmethod
    def greet(self, connection: Connection) -> None:
        """Say what the venue says first."""

    @abstractmethod
    async def beat(self) -> None:
        """Keep the connections alive in the venue's way; runs until cancelled."""

    def order_changes(self, symbol: str) -> list[OrderChange]:
        """Return what happened to the single orders of a symbol, oldest first.

        Raises:
            KeyError: it tells of no single orders, or not of this symbol.
            ValueError: they are not remembered in this run.
        """
        raise KeyError(f"single orders of {symbol} at {self.name}")

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self.desk.take(self.name, "refuse", None, "connection", self.market.time_us)
        if refused is not None:
            return web.Response(status=503, text="Service Unavailable")
        if "Upgrade" not in request.headers:
            fault = self.desk.take(self.name, "rate_limit", None, "rest", self.market.time_us)
            if fault is not None:
                return self.limited(fault)
            answer = self.desk.take(self.name, "answer", None, request.path, self.market.time_us)
            if answer is not None:
                return web.Response(status=answer.status or 200, text=answer.body, content_type="application/json")
        return await handler(request)

    async def serve(self, request: web.Request, variant: int, streams: list[str]) -> web.WebSocketResponse:
        """Hold one websocket until it ends."""
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):
            await socket.close()
            return socket
        self._numbers += 1
        connection = Connection(self._numbers, socket, transport, variant)
        connection.last_write = connection.last_pong = self.clock()
        self.connections[connection.number] = connection
        self.greet(connection)
        for stream in streams:
            self.subscribe(connection, stream)
        try:
            async for received in socket:
                if received.type is WSMsgType.TEXT:
                    await self.hear(connection, received.data)
                elif received.type is WSMsgType.PING:
                    await socket.pong(received.data)
                elif received.type is WSMsgType.PONG:
                    connection.last_pong = self.clock()
        finally:
            self.forget(connection)
        return socket

    def subscribe(self, connection: Connection, stream: str, keep: int = 0) -> None:
        """Let a connection hear a stream from the next message on."""
        if stream not in connection.streams:
            connection.streams[stream] = keep
            self._subscribers.setdefault(stream, []).append(connection)

    def unsubscribe(self, connection: Connection, stream: str) -> bool:
        """End that; returns whether it was subscribed."""
        if stream not in connection.streams:
            return False
        del connection.streams[stream]
        self._subscribers[stream].remove(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """Take a connection that has ended out of every list."""
        if self.connections.pop(connection.number, None) is not None:
            for stream in list(connection.streams):
                self.unsubscribe(connection, stream)
            self.closed.append(connection)

    def subscribers(self, stream: str) -> list[Connection] | None:
        """Who hears a stream; None when nobody does, so that nothing need be written."""
        return self._subscribers.get(stream) or None

    def deliver(self, message: Message, connections: list[Connection]) -> None:
        """Send a message, or what the armed faults make of it."""
        if not self.desk.waits(self.name):
            self._send(message, connections)
            return
        for delivery in self.desk.plan(self.name, message, list(connections), self.stranger):
            self._send(delivery.message, delivery.connections, delivery.shift_us, delivery.edit)

    def _send(
        self,
        message: Message,
        connections: list[Connection],
        shift_us: int = 0,
        edit: Callable[[str], str] | None = None,
    ) -> None:
        encoded: dict[int, bytes] = {}
        for connection in connections:
            frame = encoded.get(connection.variant)
            if frame is None:
                text = message.render(connection.variant, shift_us)
                frame = encoded[connection.variant] = text_frame(text if edit is None else edit(text))
            connection.enqueue(frame)
            connection.note(message)

    def flush(self) -> None:
        """Write what waits for each connection."""
        for connection in self.connections.values():
            if connection.flush():
                connection.last_write = self.clock()

    def release(self) -> None:
        """Send what a fault holds back."""
        for delivery in self.desk.release(self.name):
            alive = [each for each in delivery.connections if each.number in self.connections]
            self._send(delivery.message, alive)

    async def disconnect(self, fault: Fault) -> None:
        """End one connection or all, and log what each had been sent last."""
        for connection in list(self.connections.values()):
            if fault.connection in (None, connection.number):
                self._log_end(fault.number, "disconnect", connection)
                connection.flush()
                self.forget(connection)
                if fault.abrupt:
                    connection.transport.abort()
                else:
                    await connection.socket.close(code=self.shutdown_code)

    def drop_slow(self, limit_bytes: int) -> None:
        """End the connections that leave more than a limit untaken, as an exchange does."""
        for connection in list(self.connections.values()):
            if connection.backlog() > limit_bytes:
                self._log_end(0, "slow_client", connection)
                self.forget(connection)
                connection.transport.abort()

    def _log_end(self, number: int, kind: str, connection: Connection) -> None:
        last_sent: dict[str, object] = {key: sent.last for key, sent in connection.sent.items()}
        line = Injection(number, kind, self.name, None, None, None, None, 0, self.market.time_us, [connection.number])
        line.detail["last_sent"] = last_sent
        self.desk.log.append(line)
