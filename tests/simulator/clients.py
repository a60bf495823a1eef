"""Plain clients which follow each venue's published procedure, written without the simulator's own code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp

from simulator.accounts.accounts import ApiKey
from simulator.server import Simulator

Levels = list[list[str]]
VENUES = ("binance", "kraken")
"""The venues whose procedures are written here; what is asked of every venue stands in tests/contracts/test_simulated_venues.py."""


class Listener:
    """A websocket whose text messages are read up to a reply that can only come after them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, venue: str) -> None:
        self.socket = socket
        self._venue = venue
        self._asked = 0
        self._kept: list[str] = []

    async def settle(self) -> None:
        """Wait until the venue has dealt with everything asked so far, and keep what it said for `texts`."""
        self._kept = await self.texts()

    async def ask(self, request: dict[str, Any]) -> None:
        """Send a request."""
        await self.socket.send_str(json.dumps(request))

    async def next(self) -> str:
        """Read one text message."""
        received = await self.socket.receive(timeout=20)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        return str(received.data)

    async def texts(self) -> list[str]:
        """Read everything sent so far."""
        self._asked += 1
        number = 900_000 + self._asked
        if self._venue == "binance":
            await self.ask({"method": "LIST_SUBSCRIPTIONS", "id": number})
            marker = f'"id":{number}}}'
        else:
            await self.ask({"method": "ping", "req_id": number})
            marker = f'"req_id":{number}}}'
        seen, self._kept = self._kept, []
        while not (text := await self.next()).endswith(marker):
            seen.append(text)
        return seen


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session."""
    async with aiohttp.ClientSession() as opened:
        yield opened


async def listen(client: aiohttp.ClientSession, simulator: Simulator, venue: str, path: str = "") -> Listener:
    """Open a websocket."""
    return Listener(await client.ws_connect(simulator.addresses[f"{venue}_ws"] + path, max_msg_size=0), venue)


async def binance(client: aiohttp.ClientSession, simulator: Simulator, *streams: str) -> Listener:
    """Open a combined Binance stream."""
    listener = await listen(client, simulator, "binance", "/stream?streams=" + "/".join(streams))
    await listener.settle()
    return listener


async def kraken(client: aiohttp.ClientSession, simulator: Simulator, *channels: dict[str, Any]) -> Listener:
    """Open a Kraken websocket with subscriptions."""
    listener = await listen(client, simulator, "kraken")
    for channel in channels:
        await listener.ask({"method": "subscribe", "params": channel})
    await listener.settle()
    return listener


async def get(client: aiohttp.ClientSession, simulator: Simulator, server: str, path: str) -> Any:
    """GET a JSON document, numbers that are not whole as Decimal."""
    async with client.get(simulator.addresses[server] + path) as response:
        return json.loads(await response.text(), parse_float=Decimal)


def truth(simulator: Simulator, venue: str, symbol: str, depth: int) -> tuple[Levels, Levels]:
    """Return the true bids and asks as the wire's texts."""
    instrument = simulator.market.listing(venue, symbol).instrument
    price, size = instrument.price_writer(), instrument.size_writer()
    book = simulator.truth.book(venue, symbol)
    return (
        [[price(at), size(amount)] for at, amount in book.bids.top(depth)],
        [[price(at), size(amount)] for at, amount in book.asks.top(depth)],
    )


class BinanceBook:
    """Binance's "How to manage a local order book correctly", step by step."""

    def __init__(self) -> None:
        self.update_id = 0
        self.bids: dict[Decimal, str] = {}
        self.asks: dict[Decimal, str] = {}
        self.missed: list[tuple[int, int]] = []
        """(expected U, seen U) of each hole."""

    def start(self, snapshot: dict[str, Any]) -> None:
        """Take the snapshot."""
        self.update_id = snapshot["lastUpdateId"]
        self.bids = {Decimal(price): size for price, size in snapshot["bids"]}
        self.asks = {Decimal(price): size for price, size in snapshot["asks"]}

    def apply(self, event: dict[str, Any]) -> None:
        """Apply one event, or note that some were missed."""
        if event["u"] <= self.update_id:
            return
        if event["U"] > self.update_id + 1:
            self.missed.append((self.update_id + 1, event["U"]))
        for side, levels in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, size in levels:
                if Decimal(size) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = size
        self.update_id = event["u"]

    def top(self, depth: int) -> tuple[Levels, Levels]:
        """Best levels first, as the wire's texts."""
        bids = [[f"{price:.8f}", self.bids[price]] for price in sorted(self.bids, reverse=True)[:depth]]
        asks = [[f"{price:.8f}", self.asks[price]] for price in sorted(self.asks)[:depth]]
        return bids, asks


