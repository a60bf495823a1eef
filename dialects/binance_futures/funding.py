"""What was charged as funding, and what `fundingInfo` says of its intervals and limits.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-History and
…/Get-Funding-Rate-Info, and the same pages of COIN-M.

A time is some milliseconds off the hour, and stays so: whoever asks again by a rounded one gets another row. An interval is measured, from
one row to the next, since today's was not always that of the symbol. So of a full reply the oldest row is there to measure by, and not
told: its interval may have been told before, which a row without one would replace. Of one that is not full it is the symbol's first.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from dialects.answers import check_answer
from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.told import untold
from schemas.decimals import encode

DEFAULT_SECONDS = 8 * 3600
"""The interval of what is not in `fundingInfo`, which has those "that had FundingRateCap/ FundingRateFloor / fundingIntervalHours
adjustment" alone."""
HEARD = "funding info"
"""What memory holds once `fundingInfo` was heard."""
_ABOUT = "funding info|"
_Hours = Annotated[int, msgspec.Meta(gt=0, le=24 * 366)]


class Charged(msgspec.Struct, rename="camel"):
    """`{"symbol":"BTCUSDT","fundingRate":"0.00010000","fundingTime":1600156800010,"markPrice":"34287.54","rateType":"Regular"}`.

    `rateType` is Special for what makes up for a dividend; it and the mark price are younger than the recordings.
    """

    symbol: str
    funding_rate: str
    funding_time: Millis
    rate_type: str | None = None


class Adjusted(msgspec.Struct, rename="camel"):
    """`{"symbol":"LPTUSDT","adjustedFundingRateCap":"0.02000000","adjustedFundingRateFloor":"-0.02000000","fundingIntervalHours":4}`."""

    symbol: str
    adjusted_funding_rate_cap: str
    adjusted_funding_rate_floor: str
    funding_interval_hours: _Hours


def read_charged(found: Sequence[Charged], asked: str, most: int, memory: Memory) -> list[DecodedEvent]:
    """Return an event for each row, oldest first, that the reply before did not have: `memory["charged|BTCUSDT"]`.

    `most`: how many rows were asked for; the oldest of so many is not told, but for one that is alone.
    """
    check_answer("funding", asked, (one.symbol for one in found))
    rows = [[one.symbol, one.funding_rate, str(one.funding_time), one.rate_type or ""] for one in found]
    made, name = [], f"charged|{asked}"
    for place in untold(memory, name, rows):
        if place == 0 and 1 < len(found) >= most:
            continue
        one = found[place]
        before = found[place - 1] if place else None
        between = one.funding_time - before.funding_time if before is not None and before.symbol == one.symbol else 0
        fields: dict[str, Any] = {
            "symbol": one.symbol,
            "event_time": microseconds(one.funding_time),
            "rate": encode(one.funding_rate),
            "rate_kind": "settled",
            "interval_s": (between + 500) // 1000 or None if between > 0 else None,
            "settles_at": microseconds(one.funding_time),
            "model": "discrete",
            "special": one.rate_type == "Special",
            "raw_field": "fundingRate",
        }
        made.append(DecodedEvent("funding_rate", fields))
        memory.depends(name, fields, rows[place])
    return made


def remember_adjusted(found: Sequence[Adjusted], memory: Memory) -> None:
    """Keep of a reply what the instruments will say: `memory["funding info|LPTUSDT"]` holds seconds, cap and floor.

    InvalidDatum where a number is none; then nothing is kept of it.
    """
    said: dict[str, Any] = {HEARD: True}
    for one in found:
        cap, floor = one.adjusted_funding_rate_cap, one.adjusted_funding_rate_floor
        encode(cap)
        encode(floor)
        said[_ABOUT + one.symbol] = [one.funding_interval_hours * 3600, cap, floor]
    for name in [name for name in memory if name.startswith(_ABOUT) and name not in said]:
        del memory[name]
    for name, value in said.items():
        if memory.get(name) != value:
            memory[name] = value


def limits_of(symbol: str, memory: Memory) -> dict[str, Any]:
    """Return an instrument's fields of funding, of a perpetual; nothing is said of them before `fundingInfo` was heard."""
    seconds, cap, floor = memory.get(_ABOUT + symbol) or (DEFAULT_SECONDS if HEARD in memory else None, None, None)
    return {
        "funding_interval_s": seconds,
        "funding_rate_cap": None if cap is None else encode(cap),
        "funding_rate_floor": None if floor is None else encode(floor),
    }
