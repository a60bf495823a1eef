"""How Binance says that a request is not answered: a status, and a body of `{"code":-1121,"msg":"Invalid symbol."}`. Pure.

Sources: https://github.com/binance/binance-spot-api-docs/blob/master/rest-api.md ("HTTP Return Codes": 403 is the firewall's, which
may be a limit; 5xx are the venue's own) and https://github.com/binance/binance-spot-api-docs/blob/master/errors.md (the codes).
"""

from collections.abc import Mapping

import msgspec

from dialects.contract import Refusal
from dialects.retry_after import patience

FIREWALL = 403
PASSING: Mapping[int, float] = {-1000: 0, -1001: 0, -1004: 0, -1006: 0, -1007: 0, -1008: 60, -1016: 60, -1034: 60}
"""Codes that say nothing of the request, and the seconds after which to ask again: -1008 asks for "a few minutes", -1016 is a server
that goes, -1034 too many connections."""
LIMITED = {-1003, -1015}
"""It was asked too often."""
LASTING = {-1002, -1013, -1014, -1020, -1022, -2008, -2014, -2015}
"""Codes of a request that is wrong, beside all of "11xx - Request issues"."""
REQUEST_ISSUES = range(-1199, -1099)


class _Outcome(msgspec.Struct):
    """As much of a reply as tells whether it is one."""

    code: int | None = None
    msg: str = ""


_decode = msgspec.json.Decoder(_Outcome).decode


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Return why a reply is no answer as far as the firewall's status or the venue's code says so; None where neither does."""
    if status == FIREWALL:
        words, seconds = patience(headers)
        return Refusal(f"refused by the venue's firewall (status {status}); {words}", seconds, limited=True)
    try:
        outcome = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    code = outcome.code
    if code is None or code >= 0:
        return None
    words = f"{outcome.msg[:200]} (code {code})"
    if code in LIMITED:
        asked, seconds = patience(headers)
        return Refusal(f"{words}; {asked}", seconds, limited=True)
    if code in PASSING:
        return Refusal(words, PASSING[code])
    lasts = code in LASTING or code in REQUEST_ISSUES
    return Refusal(words) if lasts else Refusal(words, 0, unclear=True)
