"""Binance: GET /sapi/v1/account/apiRestrictions (developers.binance.com, Wallet, "Get API Key Permission"); signed, weight 1.

The spot testnet has no /sapi: there GET /api/v3/account tells canTrade and canWithdraw.
"""

from collections.abc import Mapping
from typing import Any

from topology.secrets.asking import Question
from topology.secrets.credential import Permission
from topology.secrets.validation import Abilities, Probe

FLAGS: Mapping[str, Permission] = {
    "enableReading": "read",
    "enableSpotAndMarginTrading": "trade",
    "enableMargin": "trade",
    "enableFutures": "trade",
    "enableInternalTransfer": "transfer",
    "permitsUniversalTransfer": "transfer",
    "enableWithdrawals": "withdraw",
}


def restrictions(answer: Mapping[str, Any]) -> Abilities:
    """Read apiRestrictions. tradingAuthorityExpirationTime is in milliseconds, and ends trading only: it is no expiry of the key."""
    may = frozenset(permission for flag, permission in FLAGS.items() if answer.get(flag) is True)
    return Abilities(may, None, any_address=answer["ipRestrict"] is not True)


def account(answer: Mapping[str, Any]) -> Abilities:
    """Read the testnet's account."""
    may: set[Permission] = {"read"}
    if answer["canTrade"] is True:
        may.add("trade")
    if answer["canWithdraw"] is True:
        may.add("withdraw")
    return Abilities(frozenset(may))


TESTNET = Probe(Question("binance", "private", "account"), account)
PROBE = Probe(Question("binance", "sapi", "account/apiRestrictions"), restrictions, testnet=TESTNET)
