"""Hyperliquid on loopback: perpetuals and spot on one socket.

Sources: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket with its pages `subscriptions`, `post-requests` and
`timeouts-and-heartbeats`. As the live one does it, it ends a connection without a word that subscribes a coin which is not listed; it
confirms before it sends, echoes a subscription with its defaults, and pushes every book again whether it has changed or not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing, Step
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.venues.hyperliquid.contexts import Context
from simulator.venues.hyperliquid.frames import Writer, dumps, pushed
from simulator.venues.hyperliquid.info import NOT_UNDERSTOOD, Info, NoSuchCoinError, NotUnderstoodError
from simulator.venues.hyperliquid.instruments import pair, perpetual
from simulator.wire import Connection, Message

BOOK_US, FAST_US, CONTEXT_US, ALL_US = 5_000_000, 500_000, 1_000_000, 14_000_000
"""Windows of market time: of books of 20 and of 5 levels, of a coin's context, of all contexts."""
QUIET_SECONDS = 60.0
"""A connection that nothing was sent to for so long is closed."""
OF_COINS = ("trades", "l2Book", "bbo", "activeAssetCtx")
ALL = "allDexsAssetCtxs"


class Hyperliquid(Venue):
    """The simulated Hyperliquid."""

    name: ClassVar[str] = "hyperliquid"
    websocket_path: ClassVar[str] = "/ws"
    windows_per_second: ClassVar[float] = 1_000_000 / BOOK_US
    """Of `l2Book`, which is counted."""

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the perpetual and the pair of a base."""
        return (perpetual(cls.name, base), pair(cls.name, base))

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `trades` and `bbo`."""
        return bool(step.trades) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        self._info = Info(self.name, surroundings)
        super().__init__(surroundings)
        self._by_coin = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}
        self._writers = {symbol: Writer(listing.instrument) for symbol, listing in self.listings.items()}
        self._contexts = {symbol: Context(listing) for symbol, listing in self.listings.items()}
        self._ends = dict.fromkeys((BOOK_US, FAST_US, CONTEXT_US, ALL_US), 0)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the websocket's path and that of requests."""
        router.add_get(self.websocket_path, self._open)
        router.add_post("/info", self._inform)

    def on_step(self, step: Step) -> None:
        """Trades of one order in one message, and the best quote where it has changed; books and contexts wait for their windows."""
        instrument = step.listing.instrument
        writer = self._writers[instrument.symbol]
        self.made += self.frames_at_once(step)
        if step.trades:
            self._contexts[instrument.symbol].note(step)
            hearers = self.subscribers(f"trades {instrument.wire_symbol}")
            if hearers is not None:
                self.deliver(writer.trades(step.trades, step.time_us), hearers)
        hearers = self.subscribers(f"bbo {instrument.wire_symbol}") if step.quote_changed else None
        if hearers is not None:
            self.deliver(writer.quote(step.listing.book, step.time_us), hearers)

    def on_time(self, time_us: int) -> None:
        """Close the windows that have ended."""
        for width, end in self._ends.items():
            if time_us >= end:
                self._ends[width] = time_us // width * width + width
                self._push(width, time_us)

    def finish(self) -> None:
        """Close the windows early."""
        for width in self._ends:
            self._push(width, self.market.time_us)

    def _push(self, width: int, time_us: int) -> None:
        """Send what one window gives to all who hear it."""
        if width == ALL_US:
            self._send_all(self.subscribers(ALL), time_us)
            return
        kind = {BOOK_US: "l2Book", FAST_US: "l2Book fast", CONTEXT_US: "activeAssetCtx"}[width]
        for coin, listing in self._by_coin.items():
            hearers = self.subscribers(f"{kind} {coin}")
            if hearers is not None:
                self.made += width == BOOK_US
                self.deliver(self._message(kind, listing, time_us), hearers)

    def _message(self, kind: str, listing: Listing, time_us: int) -> Message:
        """Return what a stream's state is now."""
        instrument = listing.instrument
        writer, context = self._writers[instrument.symbol], self._contexts[instrument.symbol]
        if kind == "bbo":
            return writer.quote(listing.book, time_us)
        if kind != "activeAssetCtx":
            return writer.book(listing.book, time_us, fast=kind.endswith("fast"))
        if instrument.kind == "perpetual":
            return writer.context(context.perpetual(), kind, time_us)
        return writer.context(context.spot(), "activeSpotAssetCtx", time_us)

    def _send_all(self, hearers: list[Connection] | None, time_us: int) -> None:
        """Send every perpetual's context, without names, in the order of the universe."""
        if hearers is None:
            return
        contexts = [self._contexts[listing.instrument.symbol].perpetual() for listing in self._info.perpetuals()]
        text = pushed(ALL, dumps({"ctxs": [["", contexts]]}))
        symbol = self._info.perpetuals()[0].instrument.symbol
        self.deliver(Message(symbol, ALL, 0, 0, time_us, lambda _variant, _shift_us: text), hearers)

    def stranger(self, message: Message) -> Message:
        """Return a message of an undocumented channel."""
        return self._writers[message.symbol].stranger(message)

    def limited(self, fault: Fault) -> web.Response:
        """Refuse one request too many; no page says with which body."""
        return web.Response(status=fault.status or 429, text="null", headers={"Retry-After": str(fault.retry_after)})

    def announce_shutdown(self) -> None:
        """Say nothing: the venue ends connections without announcement."""

    def greet(self, connection: Connection) -> None:
        """Say nothing: Hyperliquid does not speak first."""

    async def beat(self) -> None:
        """End the connections that nothing was sent to for a minute; runs until cancelled."""
        while True:
            await asyncio.sleep(1)
            for connection in list(self.connections.values()):
                if self.clock() - connection.last_write > QUIET_SECONDS:
                    self.forget(connection)
                    connection.transport.abort()

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, 0, [])

    async def _inform(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(self._info.answer(json.loads(await request.read())))
        except (NotUnderstoodError, ValueError, RecursionError):
            return web.Response(status=422, text=NOT_UNDERSTOOD)
        except NoSuchCoinError:
            return web.Response(status=500, text="null", content_type="application/json")

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request."""
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError):
            asked = None
        method = asked.get("method") if isinstance(asked, dict) else None
        wanted = asked.get("subscription") if isinstance(asked, dict) else None
        if method == "ping":
            self._say(connection, '{"channel":"pong"}')
        elif method == "post" and type(asked.get("id")) is int and isinstance(asked.get("request"), dict):
            self._answer(connection, asked["id"], asked["request"])
        elif method in {"subscribe", "unsubscribe"} and isinstance(wanted, dict) and is_subscription(wanted):
            (self._subscribe if method == "subscribe" else self._unsubscribe)(connection, wanted)
        else:
            self._say(connection, pushed("error", dumps(f"Error parsing JSON into valid websocket request: {text}")))

    def _say(self, connection: Connection, text: str) -> None:
        connection.say(text)
        connection.last_write = self.clock()

    def _answer(self, connection: Connection, number: int, request: dict[str, Any]) -> None:
        body = request.get("payload")
        try:
            payload: Any = {"type": body.get("type") if isinstance(body, dict) else None, "data": self._info.answer(body)}
            kind = "info"
        except NotUnderstoodError:
            kind, payload = "error", f"422 Unprocessable Entity: {NOT_UNDERSTOOD}"
        except NoSuchCoinError:
            kind, payload = "error", "500 Internal Server Error: null"
        self._say(connection, pushed("post", dumps({"id": number, "response": {"type": kind, "payload": payload}})))

    def _subscribe(self, connection: Connection, wanted: dict[str, Any]) -> None:
        """Confirm, and send what there is already; a coin that is not listed ends the connection without a word."""
        echo, stream = whole(wanted), stream_of(wanted)
        if wanted["type"] != ALL and wanted["coin"] not in self._by_coin:
            self.forget(connection)
            connection.transport.abort()
            return
        if stream in connection.streams:
            self._say(connection, pushed("error", dumps(f"Already subscribed: {dumps(echo)}")))
            return
        self.subscribe(connection, stream)
        self._say(connection, pushed("subscriptionResponse", dumps({"method": "subscribe", "subscription": echo})))
        time_us = self.market.time_us
        if wanted["type"] == ALL:
            self._send_all([connection], time_us)
        elif wanted["type"] != "trades":
            self.deliver(self._message(stream.rpartition(" ")[0], self._by_coin[wanted["coin"]], time_us), [connection])
        elif last := self._info.last_trades(self._by_coin[wanted["coin"]]):
            self.deliver(self._writers[self._by_coin[wanted["coin"]].instrument.symbol].trades(last, time_us), [connection])
        connection.flush()

    def _unsubscribe(self, connection: Connection, wanted: dict[str, Any]) -> None:
        echo = whole(wanted)
        if self.unsubscribe(connection, stream_of(wanted)):
            self._say(connection, pushed("subscriptionResponse", dumps({"method": "unsubscribe", "subscription": echo})))
        else:
            self._say(connection, pushed("error", dumps(f"Already unsubscribed: {dumps(echo)}")))


def is_subscription(wanted: dict[str, Any]) -> bool:
    """Whether there is such a subscription, whatever its coin is."""
    return wanted.get("type") == ALL or (wanted.get("type") in OF_COINS and isinstance(wanted.get("coin"), str))


def whole(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription with what it leaves out."""
    return {"nSigFigs": None, "mantissa": None, "fast": False} | wanted if wanted["type"] == "l2Book" else wanted


def stream_of(wanted: dict[str, Any]) -> str:
    """Return the name of a subscription's stream: `l2Book BTC`, `l2Book fast BTC`."""
    if wanted["type"] == ALL:
        return ALL
    return f"{wanted['type']}{' fast' if wanted.get('fast') is True else ''} {wanted['coin']}"
