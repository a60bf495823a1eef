"""Loopback ports: chosen free at the first start, remembered, and replaced only when another process holds them."""

import json
import socket
from pathlib import Path

from topology import private

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def remembered_ports(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    """Give each name the port that the JSON file `path` remembers if it is still free, else a new one; write them back."""
    ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    # All sockets stay open until every name has its port, so that no two names are given the same one.
    held = []
    for name in names:
        if name in ports and is_free(ports[name]):
            continue
        probe = socket.socket()
        probe.bind((HOST, 0))
        held.append(probe)
        ports[name] = probe.getsockname()[1]
    for probe in held:
        probe.close()
    private.write(path, json.dumps(ports))
    return ports
