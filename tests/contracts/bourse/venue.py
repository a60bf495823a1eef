"""The same exchange simulated: tests/contracts/test_a_new_venue.py puts this file where a new venue's voice would be written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import ClassVar

from aiohttp import web

from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.market import Listing, Step, Trade
from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.wire import Connection, Message

CHANNELS = ("fills", "depth", "best")


class Bourse(Venue):
    """Its paths are /feed and /ask."""

    name: ClassVar[str] = "bourse"
    websocket_path: ClassVar[str] = "/feed"

    @classmethod
    def instruments(cls, base: str) -> Sequence[Instrument]:
        """Return the pair with euros, three decimals of everything."""
        return (Instrument(cls.name, base, "EUR", f"{base}-EUR", 3, 3),)

    @classmethod
    def frames_at_once(cls, step: Step) -> int:
        """Count every channel."""
        return bool(step.trades) + bool(step.changes) + step.quote_changed

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._by_wire = {listing.instrument.wire_symbol: listing for listing in self.listings.values()}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the two paths."""
        router.add_get(self.websocket_path, self._open)
        router.add_post("/ask", self._ask)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        return await self.serve(request, 0, [])

    def on_step(self, step: Step) -> None:
        """Say trades, changes, and the best quote."""
        self.made += self.frames_at_once(step)
        wire = step.listing.instrument.wire_symbol
        if step.trades:
            self._say(step, "fills", {"rows": rows(step.listing, step.trades)}, step.trades[0].trade_id, step.trades[-1].trade_id)
        if step.changes:
            first, last = step.changes[0].update_id, step.changes[-1].update_id
            price, size = step.listing.instrument.price_writer(), step.listing.instrument.size_writer()
            sides = {
                name: [[price(each.price), size(each.size)] for each in step.changes if each.bid is bid]
                for name, bid in (("bids", True), ("asks", False))
            }
            self._say(step, "depth", {"first": first, "last": last, **sides}, first, last)
        if step.quote_changed and self.subscribers(f"best {wire}"):
            price, size = step.listing.instrument.price_writer(), step.listing.instrument.size_writer()
            bid, bid_size, ask, ask_size = step.listing.book.quote()
            number = step.listing.book.update_id
            self._say(step, "best", {"n": number, "bid": [price(bid), size(bid_size)], "ask": [price(ask), size(ask_size)]}, number, number)

    def _say(self, step: Step, what: str, said: dict[str, object], first: int, last: int) -> None:
        instrument = step.listing.instrument
        hearers = self.subscribers(f"{what} {instrument.wire_symbol}")
        if hearers is not None:
            text = dumped({"what": what, "of": instrument.wire_symbol, **said})
            self.deliver(Message(instrument.symbol, what, first, last, step.time_us, lambda _variant, _shift: text), hearers)

    def on_time(self, time_us: int) -> None:
        """Nothing falls due by market time."""

    def finish(self) -> None:
        """Nothing is kept back."""

    def greet(self, connection: Connection) -> None:
        """Say nothing."""

    def announce_shutdown(self) -> None:
        """Say nothing."""

    async def beat(self) -> None:
        """Wait for the end: it has no heartbeat."""
        await asyncio.Event().wait()

    def stranger(self, message: Message) -> Message:
        """Return what no dialect knows."""
        return Message(message.symbol, "new", 0, 0, message.time_us, lambda _variant, _shift: '{"what":"new"}')

    def limited(self, fault: Fault) -> web.Response:
        """Return 429."""
        return web.Response(status=fault.status or 429, headers={"Retry-After": str(fault.retry_after)})

    async def hear(self, connection: Connection, text: str) -> None:
        """Follow, leave, or answer a ping."""
        asked = json.loads(text)
        if asked["do"] == "ping":
            connection.say('{"pong":true}')
            return
        what, of = asked["what"], asked["of"]
        if what not in CHANNELS or of not in self._by_wire:
            connection.say(dumped({"following": what, "of": of, "no": "no such thing"}))
        elif asked["do"] == "follow":
            self.subscribe(connection, f"{what} {of}")
            connection.say(dumped({"following": what, "of": of}))
        else:
            self.unsubscribe(connection, f"{what} {of}")
            connection.say(dumped({"left": what, "of": of}))

    async def _ask(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.text())
        listing = self._by_wire[asked.get("book") or asked.get("fills")]
        instrument = listing.instrument
        if "fills" in asked:
            trades = self.truth.tape(self.name, instrument.symbol).trades(asked["from"], 1000)
            return answer({"of": instrument.wire_symbol, "rows": rows(listing, trades)})
        price, size = instrument.price_writer(), instrument.size_writer()
        sides = {
            name: [[price(at), size(amount)] for at, amount in side.top(1000)]
            for name, side in (("bids", listing.book.bids), ("asks", listing.book.asks))
        }
        return answer({"of": instrument.wire_symbol, "first": listing.book.update_id, "last": listing.book.update_id, **sides})


def rows(listing: Listing, trades: list[Trade]) -> list[list[object]]:
    """Return trades as rows: number, price, size, side, microseconds."""
    price, size = listing.instrument.price_writer(), listing.instrument.size_writer()
    return [[one.trade_id, price(one.price), size(one.size), "b" if one.taker_buys else "s", one.time_ns // 1000] for one in trades]


def dumped(document: dict[str, object]) -> str:
    """Return JSON without spaces."""
    return json.dumps(document, separators=(",", ":"))


def answer(document: dict[str, object]) -> web.Response:
    """Return a good answer."""
    return web.Response(text=dumped(document), content_type="application/json")
