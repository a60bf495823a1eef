"""The wall clock, passed in wherever time is needed."""

import time


def now() -> int:
    """Return the time in microseconds since 1970 UTC."""
    return time.time_ns() // 1_000
