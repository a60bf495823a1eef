"""Long-short ratios of a contract and what takers bought and sold of it, in periods of five minutes, asked for over REST.

Sources: https://www.okx.com/docs-v5/en/#trading-statistics-rest-api-get-contract-long-short-ratio and its neighbours
`get-top-traders-contract-long-short-ratio`, `get-top-traders-contract-long-short-ratio-by-position` (the 5 % of traders with the largest
positions), `get-contract-taker-volume` (rows are [ts, sold, bought]; `unit=1` counts contracts). Each is a request of its own: the
next is asked for as if it were the next page of the one before.

The newest period may still change: what a reply says again is told once. `memory["ratio|<kind>|SYMBOL"]` holds the rows told last.
"""

from typing import Any
from urllib.parse import quote

import msgspec

from dialects.contract import DecodedEvent, Fields, Request
from dialects.memory import Memory
from dialects.okx.numbers import nearest
from dialects.okx.times import moment
from dialects.told import untold
from schemas.errors import InvalidDatum

_CONTRACTS = "/api/v5/rubik/stat/contracts"
KINDS: dict[str, dict[str, str]] = {
    f"{_CONTRACTS}/long-short-account-ratio-contract": {"population": "all", "basis": "accounts"},
    f"{_CONTRACTS}/long-short-account-ratio-contract-top-trader": {"population": "top", "basis": "accounts"},
    f"{_CONTRACTS}/long-short-position-ratio-contract-top-trader": {"population": "top", "basis": "positions"},
    "/api/v5/rubik/stat/taker-volume-contract": {"population": "all", "basis": "taker_volume"},
}
"""Path → what is counted there, in the order in which they are asked for."""
_PATHS = list(KINDS)
EVERY_SECONDS = 300
PERIOD_S = 300
ASKED = 3
WEIGHT = 4
"""5 requests in two seconds are allowed, where most paths allow 20."""


class _Rows(msgspec.Struct):
    data: list[list[str]]


_decode = msgspec.json.Decoder(_Rows).decode


def ratios_request(symbol: str, path: str = _PATHS[0]) -> Request:
    """Return the request for the last periods of a contract."""
    unit = "&unit=1" if KINDS[path]["basis"] == "taker_volume" else ""
    return Request("GET", f"{path}?instId={quote(symbol)}&period=5m&limit={ASKED}{unit}", WEIGHT)


def next_ratios(path: str, symbol: str) -> Request | None:
    """Return the request that follows one for a contract; None after the last."""
    following = _PATHS.index(path) + 1
    return ratios_request(symbol, _PATHS[following]) if following < len(_PATHS) else None


def read_ratios(payload: bytes, path: str, query: dict[str, str], memory: Memory) -> list[DecodedEvent]:
    """Return an event for each period that is new or has changed, the oldest first; InvalidDatum where a row is none."""
    symbol = query.get("instId", "")
    if not symbol or query.get("period") != "5m" or query.get("unit", "1") != "1":
        raise InvalidDatum("ratios of which nobody has asked for the contract, the period or the unit in a way that is known")
    name = f"ratio|{path.rpartition('/')[2]}|{symbol}"
    rows = _decode(payload).data
    made = []
    for place in reversed(untold(memory, name, rows)):
        made.append(DecodedEvent("long_short_ratio", _fields(rows[place], symbol, KINDS[path])))
        memory.depends(name, made[-1].fields, rows[place])
    return made


def _fields(row: list[str], symbol: str, kind: dict[str, str]) -> Fields:
    is_volume = kind["basis"] == "taker_volume"
    if len(row) < 2 + is_volume:
        raise InvalidDatum(f"a period of {len(row)} columns")
    head: dict[str, Any] = {"symbol": symbol, "event_time": moment(row[0]), "period_s": PERIOD_S, "scope": "symbol", **kind}
    if is_volume:
        return head | {"sell_volume": nearest(row[1]), "buy_volume": nearest(row[2]), "volume_unit": "contract"}
    return head | {"ratio": nearest(row[1])}
