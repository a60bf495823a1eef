"""Bybit's API keys.

Sources: bybit-exchange.github.io/docs/v5/guide, "Authentication", and docs/v5/error; topology/secrets/exchanges/bybit.py.
"""

from __future__ import annotations

import datetime
from typing import Any, ClassVar

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.accounts.exchange import Exchange, Signature, digest

NAMES = {"trade": ("Spot", "SpotTrade"), "transfer": ("Wallet", "AccountTransfer"), "withdraw": ("Wallet", "Withdraw")}
REFUSALS = {
    "signature": (10004, "error sign!"),
    "unknown": (10003, "API key is invalid."),
    "expired": (33004, "Your api key has expired."),
}


class Bybit(Exchange):
    """Signs time, key, window and query."""

    name: ClassVar[str] = "bybit"
    path: ClassVar[str] = "/v5/user/query-api"

    def key_of(self, request: web.Request) -> str:
        """Return what X-BAPI-API-KEY says."""
        return request.headers.get("X-BAPI-API-KEY", "")

    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Sign them one behind the other."""
        headers = request.headers
        text = headers.get("X-BAPI-TIMESTAMP", "") + key.key + headers.get("X-BAPI-RECV-WINDOW", "") + request.query_string
        return Signature(digest(key.secret.encode(), text.encode(), "sha256").hex(), headers.get("X-BAPI-SIGN", ""))

    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return the key's permissions by group."""
        may = key.permissions
        given: dict[str, list[str]] = {"ContractTrade": [], "Spot": [], "Wallet": []}
        for one, (group, name) in NAMES.items():
            if one in may:
                given[group].append(name)
        ends = datetime.datetime.fromtimestamp((key.expires_us or 0) / 1e6, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        result = {"readOnly": 0 if may - {"read"} else 1, "permissions": given, "ips": list(key.addresses) or ["*"], "expiredAt": ends}
        return {"retCode": 0, "retMsg": "", "result": result, "retExtInfo": {}, "time": 0}

    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return a code with status 200."""
        number, text = REFUSALS[why]
        return {"retCode": number, "retMsg": text, "result": {}}, 200
