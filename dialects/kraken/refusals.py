"""How Kraken says that a request is not answered: words in the list `error`, with status 200. Pure.

Each begins with its severity, E for an error or W for a warning, and its category: `EQuery:Unknown asset pair`. A result may stand
beside a warning, and is then the answer. Sources: https://support.kraken.com/articles/360001491786-api-error-messages (severity, what
each means, how long a lockout lasts), https://docs.kraken.com/api/docs/guides/spot-rest-ratelimits,
https://docs.kraken.com/exchange/guides/general/errors.
"""

from collections.abc import Sequence

import msgspec

from dialects.bodies import said
from dialects.contract import Refusal
from dialects.retry_after import LIMITED_SECONDS

LIMITED = ("EAPI:Rate limit exceeded", "EGeneral:Too many requests", "EService:Throttled")
"""It was asked too often."""
LOCKED = "EGeneral:Temporary lockout"
LOCKED_SECONDS = 900.0
"""A lockout lasts for some 15 minutes."""
PASSING = ("EService:", "EGeneral:Internal error", "EGeneral:Unknown error")
"""It can't answer for now: what is of the service is never of the request."""
LASTING = ("EQuery:", "EGeneral:Invalid arguments", "EGeneral:Permission denied", "EGeneral:Unknown method", "EAPI:Feature disabled")
"""The request itself is wrong, and will be the next time."""


class _Outcome(msgspec.Struct):
    """As much of a reply as tells whether it is one."""

    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Outcome).decode


def errors(words: Sequence[str]) -> list[str]:
    """Return those of a reply's words that are no mere warnings."""
    return [one for one in words if not one.startswith("W")]


def refusal(body: bytes) -> Refusal | None:
    """Return why a JSON reply with status 200 is no answer, in the venue's words; None where it is one."""
    try:
        outcome = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Refusal(f"a reply of another form: {said(body)}", 0, unclear=True)
    wrong = errors(outcome.error)
    if not wrong:
        if bytes(outcome.result) not in {b"", b"null"}:
            return None
        return Refusal(f"neither an error nor a result: {said(body)}", 0, unclear=True)
    words = ", ".join(wrong)[:200]
    plain = [one.replace(": ", ":") for one in wrong]
    if any(one.startswith(LOCKED) for one in plain):
        return Refusal(words, LOCKED_SECONDS, limited=True)
    if any(one.startswith(LIMITED) for one in plain):
        return Refusal(f"too many requests: {words}", LIMITED_SECONDS, limited=True)
    if any(one.startswith(PASSING) for one in plain):
        return Refusal(words, 0)
    lasts = all(one.startswith(LASTING) for one in plain)
    return Refusal(words) if lasts else Refusal(words, 0, unclear=True)
