"""One websocket against a server that writes frames by hand (RFC 6455)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from producers.websocket import Socket, connect
from topology.clock import now
from topology.errors import Retry

Serve = Callable[[web.WebSocketResponse, asyncio.Transport], Awaitable[None]]
TEXT, BINARY, CONTINUATION, PING = 1, 2, 0, 9
LAST = 0x80


def frame(kind: int, payload: bytes, *, last: bool = True) -> bytes:
    """Return an unmasked frame."""
    size = len(payload)
    length = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes((kind | (LAST if last else 0),)) + length + payload


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """Serve each websocket with a coroutine; yield the address."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        await serve(socket, request.transport)
        return socket

    app = web.Application()
    app.router.add_get("/{any:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Heard:
    """What a socket told."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.times: list[int] = []
        self.ended = asyncio.get_running_loop().create_future()
        self.opened: list[Socket] = []

    async def connect(self, url: str) -> Socket:
        """Open a socket that tells this."""

        def heard(payload: bytes, received_at: int) -> None:
            assert self.opened
            self.messages.append(payload)
            self.times.append(received_at)

        return await connect(url, self.opened.append, heard, self.ended.set_result, now)


async def test_messages_come_whole_with_their_time() -> None:
    """Text and binary frames, messages in parts with a ping between them, and one of 20 MB, are each heard once, in order."""
    giant = b"g" * 20_000_000

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        transport.write(frame(TEXT, b"one") + frame(BINARY, b"two") + frame(TEXT, b""))
        transport.write(
            frame(TEXT, b"th", last=False) + frame(PING, b"?") + frame(CONTINUATION, b"re", last=False) + frame(CONTINUATION, b"e")
        )
        transport.write(frame(TEXT, giant))
        await socket.close()

    before = now()
    async with server(serve) as url:
        heard = Heard()
        await heard.connect(url)
        await asyncio.wait_for(heard.ended, 30)
    assert heard.messages == [b"one", b"two", b"", b"three", giant]
    assert before <= heard.times[0] <= heard.times[-1] <= now()


async def test_the_venues_pings_are_answered() -> None:
    """A ping is answered with its own payload, as venues demand, and is no message."""
    answered: list[bytes] = []

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        transport.write(frame(PING, b"1795261980"))
        received = await socket.receive()
        assert received.type is WSMsgType.PONG
        answered.append(received.data)
        await socket.close()

    async with server(serve) as url:
        heard = Heard()
        await heard.connect(url)
        await asyncio.wait_for(heard.ended, 30)
    assert answered == [b"1795261980"]
    assert heard.messages == []


async def test_compression_is_not_offered() -> None:
    """The handshake asks for no extension."""
    offered: list[str | None] = []

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        offered.append(socket._req.headers.get("Sec-WebSocket-Extensions") if socket._req else "?")
        await socket.close()

    async with server(serve) as url:
        heard = Heard()
        await heard.connect(url)
        await asyncio.wait_for(heard.ended, 30)
    assert offered == [None]


async def test_the_venues_reason_for_closing_is_told() -> None:
    """Its code and words are the reason."""

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        await socket.close(code=1008, message=b"Too many requests")

    async with server(serve) as url:
        heard = Heard()
        await heard.connect(url)
        assert await asyncio.wait_for(heard.ended, 30) == "closed by the venue: 1008 Too many requests"


async def test_a_connection_that_breaks_is_told_once() -> None:
    """Without a close frame, the end is told all the same; sending afterwards does nothing."""

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        transport.abort()

    async with server(serve) as url:
        heard = Heard()
        socket = await heard.connect(url)
        assert await asyncio.wait_for(heard.ended, 30) == "connection lost"
        socket.send(b"late")
        await socket.close("late")


async def test_closing_takes_what_still_comes() -> None:
    """What the venue writes before it answers our close is still heard."""

    async def serve(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        received = await socket.receive()
        assert received.type is WSMsgType.CLOSE

    async def chatty(socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        socket._autoclose = False
        received = await socket.receive()
        assert received.type is WSMsgType.CLOSE
        transport.write(frame(TEXT, b"last words"))
        await socket.close()

    for each, last in ((serve, []), (chatty, [b"last words"])):
        async with server(each) as url:
            heard = Heard()
            socket = await heard.connect(url)
            await socket.close("we stop")
            assert await heard.ended == "we stop"
            assert heard.messages == last


async def test_what_cannot_be_opened_says_why() -> None:
    """Nobody listening, a refusal in HTTP and an unknown name are each Retry with the address."""
    for url in ("ws://127.0.0.1:1/ws", "ws://no-such-host.invalid/ws"):
        with pytest.raises(Retry, match=url):
            await connect(url, lambda _: None, lambda *_: None, lambda _: None, now)
