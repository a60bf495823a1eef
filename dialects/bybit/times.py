"""Times as Bybit writes them: milliseconds since 1970 UTC, as numbers on the socket and as text elsewhere, where "0" and "" mean none."""

from typing import Annotated

import msgspec

from schemas.errors import InvalidDatum

LATEST = (2**63 - 1) // 1000
Millis = Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
"""A time in milliseconds that is one in microseconds too."""


def microseconds(milliseconds: int) -> int:
    """Return a time in microseconds."""
    return milliseconds * 1000


def moment(text: str | int | None) -> int | None:
    """Return a time given as text in microseconds; None where it says none. InvalidDatum where it is no time."""
    if text is None or text in {"", "0", 0}:
        return None
    digits = str(text)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or int(digits) > LATEST:
        raise InvalidDatum(f"{text!r} is not a time in milliseconds")
    return int(digits) * 1000
