"""Open interest, now and of the periods before: asked for, since nothing is pushed of it.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest and
…/Open-Interest-Statistics, and the same pages of COIN-M. USD-M counts base currency, and its history the value in quote currency; COIN-M
counts contracts, and its history the value in base currency. No page says that both sides are counted, as Bybit's does.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from dialects.binance_futures.market import Market, dollars
from dialects.binance_futures.periods import seconds_of
from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.told import untold
from schemas.decimals import encode
from schemas.errors import InvalidDatum


class Interest(msgspec.Struct, rename="camel"):
    """`{"symbol":"BTCUSD_PERP","pair":"BTCUSD","openInterest":"6784657","contractType":"PERPETUAL","time":1702244982986}`."""

    symbol: str
    open_interest: str
    time: Millis


class PastInterest(msgspec.Struct, rename="camel"):
    """`{"symbol":"BTCUSDT","sumOpenInterest":"36316.87700000","sumOpenInterestValue":"413220015.26744573","timestamp":1602989400000}`."""

    sum_open_interest: str
    sum_open_interest_value: str
    timestamp: Millis
    symbol: str | None = None
    pair: str | None = None
    contract_type: str | None = None


def read_interest(one: Interest, market: Market) -> list[DecodedEvent]:
    """Return the event of a reply."""
    fields = {"symbol": one.symbol, "event_time": microseconds(one.time)}
    return [DecodedEvent("open_interest", fields | _amounts(one.symbol, encode(one.open_interest), None, market))]


def read_past_interest(found: Sequence[PastInterest], asked: dict[str, str], memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return an event for each period that the reply before did not have as it is now: `memory["interest|BTCUSDT|5m"]`."""
    period = asked.get("period", "")
    symbol, seconds = _symbol(asked, market), seconds_of(period)
    for one in found:
        if not _is_of(one, asked, market):
            raise InvalidDatum(f"open interest of {one.symbol or one.pair!r} where that of {symbol!r} was asked for")
    rows = [[str(one.timestamp), one.sum_open_interest, one.sum_open_interest_value] for one in found]
    made, name = [], f"interest|{symbol}|{period}"
    for place in untold(memory, name, rows):
        one = found[place]
        amounts = _amounts(symbol, encode(one.sum_open_interest), encode(one.sum_open_interest_value), market)
        header = {"symbol": symbol, "event_time": microseconds(one.timestamp), "period_s": seconds}
        made.append(DecodedEvent("open_interest", header | amounts))
        memory.depends(name, made[-1].fields, rows[place])
    return made


def _symbol(asked: dict[str, str], market: Market) -> str:
    """Return the symbol whose history was asked for: COIN-M is asked for a pair and a kind, of which one alone names a symbol for ever."""
    if market.unit == "base":
        return asked.get("symbol", "")
    if asked.get("contractType") != "PERPETUAL":
        raise InvalidDatum(f"open interest of {asked.get('pair')!r}, {asked.get('contractType')!r}, which names no symbol")
    return f"{asked.get('pair', '')}_PERP"


def _is_of(one: PastInterest, asked: dict[str, str], market: Market) -> bool:
    if market.unit == "base":
        return one.symbol is not None and one.symbol == asked.get("symbol")
    return one.pair is not None and (one.pair, one.contract_type) == (asked.get("pair"), asked.get("contractType"))


def _amounts(symbol: str, native: bytes, value: bytes | None, market: Market) -> dict[str, Any]:
    if market.unit == "base":
        return {"oi_native": native, "oi_native_unit": "base", "oi_base": native, "oi_quote": value, "sides": "single"}
    return {"oi_native": native, "oi_native_unit": "contract", "oi_base": value, "oi_quote": dollars(symbol, native), "sides": "single"}
