"""Insurance funds: what the venue holds of each asset for a group of symbols.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Insurance-Fund-Balance. No page of COIN-M
has it. A group has no name, so it is called by the first of its symbols.
"""

from collections.abc import Sequence

import msgspec

from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.told import untold
from schemas.decimals import encode
from schemas.errors import InvalidDatum


class _Balance(msgspec.Struct, rename="camel"):
    asset: str
    margin_balance: str
    update_time: Millis


class Group(msgspec.Struct):
    """`{"symbols":["BTCUSDT","ETHUSDT"],"assets":[{"asset":"USDT","marginBalance":"793930579.315848","updateTime":1745366402000}]}`."""

    symbols: list[str]
    assets: list[_Balance]


def read_insurance(found: Sequence[Group], memory: Memory) -> list[DecodedEvent]:
    """Return an event for each balance that is not as last told: `memory["insurance|BTCUSDT"]` holds those of a group."""
    made = []
    for one in found:
        if not one.symbols:
            raise InvalidDatum("an insurance fund of no symbol")
        pool, alone = one.symbols[0], len(one.symbols) == 1
        rows = [[balance.asset, balance.margin_balance, str(balance.update_time)] for balance in one.assets]
        name = f"insurance|{pool}"
        for place in untold(memory, name, rows):
            balance = one.assets[place]
            fields = {
                "symbol": pool if alone else "",
                "event_time": microseconds(balance.update_time),
                "pool": pool,
                "symbols": one.symbols,
                "asset": balance.asset,
                "balance": encode(balance.margin_balance),
                "shared": not alone,
            }
            made.append(DecodedEvent("insurance_fund", fields))
            memory.depends(name, fields, rows[place])
    return made
