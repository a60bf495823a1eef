"""Numbers of OKX: prices and sizes exactly as they are written, and what is reckoned (greeks, values) to the 18th decimal.

OKX writes some reckoned numbers with more digits than a decimal(38,18) holds (`"gammaBS":"0.000010566021840868419"`): these are rounded
half to even, once, at the 18th decimal. What was traded or quoted is never rounded.
"""

from decimal import Decimal, InvalidOperation

from schemas.decimals import LARGEST, SCALE, encode, from_bytes, half_even, shown, to_bytes
from schemas.errors import InvalidDatum

_ONE = 10**SCALE
_MOST_DIGITS = 200
"""Of a number's text; a venue that writes more says nothing that could be meant."""


def nearest(text: str) -> bytes:
    """Return a decimal text as Avro's bytes, rounded half to even at the 18th decimal where it has more; InvalidDatum where it is none."""
    try:
        return encode(text)
    except InvalidDatum:
        return _rounded(text)


def _rounded(text: str) -> bytes:
    try:
        number = Decimal(text) if len(text) <= _MOST_DIGITS and text.isascii() and "_" not in text and text == text.strip() else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise InvalidDatum(f"{shown(text)} is not a decimal number")
    sign, digits, exponent = number.as_tuple()
    shift = int(exponent) + SCALE
    if shift >= 0 or -shift <= len(digits) - 39:
        raise InvalidDatum(f"{shown(text)} has too many digits")
    if -shift > len(digits):
        return to_bytes(0)
    value = half_even(int("".join(map(str, digits))), 10**-shift)
    if value > LARGEST:
        raise InvalidDatum(f"{shown(text)} has too many digits")
    return to_bytes(-value if sign else value)


def nearest_or_none(text: str | None) -> bytes | None:
    """Return a number, None where the venue says none: "" or nothing."""
    return nearest(text) if text else None


def product(one: bytes, other: bytes) -> bytes | None:
    """Return one decimal times another, rounded half to even at the 18th decimal; None where that has more than 38 digits."""
    value = half_even(from_bytes(one) * from_bytes(other), _ONE)
    return to_bytes(value) if -LARGEST <= value <= LARGEST else None
