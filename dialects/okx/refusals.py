"""How OKX says that a request is not answered: `{"code":"51001","msg":"Instrument ID doesn't exist","data":[]}`, whatever the status.

Source: https://www.okx.com/docs-v5/en/#error-code-rest-api-public. Limits count requests of two seconds for each path
(https://www.okx.com/docs-v5/en/#overview-production-trading-services), so that is how long nobody asks.
"""

import msgspec

from dialects.bodies import is_json, said
from dialects.contract import Refusal

LIMITED_SECONDS = 2.0
LIMITED = {"50011", "50040", "50061"}
"""It was asked too often."""
PASSING = {"50001": 5.0, "50004": 0.0, "50013": 5.0, "50026": 0.0, "50046": 60.0, "50062": 60.0}
"""The service is away for a while, timed out, is busy or failed: it says nothing of the request. Seconds after which to ask again."""
LASTING = {
    *("50002", "50005", "50006", "50014", "50015", "50016", "50024", "50025", "50030", "50035", "50038", "50039", "50047", "50051"),
    *("50067", "50076", "50077", "50115", "50121", "51000", "51001", "51002"),
}
"""The request itself is wrong or not allowed: its parameters, its instrument, its path, who asks and from where."""


class _Outcome(msgspec.Struct):
    """As much of a reply as tells whether it is one."""

    code: str
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Outcome).decode


def refusal(status: int, body: bytes) -> Refusal | None:
    """Return why a reply is no answer as far as the venue's code says so; None where it is one, or where nothing is said of it."""
    answers = 200 <= status < 300
    try:
        outcome = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Refusal(f"a reply of another form: {said(body)}", 0, unclear=True) if answers and is_json(body) else None
    code, words = outcome.code, f"{outcome.msg[:200]} (code {outcome.code[:20]})"
    if code in LIMITED:
        return Refusal(words, LIMITED_SECONDS, limited=True)
    if code == "0":
        return (
            None
            if not answers or bytes(outcome.data).startswith(b"[")
            else Refusal(f"neither an error nor data: {said(body)}", 0, unclear=True)
        )
    return Refusal(words) if code in LASTING else Refusal(words, PASSING.get(code, 0.0), unclear=code not in PASSING)
