"""Binance's API keys.

Sources: binance-spot-api-docs, rest-api.md, "SIGNED request security", and errors.md; topology/secrets/exchanges/binance.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.accounts.exchange import Exchange, Signature, digest


class Binance(Exchange):
    """Signs the query."""

    name: ClassVar[str] = "binance"
    path: ClassVar[str] = "/sapi/v1/account/apiRestrictions"

    def key_of(self, request: web.Request) -> str:
        """Return what X-MBX-APIKEY says."""
        return request.headers.get("X-MBX-APIKEY", "")

    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Sign all of the query before the signature."""
        text, _, given = request.query_string.rpartition("&signature=")
        return Signature(digest(key.secret.encode(), text.encode(), "sha256").hex(), given)

    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return one flag for each thing a key may do."""
        may = key.permissions
        return {
            "ipRestrict": bool(key.addresses),
            "createTime": 1_623_840_271_000,
            "enableReading": "read" in may,
            "enableWithdrawals": "withdraw" in may,
            "enableInternalTransfer": "transfer" in may,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": "trade" in may,
        }

    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return a negative code."""
        if why == "signature":
            return {"code": -1022, "msg": "Signature for this request is not valid."}, 400
        return {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401
