"""Times as Coinbase writes them: RFC 3339 in UTC, with up to nine decimals, and whole seconds since 1970 as text."""

from datetime import UTC, datetime

from schemas.errors import InvalidDatum
from schemas.remembered import remembered

LATEST_SECOND = (2**63 - 1) // 1_000_000 - 86_400
"""A day of microseconds after it is a time too."""
NO_TIME = ("0001-01-01T00:00:00", "1970-01-01T00:00:00")
"""How a time that is not set begins where it is written out: the first instant of a program's clock."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(text: str) -> int:
    """Return an RFC 3339 time (`2026-04-07T00:28:58.544778Z`) as microseconds since 1970; further digits are cut."""
    digits = text[20:-1]
    if text[-1:] == "Z" and (text[19:-1] == "" or (text[19] == "." and digits.isdigit() and digits.isascii())):
        return _second(text[:19]) + int((digits + "000000")[:6])
    raise InvalidDatum(f"{text[:40]!r} is not a time in UTC")


@remembered(4096)
def _second(text: str) -> int:
    try:
        since = datetime.strptime(text + "+0000", "%Y-%m-%dT%H:%M:%S%z") - _EPOCH
    except ValueError:
        raise InvalidDatum(f"{text!r} is not a time") from None
    return since.days * 86_400_000_000 + since.seconds * 1_000_000


def moment(text: str | None) -> int | None:
    """Return an RFC 3339 time as microseconds; None where there is none (null, empty, or not set)."""
    return microseconds(text) if text and not text.startswith(NO_TIME) else None


def second(text: str) -> int:
    """Return whole seconds since 1970, written as text, as microseconds."""
    if not (text.isascii() and text.isdigit() and len(text) < 16) or int(text) > LATEST_SECOND:
        raise InvalidDatum(f"{text[:40]!r} is not a time in seconds")
    return int(text) * 1_000_000


def interval_seconds(text: str | None) -> int | None:
    """Return a span as protocol buffers write it in JSON (`3600s`) in seconds; None where there is none."""
    if not text:
        return None
    digits = text.removesuffix("s")
    if digits == text or not (digits.isascii() and digits.isdigit() and len(digits) < 9) or not int(digits):
        raise InvalidDatum(f"{text[:40]!r} is not a span in seconds")
    return int(digits)
