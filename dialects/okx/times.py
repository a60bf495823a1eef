"""Times as OKX writes them: milliseconds since 1970 UTC, as text; "" means none (https://www.okx.com/docs-v5/en/#overview)."""

from typing import Annotated

import msgspec

from schemas.errors import InvalidDatum

LATEST = (2**63 - 1) // 1000
Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
"""A time in milliseconds that is one in microseconds too; read by a decoder that takes text for numbers."""


def microseconds(milliseconds: int) -> int:
    """Return a time in microseconds."""
    return milliseconds * 1000


def moment(text: str | None) -> int | None:
    """Return a time given as text in microseconds; None where it says none. InvalidDatum where it is no time."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > LATEST:
        raise InvalidDatum(f"{text[:40]!r} is not a time in milliseconds")
    return int(text) * 1000
