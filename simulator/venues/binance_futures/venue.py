"""Binance's futures on loopback: USD-M and COIN-M, each on an address of its own.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Connect and
…/Important-WebSocket-Change-Notice. USD-M has a route for books and best quotes and one for all else: a stream of another route is
confirmed, and says nothing; so is any stream that does not exist. `!contractInfo` brings contracts of both markets, here each second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Change, Step
from simulator.surroundings import Surroundings
from simulator.venues.binance.connections import BinanceConnections
from simulator.venues.binance.replies import failure
from simulator.venues.binance_futures.figures import Figures, Liquidation
from simulator.venues.binance_futures.frames import COMBINED, Writer, contract_info
from simulator.venues.binance_futures.instruments import coinm, pair, usdm
from simulator.venues.binance_futures.rest import FuturesRest
from simulator.wire import Connection, Message

DEPTH_US, SECOND_US = 100_000, 1_000_000
"""Windows of market time: of book changes, and of mark prices, liquidations and contracts."""
BEYOND = 5
"""Ticks from the last price of a sweep to the limit of the order that closed a position."""
PUBLIC, MARKET = 2, 4
"""Bits of a connection's variant: its route, where the venue has any."""
ROUTES = {"public": PUBLIC, "market": MARKET}


class BinanceFutures(BinanceConnections):
    """What the two markets have in common."""

    market_code: ClassVar[int] = 0
    instrument_of: ClassVar[Callable[[str, str], Instrument]]
    routed: ClassVar[bool] = False
    other: ClassVar[tuple[str, str]] = ("", "")
    """A symbol of the other market, and its pair."""
    keys_of: ClassVar[str] = "binance"
    messages_per_second: ClassVar[int] = 10
    windows_per_second: ClassVar[float] = SECOND_US / DEPTH_US

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the market's perpetual of a base."""
        return (cls.instrument_of(cls.name, base),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count `aggTrade` and `bookTicker`."""
        return len(step.trades) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        listings = surroundings.listings(self.name)
        self._figures = {symbol: Figures(listing) for symbol, listing in listings.items()}
        self._writers = {symbol: Writer(listing.instrument, self.market_code) for symbol, listing in listings.items()}
        self._rest = FuturesRest(self.name, surroundings, self._writers, self._figures)
        super().__init__(surroundings)
        self._changes: dict[str, list[Change]] = {symbol: [] for symbol in listings}
        self._previous = {symbol: listing.book.update_id for symbol, listing in listings.items()}
        """The last update id of the window before."""
        self._liquidated: dict[str, Liquidation] = {}
        """The latest of each symbol in the running second; of the others nothing is said."""
        self._depth_end, self._second_end = (self.market.time_us // width * width + width for width in (DEPTH_US, SECOND_US))

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the paths of the streams and of the REST host."""
        for route in ("/{route:public|market}", "") if self.routed else ("",):
            router.add_get(f"{route}/ws", self._open)
            router.add_get(f"{route}/ws/{{streams:.+}}", self._open)
            router.add_get(f"{route}/stream", self._open)
        self._rest.add_routes(router)

    def on_step(self, step: Step) -> None:
        """Trades and the best quote at once; book changes wait for their window."""
        symbol = step.listing.instrument.symbol
        writer = self._writers[symbol]
        self.made += self.frames_at_once(step)
        self._changes[symbol].extend(step.changes)
        if step.trades:
            self._figures[symbol].note(step)
            self._note_sweep(step)
            hearers = self.subscribers(f"{writer.lower}@aggTrade")
            for trade in step.trades if hearers is not None else ():
                self.deliver(writer.trade(trade), hearers or [])
        hearers = self.subscribers(f"{writer.lower}@bookTicker") if step.quote_changed else None
        if hearers is not None:
            book = step.listing.book
            self.deliver(writer.book_ticker(book.update_id, book.quote(), step.time_us), hearers)

    def on_time(self, time_us: int) -> None:
        """Close the windows that have ended."""
        if time_us >= self._depth_end:
            self._close_depth(self._depth_end)
            self._depth_end = time_us // DEPTH_US * DEPTH_US + DEPTH_US
        if time_us >= self._second_end:
            self._close_second(self._second_end)
            self._second_end = time_us // SECOND_US * SECOND_US + SECOND_US

    def finish(self) -> None:
        """Close the windows early, so that what was sent holds every change made."""
        self._close_depth(self.market.time_us)
        self._close_second(self.market.time_us)

    def _close_depth(self, time_us: int) -> None:
        for symbol, changes in self._changes.items():
            if not changes:
                continue
            self.made += 1
            writer = self._writers[symbol]
            hearers = self.subscribers(f"{writer.lower}@depth@100ms")
            if hearers is not None:
                self.deliver(writer.depth(changes, self._previous[symbol], time_us), hearers)
            self._previous[symbol] = changes[-1].update_id
            self._changes[symbol] = []

    def _close_second(self, time_us: int) -> None:
        for symbol, writer in self._writers.items():
            hearers = self.subscribers(f"{writer.lower}@markPrice@1s")
            if hearers is not None:
                self.deliver(writer.mark_price(self._figures[symbol], time_us), hearers)
            hearers = self.subscribers(f"{writer.lower}@forceOrder") if symbol in self._liquidated else None
            if hearers is not None:
                self.deliver(writer.liquidation(self._liquidated[symbol], time_us), hearers)
        self._liquidated.clear()
        self._say_contracts(time_us)

    def _say_contracts(self, time_us: int) -> None:
        hearers = self.subscribers("!contractInfo")
        if hearers is not None:
            symbol, of_pair = self.other
            self.deliver(contract_info(symbol, of_pair, 3 - self.market_code, time_us), hearers)
            for listing in self.listings.values():
                instrument = listing.instrument
                self.deliver(contract_info(instrument.wire_symbol, pair(instrument), self.market_code, time_us), hearers)

    def _note_sweep(self, step: Step) -> None:
        """Take an order that ran through several levels for a liquidation."""
        if len(step.trades) > 1:
            last = step.trades[-1]
            size = sum(trade.size for trade in step.trades)
            average = sum(trade.price * trade.size for trade in step.trades) // size
            limit = max(last.price + (BEYOND if last.taker_buys else -BEYOND), 1)
            self._liquidated[step.listing.instrument.symbol] = Liquidation(step.time_us, last.taker_buys, limit, average, size)

    def stranger(self, message: Message) -> Message:
        """Return an undocumented event."""
        writer = self._writers.get(message.symbol) or next(iter(self._writers.values()))
        return writer.stranger(message)

    def announce_shutdown(self) -> None:
        """Say nothing: no page of the futures knows an event that announces it."""

    async def _open(self, request: web.Request) -> web.StreamResponse:
        combined = request.path.endswith("/stream")
        named = request.query.get("streams", "") if combined else request.match_info.get("streams", "")
        route = ROUTES[request.match_info.get("route", "public")] if self.routed else 0
        streams = [stream for stream in named.split("/") if stream and self._carries(route, stream)]
        return await self.serve(request, (COMBINED if combined else 0) | route, streams)

    def _carries(self, variant: int, stream: str) -> bool:
        """Whether a route carries a stream; an address without one carries what is public alone."""
        if not self.routed:
            return True
        channel = stream[1:] if stream.startswith("!") else stream.partition("@")[2]
        return bool(variant & (PUBLIC if channel.startswith(("depth", "rpiDepth", "bookTicker")) else MARKET))

    def answer(self, connection: Connection, text: str) -> dict[str, Any]:
        """Subscribe and unsubscribe, and say what is."""
        try:
            asked = json.loads(text)
        except ValueError:
            return {"error": {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}}
        if not isinstance(asked, dict) or asked.get("method") not in {"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"}:
            return {"error": {"code": 2, "msg": "Invalid request: unknown variant"}}
        method, params, number = asked["method"], asked.get("params"), asked.get("id")
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(connection.streams), "id": number}
        if not isinstance(params, list) or not all(isinstance(stream, str) for stream in params):
            return {"error": {"code": 2, "msg": "Invalid request: invalid type, expected a sequence"}, "id": number}
        for stream in params:
            if method == "UNSUBSCRIBE":
                self.unsubscribe(connection, stream)
            elif self._carries(connection.variant, stream):
                self.subscribe(connection, stream)
        return {"result": None, "id": number}

    def limited(self, fault: Fault) -> web.Response:
        """429, or 418 once banned, with Retry-After."""
        status = fault.status or 429
        banned = f"Way too many requests; IP banned until {self.market.time_us // 1000 + fault.retry_after * 1000}."
        text = banned if status == 418 else "Too many requests; current limit of IP is 2400 requests per minute."
        return failure(-1003, text, status, {"Retry-After": str(fault.retry_after)})


class BinanceUsdm(BinanceFutures):
    """The simulated market of contracts settled in USDT."""

    name: ClassVar[str] = "binance_usdm"
    market_code: ClassVar[int] = 1
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(usdm)
    routed: ClassVar[bool] = True
    other: ClassVar[tuple[str, str]] = ("ETCUSD_PERP", "ETCUSD")


class BinanceCoinm(BinanceFutures):
    """The simulated market of contracts of US dollars."""

    name: ClassVar[str] = "binance_coinm"
    market_code: ClassVar[int] = 2
    instrument_of: ClassVar[Callable[[str, str], Instrument]] = staticmethod(coinm)
    other: ClassVar[tuple[str, str]] = ("ETCUSDT", "ETCUSDT")
