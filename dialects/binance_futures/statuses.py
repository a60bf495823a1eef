"""What the venue says of one contract as it is listed, settled or taken off: `!contractInfo`.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Contract-Info-Stream (one stream of
both markets since they merged) and https://developers.binance.com/docs/derivatives/usds-margined-futures/common-definition
("Contract status"). Changes of brackets alone come in it too, and tell the status once more.
"""

from collections.abc import Mapping

import msgspec

from dialects.binance_futures.market import Market
from dialects.binance_futures.times import Millis, microseconds, moment
from dialects.contract import DecodedEvent
from dialects.memory import Memory

STATES: Mapping[str, str] = {
    "PENDING_TRADING": "scheduled",
    "TRADING": "online",
    "PRE_DELIVERING": "halted",
    "DELIVERING": "halted",
    "PRE_SETTLE": "halted",
    "SETTLING": "halted",
    "DELIVERED": "completed",
    "CLOSE": "completed",
}
"""The venue's status → the state of the contract's trading."""


class ContractInfo(msgspec.Struct, tag_field="e", tag="contractInfo"):
    """`{"e":"contractInfo","E":…,"s":"IOTAUSDT","ps":"IOTAUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":…,"cs":"TRADING","st":1}`."""

    time: Millis = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    status: str = msgspec.field(name="cs")
    delivered_at: Millis = msgspec.field(name="dt", default=0)
    listed_at: Millis = msgspec.field(name="ot", default=0)
    market: int | None = msgspec.field(name="st", default=None)


def read_contract_info(one: ContractInfo, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the event of a contract of this market whose status or times are not as last told: `memory["contract|IOTAUSDT"]`.

    Its begin and end are those of trading.
    """
    name, told = f"contract|{one.symbol}", [one.status, one.listed_at, one.delivered_at]
    if not market.belongs(one.market) or memory.get(name) == told:
        return []
    memory[name] = told
    fields = {
        "symbol": one.symbol,
        "event_time": microseconds(one.time),
        "scope": "symbol",
        "state": STATES.get(one.status, "unknown"),
        "begins_at": moment(one.listed_at),
        "ends_at": moment(one.delivered_at),
        "title": one.status,
    }
    memory.depends(name, fields)
    return [DecodedEvent("venue_status", fields)]
