"""Times as Binance's futures write them: milliseconds since 1970 UTC, always; 0 means none where one may be missing."""

from typing import Annotated

import msgspec

LATEST = (2**63 - 1) // 1000
Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
"""A time in milliseconds that is one in microseconds too."""
NEVER = 4_133_404_800_000
"""The delivery of what is never delivered: 2100-12-25 08:00 UTC (…/market-data/rest-api/Exchange-Information, `deliveryDate`)."""


def microseconds(milliseconds: int) -> int:
    """Return a time in microseconds."""
    return milliseconds * 1000


def moment(milliseconds: int) -> int | None:
    """Return a time in microseconds; None where it says that there is none."""
    return None if milliseconds in {0, NEVER} else milliseconds * 1000
