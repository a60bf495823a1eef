"""Kraken's API keys.

Sources: docs.kraken.com, "Spot REST authentication" and the errors of its REST reference; topology/secrets/exchanges/kraken.py.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.accounts.exchange import Exchange, Signature, digest

NAMES = {"read": "query-funds", "trade": "modify-trades", "transfer": "transfer-funds", "withdraw": "withdraw-funds"}


class Kraken(Exchange):
    """Signs path, nonce and body."""

    name: ClassVar[str] = "kraken"
    method: ClassVar[Literal["GET", "POST"]] = "POST"
    path: ClassVar[str] = "/0/private/GetApiKeyInfo"

    def key_of(self, request: web.Request) -> str:
        """Return what API-Key says."""
        return request.headers.get("API-Key", "")

    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Sign the path and the hash of nonce and body, by the secret in base64."""
        nonce = parse_qs(body).get("nonce", [""])[0]
        inner = request.path.encode() + hashlib.sha256((nonce + body).encode()).digest()
        right = base64.b64encode(digest(base64.b64decode(key.secret), inner, "sha512")).decode()
        return Signature(right, request.headers.get("API-Sign", ""))

    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return the key's permissions by name."""
        names = [NAMES[one] for one in sorted(key.permissions)]
        until = str(key.expires_us // 1_000_000 if key.expires_us else 0)
        return {
            "error": [],
            "result": {"apiKeyName": "tests", "permissions": names, "validUntil": until, "ipAllowlist": list(key.addresses)},
        }

    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return an error with status 200."""
        return {"error": ["EAPI:Invalid signature" if why == "signature" else "EAPI:Invalid key"]}, 200
