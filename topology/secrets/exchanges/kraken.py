"""Kraken: POST /0/private/GetApiKeyInfo (docs.kraken.com, Spot REST, Account Data, "Get API Key Info"); any key may ask."""

from collections.abc import Mapping
from typing import Any

from topology.secrets.credential import Permission
from topology.secrets.validation import Abilities, Probe

WORDS: tuple[tuple[str, Permission], ...] = (
    ("withdraw", "withdraw"),
    ("modify", "trade"),
    ("close-trades", "trade"),
    ("cancel", "trade"),
    ("transfer", "transfer"),
    ("query", "read"),
)
"""What in a permission's name says what it lets do."""


def info(answer: Mapping[str, Any]) -> Abilities:
    """Read the key's info; validUntil is in seconds, 0 for never."""
    result = answer["result"]
    names = [str(name).lower().replace("_", "-") for name in result["permissions"]]
    may = frozenset(permission for word, permission in WORDS for name in names if word in name)
    until = int(result.get("validUntil") or 0)
    return Abilities(may, until * 1_000_000 if until else None, any_address=not result.get("ipAllowlist"))


PROBE = Probe("kraken", "private", "GetApiKeyInfo", info, method="POST", refusals=("EAPI:Invalid signature",))
