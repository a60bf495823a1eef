"""Kraken: POST /0/private/GetApiKeyInfo (docs.kraken.com, Spot REST, Account Data, "Get API Key Info"); any key may ask.

Authenticated channels want a token: POST /0/private/GetWebSocketsToken (Spot REST, Trading, "Get Websockets Token"), good for
15 minutes to subscribe with; a connection that is subscribed keeps on.
"""

from collections.abc import Mapping
from typing import Any

from topology.secrets.asking import Question
from topology.secrets.credential import Permission
from topology.secrets.tokens import TokenRequest
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


def websockets_token(answer: Mapping[str, Any]) -> str:
    """Read the token that opens authenticated channels."""
    token = answer["result"]["token"]
    if not isinstance(token, str) or not token:
        raise ValueError("no token")
    return token


REFUSALS = ("EAPI:Invalid signature",)
PROBE = Probe(Question("kraken", "private", "GetApiKeyInfo", "POST", REFUSALS), info)
TOKEN = TokenRequest(Question("kraken", "private", "GetWebSocketsToken", "POST", REFUSALS), websockets_token)
