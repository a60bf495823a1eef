"""The connections of one port: how many, and how long each may keep us waiting.

aiohttp reads HTTP; this stands between it and the socket, and looks at nothing but the time. aiohttp itself waits for ever for the head
of a request on a connection that is kept alive, and for a client that takes no answer.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from topology.http.ports import HEAD_SECONDS, Port


class Connections:
    """All connections of a port, oldest first. Of one event loop."""

    def __init__(self, port: Port, make: Callable[[], asyncio.Protocol]) -> None:
        self.port = port
        self._make = make
        self._open: dict[Any, Connection] = {}
        self._closed = False

    def close(self) -> None:
        """Let nobody in from now on: what was accepted a moment ago would outlive the port."""
        self._closed = True

    def end(self) -> None:
        """End all: a client that takes no answer would keep its connection longer than the port."""
        for connection in list(self._open.values()):
            connection.end()

    def __len__(self) -> int:
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """Make the protocol of a new connection, for loop.create_server."""
        return Connection(self, self._make())

    def of(self, transport: asyncio.BaseTransport | None) -> "Connection | None":
        """Return the connection of a transport; None where it has ended."""
        return self._open.get(transport)

    def enter(self, transport: asyncio.Transport, connection: "Connection") -> bool:
        """Let a connection in; at the bound in the place of the longest idle, of those that asked nothing yet where there are any.

        Return whether it is in: it is not where all others are being answered, nor where the port has closed.
        """
        if self._closed:
            return False
        if len(self._open) >= self.port.connections:
            idle = min((one for one in self._open.values() if one.is_idle), key=Connection.worth, default=None)
            if idle is None:
                return False
            idle.end()
        self._open[transport] = connection
        return True

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """Take a connection out."""
        self._open.pop(transport, None)


class Connection(asyncio.Protocol):
    """One connection: hands everything on to `inner`, and ends where the head of a request, or the taking of an answer, lasts too long."""

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self.has_asked = False
        """Whether a whole head of a request has come."""
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._is_in = False
        self._answering = False
        self._idle_since = 0.0
        self._head: asyncio.TimerHandle | None = None
        self._send: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the connection in, or end it."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{type(transport).__name__} carries no stream")
        self._transport = transport
        self._idle_since = asyncio.get_running_loop().time()
        self._is_in = self._connections.enter(transport, self)
        if not self._is_in:
            transport.abort()
            return
        self._inner.connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Hand on what came; the first bytes of a next request begin its time."""
        if not self._answering and self._head is None:
            self._await_head()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on that the client sends no more."""
        return self._inner.eof_received() if self._is_in else None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.leave(self._transport)
        self._head = _stopped(self._head)
        self._send = _stopped(self._send)
        if self._is_in:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin the time of a client that takes nothing."""
        seconds = self._connections.port.send_seconds
        if seconds is not None and self._send is None:
            self._send = asyncio.get_running_loop().call_later(seconds, self.end)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """End it: the client takes again."""
        self._send = _stopped(self._send)
        self._inner.resume_writing()

    def begin(self) -> None:
        """Note that the head of a request is there: it is being answered."""
        self.has_asked = self._answering = True
        self._head = _stopped(self._head)

    def done(self) -> None:
        """Note that it was answered: what comes now is the next request."""
        self._answering = False
        self._idle_since = asyncio.get_running_loop().time()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked now, and every answer has been taken."""
        return not self._answering and (self._transport is None or not self._transport.get_write_buffer_size())

    def worth(self) -> tuple[bool, bool, float]:
        """Return what an idle connection is kept by, at the bound: that it has asked, that it begins to ask again, how late it was idle."""
        return self.has_asked, self.has_asked and self._head is not None, self._idle_since

    def end(self) -> None:
        """End the connection without a word."""
        self._connections.leave(self._transport)
        if self._transport is not None:
            self._transport.abort()

    def _await_head(self) -> None:
        self._head = asyncio.get_running_loop().call_later(HEAD_SECONDS, self.end)


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer; return none."""
    if timer is not None:
        timer.cancel()
    return None
