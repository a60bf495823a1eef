"""API keys of simulated accounts: what each may do, until when, and whether a request is signed by its secret.

Sources of the signatures: binance-spot-api-docs, rest-api.md, "SIGNED request security"; docs.kraken.com, "Spot REST authentication";
docs.cdp.coinbase.com, "HMAC"; bybit-exchange.github.io/docs/v5/guide, "Authentication"; okx.com/docs-v5, "Generating an APIKey".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import web


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

    async def signed(self, exchange: str, request: web.Request) -> ApiKey:
        """Return the key that signed a request. Raises Refusal."""
        headers = request.headers
        body = await request.text()
        path = request.path_qs
        if exchange == "binance":
            key = self.found(exchange, headers.get("X-MBX-APIKEY", ""))
            text, _, given = request.query_string.rpartition("&signature=")
            right = digest(key.secret.encode(), text.encode(), "sha256").hex()
        elif exchange == "kraken":
            key = self.found(exchange, headers.get("API-Key", ""))
            nonce = parse_qs(body).get("nonce", [""])[0]
            inner = request.path.encode() + hashlib.sha256((nonce + body).encode()).digest()
            right = base64.b64encode(digest(base64.b64decode(key.secret), inner, "sha512")).decode()
            given = headers.get("API-Sign", "")
        elif exchange == "coinbase":
            key = self.found(exchange, headers.get("CB-ACCESS-KEY", ""))
            right = digest(
                key.secret.encode(), (headers.get("CB-ACCESS-TIMESTAMP", "") + request.method + path + body).encode(), "sha256"
            ).hex()
            given = headers.get("CB-ACCESS-SIGN", "")
        elif exchange == "bybit":
            key = self.found(exchange, headers.get("X-BAPI-API-KEY", ""))
            text = headers.get("X-BAPI-TIMESTAMP", "") + key.key + headers.get("X-BAPI-RECV-WINDOW", "") + request.query_string
            right = digest(key.secret.encode(), text.encode(), "sha256").hex()
            given = headers.get("X-BAPI-SIGN", "")
        else:
            key = self.found(exchange, headers.get("OK-ACCESS-KEY", ""))
            text = headers.get("OK-ACCESS-TIMESTAMP", "") + request.method + path + body
            right = base64.b64encode(digest(key.secret.encode(), text.encode(), "sha256")).decode()
            given = headers.get("OK-ACCESS-SIGN", "")
            if headers.get("OK-ACCESS-PASSPHRASE", "") != key.passphrase:
                raise Refusal("signature")
        if not hmac.compare_digest(right, given):
            raise Refusal("signature")
        self.asked += 1
        return key


def digest(secret: bytes, text: bytes, kind: str) -> bytes:
    """Return the HMAC of a text."""
    return hmac.new(secret, text, kind).digest()
