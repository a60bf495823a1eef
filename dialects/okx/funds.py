"""The security fund of a family of contracts, which pays where a position's margin does not.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-adl-warning-channel: `bal`, once a minute in the normal state, every second
while auto-deleveraging is near. No page says whether families share a fund. Its other fields are of the past or of the state alone.
"""

import msgspec

from dialects.contract import DecodedEvent
from dialects.okx.numbers import nearest
from dialects.okx.times import Millis, microseconds


class _Fund(msgspec.Struct, rename="camel"):
    inst_type: str
    bal: str
    ccy: str
    ts: Millis
    inst_family: str = ""


class _Funds(msgspec.Struct):
    data: list[_Fund]


_decode = msgspec.json.Decoder(_Funds, strict=False).decode


def read_funds(payload: bytes) -> list[DecodedEvent]:
    """Return an event for each fund of a message; the pool is named by product and family: `SWAP BTC-USDT`."""
    return [
        DecodedEvent(
            "insurance_fund",
            {
                "symbol": "",
                "event_time": microseconds(one.ts),
                "pool": f"{one.inst_type} {one.inst_family}".strip(),
                "asset": one.ccy,
                "balance": nearest(one.bal),
            },
        )
        for one in _decode(payload).data
    ]
