"""Times as Coinbase writes them: RFC 3339 in UTC, with microseconds, or with nanoseconds where a message is sent."""

from __future__ import annotations

import time
from functools import lru_cache


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def timestamp(time_us: int, rest: str = "") -> str:
    """Write a time in microseconds; `rest` are further digits."""
    return f"{_second(time_us // 1_000_000)}.{time_us % 1_000_000:06d}{rest}Z"
