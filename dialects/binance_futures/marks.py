"""Mark prices, index prices and the funding rate that is predicted, as they are pushed and as REST says them.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams/Mark-Price-Stream,
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Mark-Price and the same pages of COIN-M;
https://developers.binance.com/docs/derivatives/coin-margined-futures/websocket-market-streams/Index-Price-Stream.

The rate is that of the running period, which is charged at its end, and the venue repeats it each second: it is told when rate or time
have changed. Contracts that are delivered have the rate "" and the time 0. How long a period is, the lowest and the highest rate stand in
`fundingInfo` alone, and so with the instruments.

The estimated settlement price is "only useful in the last hour before the settlement starts": a perpetual has no settlement, so it is
that of contracts that are delivered.
"""

from collections.abc import Iterable

import msgspec

from dialects.binance_futures.market import Market, is_perpetual
from dialects.binance_futures.times import Millis, microseconds, moment
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from schemas.decimals import encode


class Mark(msgspec.Struct, tag_field="e", tag="markPriceUpdate"):
    """`{"e":"markPriceUpdate","E":…,"s":"BTCUSDT","p":"64991.37","ap":"64991.38","P":"64980.01","i":"65016.05","r":"0.00003936","T":…,"st":1}`.

    Frames of COIN-M had no index in 2021, and before 2026 none had an average (`ap`).
    """

    time: Millis = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    price: str = msgspec.field(name="p")
    average: str | None = msgspec.field(name="ap", default=None)
    settlement: str | None = msgspec.field(name="P", default=None)
    index: str | None = msgspec.field(name="i", default=None)
    rate: str | None = msgspec.field(name="r", default=None)
    next_funding: Millis = msgspec.field(name="T", default=0)
    market: int | None = msgspec.field(name="st", default=None)


class Index(msgspec.Struct, tag_field="e", tag="indexPriceUpdate"):
    """`{"e":"indexPriceUpdate","E":1790000000000,"i":"BTCUSD","p":"65016.05"}`: the index of a pair of COIN-M."""

    time: Millis = msgspec.field(name="E")
    pair: str = msgspec.field(name="i")
    price: str = msgspec.field(name="p")
    market: int | None = msgspec.field(name="st", default=None)


class Premium(msgspec.Struct, rename="camel"):
    """One of `premiumIndex`; `lastFundingRate` is the running period's."""

    symbol: str
    mark_price: str
    time: Millis
    index_price: str | None = None
    estimated_settle_price: str | None = None
    last_funding_rate: str | None = None
    interest_rate: str | None = None
    next_funding_time: Millis = 0


def read_mark(one: Mark, memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the events of a pushed mark price: none where it is of the other market."""
    if not market.belongs(one.market):
        return []
    prices = {
        "symbol": one.symbol,
        "event_time": microseconds(one.time),
        "mark_price": _number(one.price),
        "mark_price_average": _number(one.average),
        "index_price": _number(one.index),
        "estimated_settlement_price": None if is_perpetual(one.symbol, market) else _number(one.settlement),
    }
    return [DecodedEvent("mark_price", prices), *_predicted(one.symbol, one.time, (one.rate, None, one.next_funding), memory, "r")]


def read_index(one: Index, market: Market) -> list[DecodedEvent]:
    """Return the event of a pushed index, which has its pair as its symbol."""
    if not market.belongs(one.market):
        return []
    fields = {"symbol": one.pair, "event_time": microseconds(one.time), "index_price": encode(one.price), "index_name": one.pair}
    return [DecodedEvent("mark_price", fields)]


def read_premiums(found: Iterable[Premium], memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return the events of a reply."""
    made: list[DecodedEvent] = []
    for one in found:
        prices = {
            "symbol": one.symbol,
            "event_time": microseconds(one.time),
            "mark_price": _number(one.mark_price),
            "index_price": _number(one.index_price),
            "estimated_settlement_price": None if is_perpetual(one.symbol, market) else _number(one.estimated_settle_price),
        }
        said = (one.last_funding_rate, one.interest_rate, one.next_funding_time)
        made += [DecodedEvent("mark_price", prices), *_predicted(one.symbol, one.time, said, memory, "lastFundingRate")]
    return made


def _predicted(symbol: str, time: int, said: tuple[str | None, str | None, int], memory: Memory, field: str) -> Iterable[DecodedEvent]:
    """Return the event of a predicted rate, where it is not as last told: `memory["predicted|BTCUSDT"]`."""
    rate, interest, settles_at = said
    if not rate:
        return ()
    fields = {
        "symbol": symbol,
        "event_time": microseconds(time),
        "rate": encode(rate),
        "rate_kind": "predicted",
        "settles_at": moment(settles_at),
        "interest_rate": _number(interest),
        "model": "discrete",
        "raw_field": field,
    }
    name, told = f"predicted|{symbol}", [rate, interest, settles_at]
    if memory.get(name) == told:
        return ()
    memory[name] = told
    memory.depends(name, fields)
    return (DecodedEvent("funding_rate", fields),)


def _number(text: str | None) -> bytes | None:
    return encode(text) if text else None
