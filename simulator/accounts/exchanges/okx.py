"""OKX's API keys.

Sources: okx.com/docs-v5, "Generating an APIKey" and "Error Code"; topology/secrets/exchanges/okx.py.
"""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from aiohttp import web

from simulator.accounts.accounts import ApiKey
from simulator.accounts.exchange import Exchange, Signature, digest


class Okx(Exchange):
    """Signs time, method, path and body, and wants a passphrase beside."""

    name: ClassVar[str] = "okx"
    path: ClassVar[str] = "/api/v5/account/config"

    def key_of(self, request: web.Request) -> str:
        """Return what OK-ACCESS-KEY says."""
        return request.headers.get("OK-ACCESS-KEY", "")

    def signature(self, key: ApiKey, request: web.Request, body: str) -> Signature:
        """Sign them one behind the other; without the right passphrase no signature is right."""
        headers = request.headers
        text = headers.get("OK-ACCESS-TIMESTAMP", "") + request.method + request.path_qs + body
        right = base64.b64encode(digest(key.secret.encode(), text.encode(), "sha256")).decode()
        return Signature(right, headers.get("OK-ACCESS-SIGN", "") if headers.get("OK-ACCESS-PASSPHRASE", "") == key.passphrase else "")

    def told(self, key: ApiKey) -> dict[str, Any]:
        """Return the key's permissions as one text; it has no word for transfers."""
        names = [{"read": "read_only"}.get(one, one) for one in sorted(key.permissions & {"read", "trade", "withdraw"})]
        return {"code": "0", "msg": "", "data": [{"perm": ",".join(names), "ip": ",".join(key.addresses), "label": "tests"}]}

    def refused(self, why: str) -> tuple[dict[str, Any], int]:
        """Return a code as text, with status 401."""
        code, words = ("50113", "Invalid Sign") if why == "signature" else ("50111", "Invalid OK-ACCESS-KEY")
        return {"code": code, "msg": words, "data": []}, 401
