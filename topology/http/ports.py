"""The HTTP ports we open, each with its bounds. What is not in PORTS can't be served (topology/http/server.py)."""

from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 64 << 10
"""Request line and headers together; clickhouse-connect puts a query's parameters into the request line."""
FIELD_BYTES: Final = 16 << 10
"""One header."""
FIELDS: Final = 64
HEAD_SECONDS: Final = 10.0
"""From a connection, or from the first byte of its next request, to the end of that request's head."""
BODY_SECONDS: Final = 15.0
"""From the head to the end of the body, beside a second for each SLOWEST_BYTES of it."""
SLOWEST_BYTES: Final = 1 << 20
LINGER_SECONDS: Final = 2.0
"""How long what a refused client still sends is read and thrown away, so that it can read why it was refused."""


@dataclass(frozen=True, slots=True)
class Port:
    """One kind of port and its bounds."""

    name: str
    body_bytes: int = 1 << 20
    """Largest body, as sent and as expanded."""
    connections: int = 256
    """Most at a time; one more ends the longest idle, those first that have not yet asked anything, or is not let in."""
    keep_alive_seconds: float = 15.0
    """How long a connection is kept without a request."""
    send_seconds: float | None = 30.0
    """How long a client may leave an answer untaken; None: for ever, where something else ends the slow."""
    compressed: bool = False
    """Whether bodies may be compressed; the application expands them, within `body_bytes`."""


HEALTH: Final = Port("health")
CONTROL: Final = Port("simulator's control")
VENUE: Final = Port("simulated venue", connections=4096, send_seconds=None)
CLICKHOUSE: Final = Port(
    "embedded ClickHouse",
    body_bytes=256 << 20,
    keep_alive_seconds=3600.0,  # a client that reuses a connection just as the server drops it cannot repeat an insert
    send_seconds=300.0,  # a client may work on one block before it takes the next
    compressed=True,
)
PORTS: Final = (HEALTH, CONTROL, VENUE, CLICKHOUSE)
