"""Funding: what a perpetual will charge, and what it has charged, which are two events of one message.

Source: https://www.okx.com/docs-v5/en/#public-data-websocket-funding-rate-channel. `fundingRate` will be charged at `fundingTime`;
`nextFundingTime` is the time after that, and the difference of the two is the interval, which may change. `minFundingRate` and
`maxFundingRate` bound what is predicted. `settFundingRate` was charged at the settlement before where `settState` is "settled"; while
it is "processing" no page says which of the two times is meant, so nothing is told until it is settled.

The message comes again every 30 to 90 seconds: an event is made where one of its own fields has changed. `memory["funding|SYMBOL"]` and
`memory["settled|SYMBOL"]` hold what was told last, on this connection.
"""

from typing import Any

import msgspec

from dialects.contract import DecodedEvent, Fields
from dialects.memory import Memory
from dialects.okx.numbers import nearest, nearest_or_none
from dialects.okx.times import moment
from schemas.errors import InvalidDatum

_Text = str | None
LONGEST_INTERVAL = 366 * 86_400_000_000
"""Microseconds."""


class _Funding(msgspec.Struct, rename="camel"):
    inst_id: str
    funding_rate: str
    funding_time: str
    next_funding_time: _Text = ""
    min_funding_rate: _Text = ""
    max_funding_rate: _Text = ""
    interest_rate: _Text = ""
    premium: _Text = ""
    sett_state: _Text = ""
    sett_funding_rate: _Text = ""
    ts: _Text = ""


class _Fundings(msgspec.Struct):
    data: list[_Funding]


_decode = msgspec.json.Decoder(_Fundings).decode


def read_funding(payload: bytes, memory: Memory) -> list[DecodedEvent]:
    """Return the events of a message; InvalidDatum and msgspec's errors where a value is none."""
    made: list[DecodedEvent] = []
    for one in _decode(payload).data:
        head = {"symbol": one.inst_id, "event_time": moment(one.ts)}
        for name, said, fields in (("funding", _predicted_texts(one), _predicted(one)), ("settled", _settled_texts(one), _settled(one))):
            if fields is not None and memory.get(key := f"{name}|{one.inst_id}") != said:
                made.append(DecodedEvent("funding_rate", head | fields))
                memory[key] = said
                memory.depends(key, made[-1].fields)
    return made


def _predicted_texts(one: _Funding) -> list[_Text]:
    """Return the texts of all that is told of the predicted rate, but for the premium and the interest, which are its parts."""
    return [one.funding_rate, one.funding_time, one.next_funding_time, one.min_funding_rate, one.max_funding_rate]


def _settled_texts(one: _Funding) -> list[_Text]:
    return [one.sett_funding_rate, one.funding_time, one.next_funding_time]


def _predicted(one: _Funding) -> Fields:
    return _common(one) | {
        "rate": nearest(one.funding_rate),
        "rate_kind": "predicted",
        "settles_at": _time(one),
        "next_settles_at": moment(one.next_funding_time),
        "cap": nearest_or_none(one.max_funding_rate),
        "floor": nearest_or_none(one.min_funding_rate),
        "premium": nearest_or_none(one.premium),
        "interest_rate": nearest_or_none(one.interest_rate),
        "raw_field": "fundingRate",
    }


def _settled(one: _Funding) -> Fields | None:
    """Return what was charged last, one interval before the next time; None where the venue says no such rate."""
    if one.sett_state != "settled" or not one.sett_funding_rate:
        return None
    interval, time = _interval(one), _time(one)
    return _common(one) | {
        "rate": nearest(one.sett_funding_rate),
        "rate_kind": "settled",
        "settles_at": None if interval is None else time - interval,
        "next_settles_at": time,
        "raw_field": "settFundingRate",
    }


def _common(one: _Funding) -> dict[str, Any]:
    interval = _interval(one)
    return {"interval_s": None if interval is None else interval // 1_000_000, "model": "discrete"}


def _time(one: _Funding) -> int:
    time = moment(one.funding_time)
    if time is None:
        raise InvalidDatum("a funding rate without the time at which it is charged")
    return time


def _interval(one: _Funding) -> int | None:
    """Return the microseconds between two fundings; None where the venue does not say the one after the next."""
    following = moment(one.next_funding_time)
    if following is None:
        return None
    interval = following - _time(one)
    if not 0 < interval <= LONGEST_INTERVAL or interval > _time(one):
        raise InvalidDatum(f"{interval} microseconds are no interval between two fundings")
    return interval
