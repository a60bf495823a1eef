"""The one way to open an HTTP port: aiohttp behind the policy and the bounds of the port."""

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from topology.http.connections import Connections
from topology.http.policy import refusal
from topology.http.ports import BODY_SECONDS, FIELD_BYTES, FIELDS, HEAD_BYTES, LINGER_SECONDS, SLOWEST_BYTES, Port

Admit = Callable[[web.Request], web.Response | None]

BACKLOG: Final = 128
PORT: Final = web.AppKey("port", Port)
"""Which port an application is for; one without it is not served."""


def application(port: Port, *middlewares: Middleware) -> web.Application:
    """Return an application for a port, whose bodies are bounded by it."""
    made = web.Application(middlewares=middlewares, client_max_size=port.body_bytes)
    made[PORT] = port
    return made


def listen(host: str, number: int) -> socket.socket:
    """Take a port of an address (0: any free one). Raises OSError where it is in use or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, number), family=family, backlog=BACKLOG)


TURNS_TO_END = 5
"""Turns of the event loop until one that was accepted as the port closed is made and refused, and the sockets of all are closed."""


class Server:
    """A port that is open, until `close`. Of the event loop that made it."""

    def __init__(self, runner: web.AppRunner, server: asyncio.Server, connections: Connections) -> None:
        host, number = server.sockets[0].getsockname()[:2]
        self.address = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
        """host:port"""
        self.connections = connections
        self._runner = runner
        self._server = server

    async def close(self) -> None:
        """Take no more connections, and end those there are once they are answered, within the runner's time."""
        for listening in self._server.sockets:  # asyncio leaves a socket open that it takes in as its server closes: first none is taken in
            asyncio.get_running_loop().remove_reader(listening)
        await _turns()
        self._server.close()
        self.connections.close()
        await self._runner.cleanup()
        self.connections.end()
        await _turns()


async def _turns() -> None:
    for _ in range(TURNS_TO_END):
        await asyncio.sleep(0)


async def serve(
    made: web.Application,
    listening: socket.socket,
    allowed_hosts: Collection[str] = (),
    admit: Admit | None = None,
    shutdown_seconds: float = 1.0,
) -> Server:
    """Serve an application on a socket of `listen`.

    `admit` is asked once the policy has let a request in and before its body is read; what it returns is the answer, and the end of the
    connection. A client that goes ends its handler, which is cancelled.
    """
    port = made[PORT]
    connections: list[Connections] = []

    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = connections[0].of(request.transport)
        if connection is not None:
            connection.begin()
        try:
            refused = (
                _refused(port, request, allowed_hosts) or (admit(request) if admit is not None else None) or await _late(request, port)
            )
            if refused is not None:
                refused.force_close()
                return refused
            return await handler(request)
        finally:
            if connection is not None:
                connection.done()

    made.middlewares.insert(0, door)
    runner = web.AppRunner(
        made,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=shutdown_seconds,
        keepalive_timeout=port.keep_alive_seconds,
        lingering_time=LINGER_SECONDS,
        max_line_size=HEAD_BYTES,
        max_field_size=FIELD_BYTES,
        max_headers=FIELDS,
        auto_decompress=False,
    )
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner was set up and has no server")
    connections.append(Connections(port, runner.server))
    server = await asyncio.get_running_loop().create_server(connections[0], sock=listening, backlog=BACKLOG)
    return Server(runner, server, connections[0])


def _refused(port: Port, request: web.Request, allowed: Collection[str]) -> web.Response | None:
    name = request.get_extra_info("sockname")
    local = str(name[0]) if isinstance(name, tuple) else ""
    why = refusal(port, request.headers.items(), local, allowed, len(request.raw_path))
    return None if why is None else web.Response(status=why.status, text=f"{why.reason}\n")


async def _late(request: web.Request, port: Port) -> web.Response | None:
    """Read the body, which the handler then has at once; return the answer to one that is too large, too slow or broken.

    A request for a websocket has none; what has one is read whatever its head says of an upgrade.
    """
    if not request.can_read_body:
        return None
    size = port.body_bytes if request.content_length is None else request.content_length
    try:
        with suppress(web.HTTPRequestEntityTooLarge):
            async with asyncio.timeout(BODY_SECONDS + size / SLOWEST_BYTES):
                await request.read()
            return None
    except TimeoutError:
        return web.Response(status=408, text="the body came too slowly\n")
    except web.RequestPayloadError as error:
        return web.Response(status=400, text=f"the body is broken: {error}\n")
    return web.Response(status=413, text=f"a body may have {port.body_bytes} bytes\n")
