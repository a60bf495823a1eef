"""OKX: GET /api/v5/account/config (okx.com/docs-v5, "Get account configuration"): `perm` of the key that asks, `ip` it is bound to."""

from collections.abc import Mapping
from typing import Any

from topology.secrets.asking import Question
from topology.secrets.credential import Permission
from topology.secrets.validation import Abilities, Probe

NAMES: Mapping[str, Permission] = {"read_only": "read", "trade": "trade", "withdraw": "withdraw"}


def configuration(answer: Mapping[str, Any]) -> Abilities:
    """Read the configuration; a key with `trade` or `withdraw` may read too."""
    one = answer["data"][0]
    may = frozenset(NAMES[name] for name in str(one["perm"]).split(",") if name in NAMES)
    return Abilities(may | {"read"} if may else may, any_address=not one.get("ip"))


PROBE = Probe(Question("okx", "private", "account/config"), configuration)
