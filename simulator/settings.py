"""What to simulate, and where to serve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from simulator.catalogue import all_venues


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """One run of the simulator; port 0 takes a free one."""

    seed: int = 7
    bases: tuple[str, ...] = ("BTC", "ETH")
    venues: tuple[str, ...] = field(default_factory=lambda: tuple(all_venues()))
    rate: float = 2000.0
    """Frames per second of market time, over all venues and streams."""
    speed: float = 1.0
    """Market seconds per wall second, in the running mode."""
    levels: int = 1000
    trade_share: float = 0.3
    start_us: int | None = None
    """First microsecond of the market; without it 2026-01-01 with the clock moved by hand, now in the running mode."""
    history: int = 100_000
    """Book changes of each instrument that the truth can undo."""
    host: str = "127.0.0.1"
    allowed_hosts: tuple[str, ...] = ()
    """Names that a request's Host may have beside those of loopback and the address it came in at."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port of each venue; one left out gets a free one."""
    control_port: int = 0
    ping_seconds: float = 20.0
    heartbeat_seconds: float = 1.0
    orders: bool = False
    """Whether changes of single orders are remembered, so that they can be told afterwards."""
    slow_client_bytes: int = 64 << 20
    """In the running mode a connection with a longer backlog is ended."""
