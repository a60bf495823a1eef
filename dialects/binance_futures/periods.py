"""The periods of `/futures/data/…`, and the intervals of klines.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest-Statistics (`period`) and
https://developers.binance.com/docs/derivatives/usds-margined-futures/common-definition ("Kline/Candlestick chart intervals").
"""

from collections.abc import Mapping

from schemas.errors import InvalidDatum

INTERVALS = frozenset({"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"})
"""Intervals of klines; ours have the same names."""
_MINUTES: Mapping[str, int] = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "12h": 720, "1d": 1440}


def seconds_of(period: str) -> int:
    """Return the seconds of a period; InvalidDatum where there is no such."""
    if period not in _MINUTES:
        raise InvalidDatum(f"the period {period!r} is none of {', '.join(_MINUTES)}")
    return _MINUTES[period] * 60
