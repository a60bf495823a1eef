"""Long and short by accounts and positions, and what takers bought and sold: replies of `/futures/data/…`.

Sources, under https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/: Long-Short-Ratio (all accounts),
Top-Long-Short-Account-Ratio, Top-Trader-Long-Short-Ratio (positions; top traders are the 20 % with the highest margin balance),
Taker-BuySell-Volume; COIN-M's pages of the same names ask by pair, and count what takers traded in contracts.

USD-M names the shares of positions `longAccount` and `shortAccount` too, COIN-M `longPosition` and `shortPosition`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dialects.answers import check_answer
from dialects.binance_futures.market import Market
from dialects.binance_futures.periods import seconds_of
from dialects.binance_futures.times import Millis, microseconds
from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.told import untold
from schemas.decimals import encode
from schemas.errors import InvalidDatum

ACCOUNTS = "/futures/data/globalLongShortAccountRatio"
TOP_ACCOUNTS = "/futures/data/topLongShortAccountRatio"
TOP_POSITIONS = "/futures/data/topLongShortPositionRatio"
TAKERS_USDM = "/futures/data/takerlongshortRatio"
TAKERS_COINM = "/futures/data/takerBuySellVol"
KINDS: Mapping[str, tuple[str, str]] = {
    ACCOUNTS: ("all", "accounts"),
    TOP_ACCOUNTS: ("top", "accounts"),
    TOP_POSITIONS: ("top", "positions"),
    TAKERS_USDM: ("all", "taker_volume"),
    TAKERS_COINM: ("all", "taker_volume"),
}
"""Path → of whom, and what is counted."""


class Ratio(msgspec.Struct, rename="camel"):
    """A row of any of them; what it does not say is null.

    `{"symbol":"BTCUSDT","longAccount":"0.5795","longShortRatio":"1.3781","shortAccount":"0.4205","timestamp":1602403200000}`
    """

    timestamp: Millis
    symbol: str | None = None
    pair: str | None = None
    contract_type: str | None = None
    long_short_ratio: str | None = None
    long_account: str | None = None
    short_account: str | None = None
    long_position: str | None = None
    short_position: str | None = None
    buy_sell_ratio: str | None = None
    buy_vol: str | None = None
    sell_vol: str | None = None
    taker_buy_vol: str | None = None
    taker_sell_vol: str | None = None


def read_ratios(found: Sequence[Ratio], path: str, asked: dict[str, str], memory: Memory, market: Market) -> list[DecodedEvent]:
    """Return an event for each period that the reply before did not have as it is now: `memory["ratio|<path>|BTCUSDT|5m"]`."""
    by_symbol = market.unit == "base"
    period, symbol = asked.get("period", ""), asked.get("symbol" if by_symbol else "pair", "")
    population, basis = KINDS[path]
    seconds = seconds_of(period)
    if not symbol:
        raise InvalidDatum("ratios of which nobody has asked for the symbol")
    check_answer("a ratio", symbol, (one.symbol if by_symbol else one.pair for one in found))
    check_answer("a ratio", asked.get("contractType", ""), (one.contract_type for one in found))
    said = [_said(one, basis) for one in found]
    rows = [[str(one.timestamp), *(text or "" for text in texts.values())] for one, texts in zip(found, said, strict=True)]
    made, name = [], f"ratio|{path}|{symbol}|{period}"
    for place in untold(memory, name, rows):
        one, texts = found[place], said[place]
        fields: dict[str, Any] = {
            "symbol": symbol,
            "event_time": microseconds(one.timestamp),
            "population": population,
            "basis": basis,
            "volume_unit": market.unit if basis == "taker_volume" else "unknown",
            "period_s": seconds,
            "scope": "symbol" if by_symbol else "pair",
        }
        made.append(DecodedEvent("long_short_ratio", fields | {field: encode(text) for field, text in texts.items() if text}))
        memory.depends(name, made[-1].fields, rows[place])
    return made


def _said(one: Ratio, basis: str) -> dict[str, str | None]:
    """Return our fields of a row, in its texts; InvalidDatum where it does not say what it is for."""
    if basis == "taker_volume":
        bought, sold = one.buy_vol or one.taker_buy_vol, one.sell_vol or one.taker_sell_vol
        said = {"ratio": one.buy_sell_ratio, "buy_volume": bought, "sell_volume": sold}
        wanted = (bought, sold)
    else:
        long, short = one.long_account or one.long_position, one.short_account or one.short_position
        said = {"ratio": one.long_short_ratio, "long": long, "short": short}
        wanted = (long, short)
    if not all(wanted):
        raise InvalidDatum(f"a row of {basis} at {one.timestamp} says neither what it counts nor how much")
    return said
