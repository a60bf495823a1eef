"""A client of bytes: what no well-behaved one sends."""

import socket
from contextlib import closing, suppress
from typing import NamedTuple

PATIENCE = 60.0


class Reply(NamedTuple):
    """Status (0: the connection ended without an answer) and all that came."""

    status: int
    text: bytes


def connect(address: str) -> socket.socket:
    """Connect to host:port."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)


def all_of(client: socket.socket) -> Reply:
    """Read until the server ends the connection."""
    found = b""
    try:
        while part := client.recv(1 << 16):
            found += part
    except ConnectionError:
        pass
    words = found.split(b" ", 2)
    return Reply(int(words[1]) if len(words) > 2 else 0, found)


def ask(address: str, *lines: str, body: bytes = b"") -> Reply:
    """Send a request of these lines and a body; return what came until the end of the connection."""
    with closing(connect(address)) as client:
        with suppress(ConnectionError):
            client.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return all_of(client)
