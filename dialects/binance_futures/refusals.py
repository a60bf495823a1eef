"""How Binance's futures say that a request is not answered: a status, and a body of `{"code":-1121,"msg":"Invalid symbol."}`. Pure.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info ("HTTP Return Codes": 403 is the firewall's,
which may be a limit; 503 says that a busy server did not take it) and
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code; COIN-M's pages say the same.
"""

from collections.abc import Mapping

import msgspec

from dialects.contract import Refusal
from dialects.retry_after import patience

FIREWALL = 403
PASSING: Mapping[int, float] = {-1000: 0, -1001: 0, -1006: 0, -1007: 0, -1008: 60, -1016: 60}
"""Codes that say nothing of the request, and the seconds after which to ask again: an unknown error, one of the venue's own, an answer
that did not come, a busy server, one that goes."""
LIMITED = {-1003, -1015}
"""It was asked too often."""
LASTING = {-1002, -1010, -1011, -1013, -1014, -1020, -1022, -1023, -2014, -2015}
"""Codes of a request that is wrong, or not allowed, beside all of "11xx - Request issues" and "40xx - Filters and other Issues"."""
REQUEST_ISSUES = range(-1199, -1099)
OTHER_ISSUES = range(-4999, -3999)


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
    outcome = outcome_of(body)
    if outcome is None:
        return None
    code, words = outcome
    if code in LIMITED:
        asked, seconds = patience(headers)
        return Refusal(f"{words}; {asked}", seconds, limited=True)
    if code in PASSING:
        return Refusal(words, PASSING[code])
    lasts = code in LASTING or code in REQUEST_ISSUES or code in OTHER_ISSUES
    return Refusal(words) if lasts else Refusal(words, 0, unclear=True)


def outcome_of(body: bytes) -> tuple[int, str] | None:
    """Return code and words of a reply that is an error; None where it is none. Never raises."""
    try:
        outcome = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    code = outcome.code
    return None if code is None or code >= 0 else (code, f"{outcome.msg[:200]} (code {code})")