class KrakenBook:
    """Kraken's book rules: apply all, cut to the depth, then verify the checksum. Numbers stay text."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: dict[Decimal, tuple[str, str]] = {}
        self.asks: dict[Decimal, tuple[str, str]] = {}
        self.messages = 0
        self.mismatches = 0

    def apply(self, text: str) -> None:
        """Apply a `book` message."""
        message = json.loads(text, parse_float=str)
        data = message["data"][0]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for level in levels:
                price = Decimal(level["price"])
                if Decimal(level["qty"]) == 0:
                    side.pop(price, None)
                else:
                    side[price] = (level["price"], level["qty"])
        self.bids = {price: self.bids[price] for price in sorted(self.bids, reverse=True)[: self.depth]}
        self.asks = {price: self.asks[price] for price in sorted(self.asks)[: self.depth]}
        self.messages += 1
        self.mismatches += self.checksum() != data["checksum"]

    def checksum(self) -> int:
        """CRC32 as the guide describes it: without the dot, without leading zeros."""
        digits = ""
        for side in (self.asks, self.bids):
            for price, size in list(side.values())[:10]:
                digits += price.replace(".", "").lstrip("0") + size.replace(".", "").lstrip("0")
        return zlib.crc32(digits.encode())

    def top(self) -> tuple[Levels, Levels]:
        """Best levels first, as the wire's texts."""
        return [list(level) for level in self.bids.values()], [list(level) for level in self.asks.values()]


class KrakenOrders:
    """Kraken's level3 rules: apply every order of a message, cut to the depth, verify the checksum. Numbers stay text."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.bids: dict[str, dict[str, Any]] = {}
        self.asks: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.mismatches = 0
        self.mistakes: list[dict[str, Any]] = []
        """Events that do not fit what is known: an order added twice, one changed or deleted that is not there."""
        self.heard: list[dict[str, Any]] = []

    def apply(self, text: str) -> None:
        """Apply a `level3` message."""
        message = json.loads(text, parse_float=str)
        data = message["data"][0]
        if message["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        for side, orders in ((self.bids, data["bids"]), (self.asks, data["asks"])):
            for order in orders:
                event = order.get("event", "add")
                if (event == "add") == (order["order_id"] in side):
                    self.mistakes.append(order)
                side.pop(order["order_id"], None)
                if event != "delete":
                    side[order["order_id"]] = order
                if "event" in order:
                    self.heard.append(order)
        self.bids, self.asks = self._cut(self.bids, best_is_high=True), self._cut(self.asks, best_is_high=False)
        self.messages += 1
        self.mismatches += self.checksum() != data["checksum"]

    def _cut(self, side: dict[str, dict[str, Any]], *, best_is_high: bool) -> dict[str, dict[str, Any]]:
        prices = sorted({Decimal(order["limit_price"]) for order in side.values()}, reverse=best_is_high)[: self.depth]
        ranks = {price: rank for rank, price in enumerate(prices)}
        kept = [order for order in side.values() if Decimal(order["limit_price"]) in ranks]
        return {order["order_id"]: order for order in sorted(kept, key=lambda order: ranks[Decimal(order["limit_price"])])}

    def checksum(self) -> int:
        """CRC32 over every order of the ten best price levels, as the guide describes it."""
        digits = ""
        for side in (self.asks, self.bids):
            prices = list(dict.fromkeys(order["limit_price"] for order in side.values()))[:10]
            for order in side.values():
                if order["limit_price"] in prices:
                    digits += order["limit_price"].replace(".", "").lstrip("0") + order["order_qty"].replace(".", "").lstrip("0")
        return zlib.crc32(digits.encode())

    def top(self) -> tuple[Levels, Levels]:
        """Best levels first, as the wire's texts."""
        bids, asks = ([[order["limit_price"], order["order_qty"]] for order in side.values()] for side in (self.bids, self.asks))
        return bids, asks


KRAKEN_KEY = ApiKey("kraken", "its-key", base64.b64encode(b"a secret of an account").decode())


async def kraken_token(client: aiohttp.ClientSession, simulator: Simulator, key: ApiKey = KRAKEN_KEY) -> Any:
    """Ask for a websocket token, signed as Kraken's "Spot REST authentication" says; return the answer."""
    path, body = "/0/private/GetWebSocketsToken", "nonce=1700000000000"
    inner = path.encode() + hashlib.sha256(f"1700000000000{body}".encode()).digest()
    sign = base64.b64encode(hmac.new(base64.b64decode(key.secret), inner, "sha512").digest()).decode()
    headers = {"API-Key": key.key, "API-Sign": sign, "Content-Type": "application/x-www-form-urlencoded"}
    async with client.post(simulator.addresses["kraken_rest"] + path, data=body, headers=headers) as response:
        return await response.json()


async def kraken_orders(
    client: aiohttp.ClientSession, simulator: Simulator, token: str, symbol: str = "BTC/USD", depth: int = 1000
) -> Listener:
    """Open an authenticated Kraken websocket with the orders of a symbol."""
    listener = await listen(client, simulator, "kraken_authenticated")
    await listener.ask({"method": "subscribe", "params": {"channel": "level3", "symbol": [symbol], "depth": depth, "token": token}})
    await listener.settle()
    return listener
