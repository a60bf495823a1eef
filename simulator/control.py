"""The control server: the truth as JSON, faults on request, and the clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.candles import candles
from simulator.faults import Fault
from simulator.instruments import Instrument
from simulator.orders import Order
from simulator.wire import Connection
from simulator.world import World
from topology import http

MOST_TRADES = 100_000
MOST_STEPS = 100_000
"""At once: some seconds, in which nothing else is answered."""
ASKED_FOR = frozenset(each.name for each in fields(Fault)) - {"number", "hits", "until", "held"}
FAULT = Order("fault", [each for each in fields(Fault) if each.name in ASKED_FOR])
KEY = Order("key", list(fields(ApiKey)))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Answers about, and orders to, one simulated world. Prices and sizes are decimal text, times microseconds."""

    def __init__(self, simulator: World, addresses: Mapping[str, str]) -> None:
        self._simulator = simulator
        self._addresses = addresses
        self.app = http.application(http.CONTROL, explain)
        router = self.app.router
        router.add_get("/status", self._status)
        router.add_get("/truth/trades", self._trades)
        router.add_get("/truth/book", self._book)
        router.add_get("/truth/candles", self._candles)
        router.add_get("/truth/orders", self._orders)
        router.add_get("/truth/connections", self._connections)
        router.add_get("/truth/faults", self._fault_log)
        router.add_get("/faults", self._armed)
        router.add_post("/faults", self._inject)
        router.add_delete("/faults", self._clear)
        router.add_delete("/faults/{number}", self._clear)
        router.add_post("/keys", self._add_key)
        router.add_delete("/keys/{exchange}/{key}", self._end_key)
        router.add_post("/pause", self._pause)
        router.add_post("/resume", self._resume)
        router.add_post("/step", self._step)

    def _instrument(self, request: web.Request) -> Instrument:
        """Return the instrument asked for, by its canonical or its wire symbol."""
        venue, symbol = request.query["venue"], request.query["symbol"]
        for (at, canonical), listing in self._simulator.market.listings.items():
            if at == venue and symbol in (canonical, listing.instrument.wire_symbol):
                return listing.instrument
        raise KeyError(f"{symbol} at {venue}")

    async def _status(self, _request: web.Request) -> web.Response:
        simulator = self._simulator
        return web.json_response(
            {
                "running": simulator.running,
                "time": simulator.market.time_us,
                "steps": simulator.market.steps,
                "owed_steps": int(simulator.owed_steps),
                "steps_per_second": simulator.market.settings.steps_per_second,
                "made": simulator.made(),
                "addresses": dict(self._addresses),
                "instruments": [
                    {"venue": venue, "symbol": symbol, "wire_symbol": listing.instrument.wire_symbol, "kind": listing.instrument.kind}
                    for (venue, symbol), listing in simulator.market.listings.items()
                ],
            }
        )

    async def _trades(self, request: web.Request) -> web.Response:
        instrument = self._instrument(request)
        from_id = int(request.query["from_id"]) if "from_id" in request.query else None
        limit = min(int(request.query.get("limit", "1000")), MOST_TRADES)
        tape = self._simulator.truth.tape(instrument.venue, instrument.symbol)
        price, size = instrument.price_writer(), instrument.size_writer()
        return web.json_response(
            {
                "first_trade_id": tape.first_trade_id,
                "next_trade_id": tape.next_trade_id,
                "trades": [
                    {
                        "trade_id": trade.trade_id,
                        "price": price(trade.price),
                        "size": size(trade.size),
                        "taker_side": "buy" if trade.taker_buys else "sell",
                        "time": trade.time_ns // 1000,
                    }
                    for trade in tape.trades(from_id, limit)
                ],
            }
        )

    async def _book(self, request: web.Request) -> web.Response:
        instrument = self._instrument(request)
        update_id = int(request.query["update_id"]) if "update_id" in request.query else None
        depth = int(request.query.get("depth", "20"))
        book = self._simulator.truth.book(instrument.venue, instrument.symbol, update_id)
        price, size = instrument.price_writer(), instrument.size_writer()
        return web.json_response(
            {
                "update_id": book.update_id,
                "bids": [[price(at), size(amount)] for at, amount in book.bids.top(depth)],
                "asks": [[price(at), size(amount)] for at, amount in book.asks.top(depth)],
            }
        )

    async def _candles(self, request: web.Request) -> web.Response:
        instrument = self._instrument(request)
        interval = request.query.get("interval", "1m")
        tape = self._simulator.truth.tape(instrument.venue, instrument.symbol)
        # A long tape takes seconds, in which the market must go on.
        made = await asyncio.to_thread(lambda: candles(instrument, tape.trades(), interval))
        return web.json_response({"candles": [asdict(candle) for candle in made]}, dumps=dumps)

    async def _orders(self, request: web.Request) -> web.Response:
        instrument = self._instrument(request)
        venue = self._simulator.venues[instrument.venue]
        return web.json_response({"changes": [change._asdict() for change in venue.order_changes(instrument.symbol)]})

    async def _connections(self, _request: web.Request) -> web.Response:
        listed = [
            describe(name, connection, connection.number in venue.connections)
            for name, venue in self._simulator.venues.items()
            for connection in (*venue.closed, *venue.connections.values())
        ]
        return web.json_response({"connections": listed})

    async def _fault_log(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": [asdict(line) for line in self._simulator.faults.log]})

    async def _armed(self, _request: web.Request) -> web.Response:
        return web.json_response({"armed": [describe_fault(fault) for fault in self._simulator.faults.armed()]})

    async def _inject(self, request: web.Request) -> web.Response:
        return web.json_response(describe_fault(await self._simulator.inject(Fault(**FAULT.read(await request.read())))))

    async def _clear(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        return web.json_response({"cleared": self._simulator.faults.clear(None if number is None else int(number))})

    async def _add_key(self, request: web.Request) -> web.Response:
        key = ApiKey(**KEY.read(await request.read()))
        self._simulator.accounts.add(key)
        return web.json_response({"exchange": key.exchange, "permissions": sorted(key.permissions)})

    async def _end_key(self, request: web.Request) -> web.Response:
        self._simulator.accounts.end(request.match_info["exchange"], request.match_info["key"])
        return web.json_response({})

    async def _pause(self, request: web.Request) -> web.Response:
        await self._simulator.pause()
        return await self._status(request)

    async def _resume(self, request: web.Request) -> web.Response:
        self._simulator.resume()
        return await self._status(request)

    async def _step(self, request: web.Request) -> web.Response:
        number = int(request.query.get("number", "1"))
        if not 1 <= number <= MOST_STEPS:
            raise ValueError(f"number is from 1 to {MOST_STEPS:,} steps: ask again for more")
        await self._simulator.step(number)
        return await self._status(request)


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say in the body what was wrong with a request."""
    try:
        return await handler(request)
    except KeyError as error:
        return web.json_response({"error": f"not found: {error.args[0]}"}, status=404)
    except (TypeError, ValueError, OverflowError) as error:
        return web.json_response({"error": str(error)}, status=400)


def describe(venue: str, connection: Connection, is_open: bool) -> dict[str, Any]:
    """Return what one connection asked for and was sent."""
    return {
        "venue": venue,
        "number": connection.number,
        "open": is_open,
        "frames": connection.frames,
        "streams": list(connection.streams),
        "sent": {key: asdict(sent) for key, sent in connection.sent.items()},
    }


def describe_fault(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON."""
    return {name: getattr(fault, name) for name in (*sorted(ASKED_FOR), "number", "hits")}


def dumps(document: object) -> str:
    """JSON with decimals as plain text."""
    return json.dumps(document, default=plain)


def plain(number: object) -> str:
    """Write a Decimal without exponent.

    Raises:
        TypeError: not a Decimal.
    """
    if isinstance(number, Decimal):
        return f"{number:f}"
    raise TypeError(f"{type(number).__name__} has no JSON form")
