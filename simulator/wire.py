"""Messages on their way to clients: who gets what, encoded once, written in few system calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

SMALL, MEDIUM = 126, 65_536


def text_frame(text: str) -> bytes:
    """Return a whole unmasked websocket text frame (RFC 6455, section 5.2)."""
    payload = text.encode()
    length = len(payload)
    if length < SMALL:
        return bytes((0x81, length)) + payload
    if length < MEDIUM:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


@dataclass(slots=True)
class Message:
    """One message of one stream, before it is written for a connection.

    `render(variant, shift_us)` gives its text; `variant` is what a connection asked for, in bits of the venue's own (combined or
    raw, milliseconds or microseconds), `shift_us` moves every time in it.
    """

    symbol: str
    """Canonical."""
    channel: str
    """The venue's own word."""
    first: int
    """The first trade id or book update id it carries."""
    last: int
    time_us: int
    render: Callable[[int, int], str]
    snapshot: bool = False
    checked: bool = False
    """Whether it carries a checksum (`"checksum":…`) that `bad_checksum` can spoil."""
    giant: Callable[[int], Callable[[int, int], str]] | None = None
    """`giant(levels)` gives a render with that many harmless levels more."""


@dataclass(slots=True)
class Sent:
    """What went out of one stream over one connection."""

    messages: int = 0
    first: int = 0
    last: int = 0


@dataclass(eq=False)
class Connection:
    """One client's websocket."""

    number: int
    socket: web.WebSocketResponse
    transport: asyncio.Transport
    variant: int = 0
    streams: dict[str, int] = field(default_factory=dict)
    """Streams subscribed, in order, with whatever number the venue keeps beside one."""
    sent: dict[str, Sent] = field(default_factory=dict)
    """By `symbol channel`."""
    frames: int = 0
    last_write: float = 0.0
    last_pong: float = 0.0
    keys: dict[str, str] = field(default_factory=dict)
    """API keys it was opened with, by the token that said so."""
    _waiting: list[bytes] = field(default_factory=list)

    def enqueue(self, frame: bytes) -> None:
        """Put an encoded frame behind those that wait."""
        self._waiting.append(frame)
        self.frames += 1

    def say(self, text: str) -> None:
        """Put a reply behind what waits, and write all of it."""
        self.enqueue(text_frame(text))
        self.flush()

    def note(self, message: Message) -> None:
        """Count a message as sent."""
        key = f"{message.symbol} {message.channel}"
        sent = self.sent.get(key)
        if sent is None:
            sent = self.sent[key] = Sent(first=message.first)
        sent.messages += 1
        sent.last = message.last

    def flush(self) -> bool:
        """Hand everything that waits to the socket in one write; returns whether there was anything."""
        if not self._waiting:
            return False
        if not self.transport.is_closing():
            self.transport.write(b"".join(self._waiting))
        self._waiting.clear()
        return True

    def backlog(self) -> int:
        """Bytes the client has not taken yet."""
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()
