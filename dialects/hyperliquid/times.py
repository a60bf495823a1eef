"""Times as Hyperliquid writes them: milliseconds since 1970 UTC, as numbers (…/for-developers/api/websocket/subscriptions)."""

from typing import Annotated

import msgspec

LATEST = (2**63 - 1) // 1000
Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
"""A time in milliseconds that is one in microseconds too."""
HOUR = 3_600_000_000
"""Microseconds."""


def microseconds(milliseconds: int) -> int:
    """Return a time in microseconds."""
    return milliseconds * 1000
