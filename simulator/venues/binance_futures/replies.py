"""How Binance's futures answer a request: with JSON and the weight used so far, or with a code and words."""

from __future__ import annotations

from typing import Any

from aiohttp import web


def reply(document: Any) -> web.Response:
    """Return a good answer, from JSON's text or from what it says."""
    headers = {"X-MBX-USED-WEIGHT-1M": "1"}
    if isinstance(document, str):
        return web.Response(text=document, content_type="application/json", headers=headers)
    return web.json_response(document, headers=headers)


def failure(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error."""
    return web.json_response({"code": code, "msg": message}, status=status, headers=headers)
