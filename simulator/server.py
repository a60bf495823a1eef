"""The simulator as a whole: a simulated world, a server for each of its venues, and a control server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from simulator.control import Control
from simulator.settings import SimulatorSettings
from simulator.world import World
from topology import http

__all__ = ["Simulator", "SimulatorSettings"]


class Simulator(World):
    """An async context manager; inside it the servers answer at `addresses`.

    These are `<venue>_ws` and `<venue>_rest` for each venue, `<venue>_authenticated_ws` where it has one, and `control`.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        running: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings or SimulatorSettings(), running=running, clock=clock, wall_clock=wall_clock)
        self.addresses: dict[str, str] = {}
        self._servers: list[http.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start every server, and the clock if it runs."""
        for name, venue in self.venues.items():
            served = await self._serve(venue.app, self.settings.ports.get(name, 0))
            self.addresses[f"{name}_ws"] = f"ws://{served}{venue.websocket_path}"
            self.addresses[f"{name}_rest"] = f"http://{served}"
            if venue.authenticated_path:
                self.addresses[f"{name}_authenticated_ws"] = f"ws://{served}{venue.authenticated_path}"
        control = Control(self, self.addresses)
        self.addresses["control"] = f"http://{await self._serve(control.app, self.settings.control_port)}"
        self._tasks = [asyncio.create_task(venue.beat()) for venue in self.venues.values()]
        self._tasks.append(asyncio.create_task(self.run()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the clock, end every connection, free the ports."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for venue in self.venues.values():
            for connection in list(venue.connections.values()):
                connection.transport.abort()
        for server in self._servers:
            await server.close()
        for outcome in ended:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _serve(self, app: web.Application, port: int) -> str:
        server = await http.serve(app, http.listen(self.settings.host, port), self.settings.allowed_hosts)
        self._servers.append(server)
        return server.address
