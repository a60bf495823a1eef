"""What each exchange answers when a key asks what it may do, and how each refuses one.

Sources: the documents named in topology/secrets/exchanges/*.py; refusals from each exchange's list of error codes.
"""

from __future__ import annotations

import datetime
from typing import Any

from aiohttp import web

from simulator.accounts.accounts import Accounts, ApiKey, Refusal

PATHS = {
    "binance": ("GET", "/sapi/v1/account/apiRestrictions"),
    "kraken": ("POST", "/0/private/GetApiKeyInfo"),
    "coinbase": ("GET", "/api/v3/brokerage/key_permissions"),
    "bybit": ("GET", "/v5/user/query-api"),
    "okx": ("GET", "/api/v5/account/config"),
}
KRAKEN_NAMES = {"read": "query-funds", "trade": "modify-trades", "transfer": "transfer-funds", "withdraw": "withdraw-funds"}
BYBIT_NAMES = {"trade": ("Spot", "SpotTrade"), "transfer": ("Wallet", "AccountTransfer"), "withdraw": ("Wallet", "Withdraw")}

BYBIT_REFUSALS = {
    "signature": (10004, "error sign!"),
    "unknown": (10003, "API key is invalid."),
    "expired": (33004, "Your api key has expired."),
}


def add_routes(router: web.UrlDispatcher, accounts: Accounts, exchange: str) -> None:
    """Let an exchange's REST host answer."""

    async def answer(request: web.Request) -> web.Response:
        try:
            key = await accounts.signed(exchange, request)
        except Refusal as refusal:
            body, status = refused(exchange, str(refusal))
            return web.json_response(body, status=status)
        return web.json_response(told(key))

    method, path = PATHS[exchange]
    router.add_route(method, path, answer)


def app(accounts: Accounts) -> web.Application:
    """Return a server that speaks for every exchange: none of their paths is another's."""
    made = web.Application()
    for exchange in PATHS:
        add_routes(made.router, accounts, exchange)
    return made


def told(key: ApiKey) -> dict[str, Any]:
    """Return what an exchange says of a key."""
    may = key.permissions
    if key.exchange == "binance":
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
    if key.exchange == "kraken":
        names = [KRAKEN_NAMES[one] for one in sorted(may)]
        until = str(key.expires_us // 1_000_000 if key.expires_us else 0)
        return {
            "error": [],
            "result": {"apiKeyName": "tests", "permissions": names, "validUntil": until, "ipAllowlist": list(key.addresses)},
        }
    if key.exchange == "coinbase":
        flags = {"can_view": "read" in may, "can_trade": "trade" in may, "can_transfer": bool({"transfer", "withdraw"} & may)}
        return flags | {"portfolio_uuid": "", "portfolio_type": "DEFAULT"}
    if key.exchange == "bybit":
        given: dict[str, list[str]] = {"ContractTrade": [], "Spot": [], "Wallet": []}
        for one, (group, name) in BYBIT_NAMES.items():
            if one in may:
                given[group].append(name)
        ends = datetime.datetime.fromtimestamp((key.expires_us or 0) / 1e6, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        result = {"readOnly": 0 if may - {"read"} else 1, "permissions": given, "ips": list(key.addresses) or ["*"], "expiredAt": ends}
        return {"retCode": 0, "retMsg": "", "result": result, "retExtInfo": {}, "time": 0}
    names = [{"read": "read_only"}.get(one, one) for one in sorted(may & {"read", "trade", "withdraw"})]
    return {"code": "0", "msg": "", "data": [{"perm": ",".join(names), "ip": ",".join(key.addresses), "label": "tests"}]}


def refused(exchange: str, why: str) -> tuple[dict[str, Any], int]:
    """Return an exchange's refusal and its status."""
    wrong = why == "signature"
    if exchange == "binance":
        if wrong:
            return {"code": -1022, "msg": "Signature for this request is not valid."}, 400
        return {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, 401
    if exchange == "kraken":
        return {"error": ["EAPI:Invalid signature" if wrong else "EAPI:Invalid key"]}, 200
    if exchange == "coinbase":
        return {"error": "unauthorized", "message": "Unauthorized"}, 401
    if exchange == "bybit":
        number, text = BYBIT_REFUSALS[why]
        return {"retCode": number, "retMsg": text, "result": {}}, 200
    code, words = ("50113", "Invalid Sign") if wrong else ("50111", "Invalid OK-ACCESS-KEY")
    return {"code": code, "msg": words, "data": []}, 401
