"""How Binance keeps a connection, spot and futures alike: it pings, bounds what may be said, and answers requests in JSON.

Sources: binance/binance-spot-api-docs, web-socket-streams.md;
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Connect.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections import deque
from typing import Any, ClassVar

from aiohttp import WSCloseCode

from simulator.surroundings import Surroundings
from simulator.venue import Venue
from simulator.wire import Connection


class BinanceConnections(Venue):
    """What the simulated markets of Binance have in common."""

    messages_per_second: ClassVar[int]
    """Incoming messages a connection may send in a second before it is disconnected."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self._ping_seconds = surroundings.ping_seconds
        self._said: dict[int, deque[float]] = {}

    @abstractmethod
    def answer(self, connection: Connection, text: str) -> dict[str, Any]:
        """Return the answer to a request."""

    def greet(self, connection: Connection) -> None:
        """Say nothing: Binance does not speak first."""

    async def beat(self) -> None:
        """Ping every connection, and end those that have not answered three pings; runs until cancelled."""
        while True:
            await asyncio.sleep(self._ping_seconds)
            for connection in list(self.connections.values()):
                if self.clock() - connection.last_pong > 3 * self._ping_seconds:
                    self.forget(connection)
                    await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Pong timeout")
                elif not connection.transport.is_closing():
                    await connection.socket.ping(str(self.market.time_us // 1000).encode())

    async def hear(self, connection: Connection, text: str) -> None:
        """Answer a request; one more than a second allows ends the connection."""
        now, most = self.clock(), self.messages_per_second
        said = self._said.setdefault(connection.number, deque(maxlen=most))
        if len(said) == most and now - said[0] < 1.0:
            self.forget(connection)
            await connection.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
            return
        said.append(now)
        connection.say(json.dumps(self.answer(connection, text), separators=(",", ":")))

    def forget(self, connection: Connection) -> None:
        """Also forget how much it said."""
        super().forget(connection)
        self._said.pop(connection.number, None)
