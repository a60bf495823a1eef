"""One websocket: bytes in, bytes out, and one call when it ends. By picows, chosen by measurement (bench/websocket_clients.py).

Compression is not offered (permessage-deflate costs more CPU than loopback or a data centre saves), the venue's pings are
answered in the protocol, and a peer that answers no ping of ours is gone: a half-open connection is found without traffic.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from picows import WSAutoPingStrategy, WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from topology.errors import Retry

MOST_BYTES = 64 * 1024 * 1024
"""Largest frame taken. A full book is over 5 MB at some venues; picows' own default is 10 MB."""
HANDSHAKE_SECONDS = 10.0
PING_AFTER = 10.0
"""Seconds without any frame after which we ping; the peer has as long again to answer."""
CLOSE_SECONDS = 2.0

Heard = Callable[[bytes, int], None]
"""Told of each whole message: its bytes, and when it came in microseconds since 1970 UTC. Called by the socket in the event loop, in order
of arrival; it must not block, for nothing is read meanwhile."""
Ended = Callable[[str], None]
"""Told once why the connection ended, after the last message; in the event loop."""


class Socket(WSListener):
    """An open websocket."""

    def __init__(self, connected: "Connected", heard: Heard, ended: Ended, now: Callable[[], int]) -> None:
        self._connected = connected
        self._heard = heard
        self._ended = ended
        self._now = now
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._reason = ""
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport and say that it is open (called by picows, before the first frame)."""
        self._transport = transport
        self._connected(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand a message on, once whole (called by picows)."""
        received_at = self._now()
        kind = frame.msg_type
        if kind == WSMsgType.TEXT or kind == WSMsgType.BINARY:  # noqa: PLR1714 - two comparisons are faster than a set
            if frame.fin:
                self._heard(frame.get_payload_as_bytes(), received_at)
            else:
                self._parts, self._parts_size = [frame.get_payload_as_bytes()], frame.payload_size
        elif kind == WSMsgType.CONTINUATION:
            self._continue(transport, frame, received_at)
        elif kind == WSMsgType.CLOSE:
            code, words = frame.get_close_code(), frame.get_close_message()
            said = f"closed by the venue: {getattr(code, 'value', code)} {(words or b'').decode(errors='replace')}".rstrip()
            self._reason = self._reason or said
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def _continue(self, transport: WSTransport, frame: WSFrame, received_at: int) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += frame.payload_size
        if self._parts_size > MOST_BYTES:
            self._reason = f"a message in parts is larger than {MOST_BYTES} bytes"
            transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
            transport.disconnect()
        elif frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self._heard(whole, received_at)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the signature is picows'
        """Say that it ended (called by picows, once)."""
        self._ended(self._reason or "connection lost")

    def send(self, message: bytes) -> None:
        """Send a text message; nothing where the connection has ended, which `ended` has told."""
        if self._transport is not None and not self._transport.is_disconnected and not self._transport.is_close_frame_sent:
            self._transport.send(WSMsgType.TEXT, message)

    async def close(self, reason: str) -> None:
        """Close by the protocol, taking what still comes in, and return when it is over."""
        transport = self._transport
        if transport is None or transport.is_disconnected:
            return
        self._reason = self._reason or reason
        transport.send_close(WSCloseCode.OK)
        try:
            await asyncio.wait_for(transport.wait_disconnected(), CLOSE_SECONDS)
        except TimeoutError:
            transport.disconnect(graceful=False)
            await transport.wait_disconnected()


Connected = Callable[[Socket], None]
"""Told once that the connection is open, before anything is heard on it."""


async def connect(url: str, connected: Connected, heard: Heard, ended: Ended, now: Callable[[], int]) -> Socket:
    """Open a websocket; TLS by the default context for wss. Raises Retry, with the reason, where it can't be opened.

    `connected`, `heard` and `ended` are called in the event loop and must not block.
    """
    options: dict[str, Any] = {
        "max_frame_size": MOST_BYTES,
        "websocket_handshake_timeout": HANDSHAKE_SECONDS,
        "enable_auto_pong": True,
        "enable_auto_ping": True,
        "auto_ping_idle_timeout": PING_AFTER,
        "auto_ping_reply_timeout": PING_AFTER,
        "auto_ping_strategy": WSAutoPingStrategy.PING_WHEN_IDLE,
    }
    try:
        async with asyncio.timeout(2 * HANDSHAKE_SECONDS):
            _, socket = await ws_connect(lambda: Socket(connected, heard, ended, now), url, **options)
    except (OSError, WSError, TimeoutError, ValueError) as error:
        raise Retry(f"{url}: {error or type(error).__name__}") from error
    assert isinstance(socket, Socket)
    return socket
