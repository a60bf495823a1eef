"""Coinbase Advanced: GET /api/v3/brokerage/key_permissions (docs.cdp.coinbase.com, "Get API Key Permissions").

`can_transfer` covers transfers between portfolios and sends to addresses outside, so it counts as withdrawing.
"""

from collections.abc import Mapping
from typing import Any

from topology.secrets.asking import Question
from topology.secrets.credential import Permission
from topology.secrets.validation import Abilities, Probe

FLAGS: Mapping[str, tuple[Permission, ...]] = {"can_view": ("read",), "can_trade": ("trade",), "can_transfer": ("transfer", "withdraw")}


def permissions(answer: Mapping[str, Any]) -> Abilities:
    """Read the flags."""
    return Abilities(frozenset(permission for flag, given in FLAGS.items() if answer[flag] is True for permission in given))


PROBE = Probe(Question("coinbase", ("v3", "private"), "brokerage/key_permissions"), permissions)
