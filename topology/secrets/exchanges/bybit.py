"""Bybit: GET /v5/user/query-api (bybit-exchange.github.io/docs/v5/user/apikey-info); any key may ask.

`expiredAt` is given for keys that are bound to no IP address; such keys end after three months.
"""

import datetime
from collections.abc import Mapping
from typing import Any

from topology.secrets.asking import Question
from topology.secrets.credential import Permission
from topology.secrets.validation import Abilities, Probe


def information(answer: Mapping[str, Any]) -> Abilities:
    """Read the key's information."""
    result = answer["result"]
    given = {name for names in result["permissions"].values() for name in names}
    may: set[Permission] = {"read"}
    if str(result["readOnly"]) == "0":
        if given & {"SpotTrade", "Order", "Position", "OptionsTrade", "DerivativesTrade"}:
            may.add("trade")
        if given & {"AccountTransfer", "SubMemberTransfer", "SubMemberTransferList"}:
            may.add("transfer")
        if "Withdraw" in given:
            may.add("withdraw")
    addresses = [one for one in result.get("ips") or [] if one != "*"]
    return Abilities(frozenset(may), _time(result.get("expiredAt")), any_address=not addresses)


def _time(text: str | None) -> int | None:
    """Return 2026-03-01T00:00:00Z in microseconds since 1970 UTC; null for none, which is written as the year 1970 or nothing."""
    if not text or text.startswith(("1970", "0001")):
        return None
    return int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000


PROBE = Probe(Question("bybit", "private", "v5/user/query-api"), information)
