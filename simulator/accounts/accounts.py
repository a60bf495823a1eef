"""API keys of simulated accounts: what each may do, and until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. `permissions` in our words: read, trade, transfer, withdraw."""

    exchange: str
    key: str
    secret: str
    permissions: frozenset[str] = frozenset({"read"})
    expires_us: int | None = None
    """Microseconds since 1970 UTC from which it is refused; null: never."""
    addresses: tuple[str, ...] = ()
    """IP addresses it is bound to."""
    passphrase: str = ""


class Refusal(Exception):
    """Why a request is refused: `unknown`, `expired` or `signature`."""


class Accounts:
    """Every key there is. `now` gives microseconds since 1970 UTC."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self._keys: dict[tuple[str, str], ApiKey] = {}
        self.asked = 0
        """Requests that were signed rightly by a living key."""

    def add(self, key: ApiKey) -> None:
        """Add a key, or change one."""
        self._keys[key.exchange, key.key] = key

    def end(self, exchange: str, key: str) -> None:
        """Take a key away, as its owner does at the exchange."""
        del self._keys[exchange, key]

    def found(self, exchange: str, name: str) -> ApiKey:
        """Return a living key. Raises Refusal."""
        key = self._keys.get((exchange, name))
        if key is None:
            raise Refusal("unknown")
        if key.expires_us is not None and key.expires_us <= self.now():
            raise Refusal("expired")
        return key
