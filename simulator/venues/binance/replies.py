"""How Binance, spot and futures, answers a request: with JSON and the weight used so far, or with a code and words.

Source: binance/binance-spot-api-docs, errors.md; https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from simulator.market import Listing


def reply(document: Any) -> web.Response:
    """Return a good answer, from JSON's text or from what it says."""
    headers = {"X-MBX-USED-WEIGHT-1M": "1"}
    if isinstance(document, str):
        return web.Response(text=document, content_type="application/json", headers=headers)
    return web.json_response(document, headers=headers)


def failure(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error."""
    return web.json_response({"code": code, "msg": message}, status=status, headers=headers)


def asked(request: web.Request, listings: Mapping[str, Listing], default: int, largest: int) -> tuple[Listing, int] | web.Response:
    """Return whose rows a request wants, and how many; or the error where it says neither well. `listings` by the venue's spelling."""
    symbol = request.query.get("symbol", "")
    if not symbol:
        return failure(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    listing = listings.get(symbol)
    if listing is None:
        return failure(-1121, "Invalid symbol.")
    limit = request.query.get("limit", str(default))
    if not limit.isdigit() or int(limit) == 0:
        return failure(-1100, "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.")
    return listing, min(int(limit), largest)
