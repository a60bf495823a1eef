"""What a simulated venue stands in: the market, the faults, the accounts and the clock, the same for every venue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulator.accounts.accounts import Accounts
from simulator.fault_desk import FaultDesk
from simulator.market import Listing
from simulator.truth import Truth


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a venue may be made of; each takes what it needs."""

    truth: Truth
    desk: FaultDesk
    clock: Callable[[], float]
    """Monotonic seconds."""
    accounts: Accounts
    ping_seconds: float = 20.0
    """Seconds between two pings of the websocket protocol, at venues that send them."""
    heartbeat_seconds: float = 1.0
    """Seconds of quiet after which a venue that speaks heartbeats sends one."""
    orders: bool = False
    """Whether changes of single orders are remembered, so that they can be told afterwards."""

    def listings(self, venue: str) -> dict[str, Listing]:
        """Return what a venue lists, by `Instrument.symbol`."""
        return {symbol: listing for (at, symbol), listing in self.truth.market.listings.items() if at == venue}
