"""Loopback ports: chosen free at the first start, remembered, and replaced only when another process holds them."""

import json
import socket
from pathlib import Path
from typing import Annotated

import msgspec

from topology import private
from topology.contents import content
from topology.errors import Fatal

HOST = "127.0.0.1"
MOST_BYTES = 65_536
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


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
    """Give each name the port that the JSON file `path` remembers if it is still free, else a new one; write them back.

    Raises Fatal where what is there is no such file.
    """
    ports = _read(path)
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


def _read(path: Path) -> dict[str, int]:
    try:
        found: dict[str, int] = msgspec.json.decode(content(path, MOST_BYTES), type=dict[str, Port])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Fatal(f"{path} can't be read ({error.strerror}): mend it, or take it away, and new ports are chosen") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Fatal(f"{path} is no list of ports by name: take it away, and new ones are chosen") from error
    return found
