"""Coinbase's API keys.

Sources: docs.cdp.coinbase.com, "HMAC"; topology/secrets/exchanges/coinbase.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.accounts.exchange import Exchange, Signature, digest


class Coinbase(Exchange):
    """Signs time, method, path and body."""

    name: ClassVar[str] = "coinbase"
    path: ClassVar[str] = "/api/v3/brokerage/key_permissions"

    def key_of(self, request: web.Request) -> str:
        """Return what CB-ACCESS-KEY says."""
        return request.headers.get("CB-ACCESS-KEY", "")

    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Sign them one behind the other."""
        text = request.headers.get("CB-ACCESS-TIMESTAMP", "") + request.method + request.path_qs + body
        return Signature(digest(key.secret.encode(), text.encode(), "sha256").hex(), request.headers.get("CB-ACCESS-SIGN", ""))

    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return three flags; who may transfer may withdraw."""
        may = key.permissions
        flags = {"can_view": "read" in may, "can_trade": "trade" in may, "can_transfer": bool({"transfer", "withdraw"} & may)}
        return flags | {"portfolio_uuid": "", "portfolio_type": "DEFAULT"}

    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return 401, whatever was wrong."""
        return {"error": "unauthorized", "message": "Unauthorized"}, 401
