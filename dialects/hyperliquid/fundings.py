"""Funding that was charged, hour by hour, asked for over REST (`fundingHistory`).

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals ("Retrieve historical funding rates").
Oldest first, no more than 500; times are some milliseconds after the full hour, and stay as they are. A premium may be "NaN"
(https://github.com/JKorf/HyperLiquid.Net/issues/16): there is none.

`memory["charged|BTC"]` holds the rows of the reply before (dialects/told.py): what comes late, is mended, or shares a time is told too.
"""

import msgspec

from dialects.answers import check_answer
from dialects.contract import DecodedEvent, Fields
from dialects.hyperliquid.numbers import Number, written
from dialects.hyperliquid.times import Millis, microseconds
from dialects.memory import Memory
from dialects.told import untold
from schemas.decimals import encode

FUNDINGS = "fundingHistory"
EVERY_SECONDS = 1800
BACK_MILLISECONDS = 4 * 3_600_000
"""How much of the past each request asks for: the last four, so that many rounds may fail and no hour is missed."""
_NONE = "NaN"


class _Funding(msgspec.Struct, rename="camel", gc=False):
    """`{"coin":"BTC","fundingRate":"0.0000125","premium":"-0.00014","time":1789999200018}`."""

    coin: str
    funding_rate: Number
    time: Millis
    premium: Number = None


_decode = msgspec.json.Decoder(list[_Funding], float_hook=str).decode


def read_fundings(payload: bytes, coin: str, memory: Memory) -> list[DecodedEvent]:
    """Return an event for each funding that the reply before did not have; InvalidDatum and msgspec's errors where one cannot be."""
    found = sorted(_decode(payload), key=lambda one: one.time)
    check_answer("funding", coin, (one.coin for one in found))
    made = [DecodedEvent("funding_rate", _fields(one)) for one in found]
    rows = [[str(one.time), written(one.funding_rate), "" if one.premium is None else written(one.premium)] for one in found]
    name = f"charged|{coin}"
    told = untold(memory, name, rows)
    for place in told:
        memory.depends(name, made[place].fields, rows[place])
    return [made[place] for place in told]


def _fields(one: _Funding) -> Fields:
    time = microseconds(one.time)
    none = one.premium is None or one.premium == _NONE
    return {
        "symbol": one.coin,
        "event_time": time,
        "rate": encode(written(one.funding_rate)),
        "rate_kind": "settled",
        "interval_s": 3600,
        "settles_at": time,
        "premium": None if none else encode(written(one.premium)),
        "model": "discrete",
        "raw_field": "fundingRate",
    }
