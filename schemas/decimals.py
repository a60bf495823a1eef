"""Exact numbers between a venue's text and Avro's decimal(38,18): never through a float, never cut without a word.

What is added up of them is a decimal(76,18): twice the digits hold the sum of any number of trades there can be.
"""

from decimal import Context, Decimal, InvalidOperation

from schemas.errors import InvalidDatum
from schemas.remembered import remembered

PRECISION = 38
SCALE = 18
LARGEST: int = 10**PRECISION - 1
SUM_PRECISION = 76
LARGEST_SUM: int = 10**SUM_PRECISION - 1
MOST_SHOWN = 80
"""Letters of a refused text that a reason shows."""
_EXACT = Context(prec=SUM_PRECISION + 2)
_ZEROS = tuple(10**n for n in range(SCALE + 1))


def unscaled(text: str) -> int:
    """Return a decimal text as a count of 10⁻¹⁸: "1.5" → 1500000000000000000.

    Raises InvalidDatum where the text is no number, has more than 18 decimals that are not zeros, or more than 38 digits in all.
    """
    whole, _, fraction = text.partition(".")
    try:
        value = int(whole + fraction) * _ZEROS[SCALE - len(fraction)] if text.isascii() else _slow(text)
    except (ValueError, IndexError):
        value = _slow(text)
    else:
        if len(fraction) > SCALE or (fraction and not fraction.isdigit()) or "_" in text or whole != whole.strip():
            value = _slow(text)
    if not -LARGEST <= value <= LARGEST:
        raise InvalidDatum(f"{shown(text)} has more than {PRECISION} digits at {SCALE} decimals")
    return value


def shown(text: str) -> str:
    """Return a text as a reason may hold it: of one that is far too long, its beginning and how long it is."""
    return repr(text) if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]!r}… of {len(text)} letters"


def _number(text: str) -> Decimal:
    """Return a decimal text as it was written; InvalidDatum where it is no number."""
    try:
        number = Decimal(text) if text.isascii() and "_" not in text and text == text.strip() else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise InvalidDatum(f"{shown(text)} is not a decimal number")
    return number


def _slow(text: str) -> int:
    """Exponents, over-long fractions and over-long numbers: rare, so by way of Decimal."""
    return count_of(_number(text))


def count_of(number: Decimal, precision: int = PRECISION) -> int:
    """Return a finite number as a count of 10⁻¹⁸; InvalidDatum where it has more than 18 decimals or `precision` digits.

    How large it is and where its last digit stands is known before an int is made of it: Python makes none of too many digits.
    """
    sign, digits, exponent = number.as_tuple()
    end = len(digits)
    while end and not digits[end - 1]:
        end -= 1
    if not end:
        return 0
    shift = int(exponent) + len(digits) - end + SCALE
    if shift < 0:
        raise InvalidDatum(f"{shown(str(number))} has more than {SCALE} decimals")
    if end + shift > precision:
        raise InvalidDatum(f"{shown(str(number))} has more than {precision} digits at {SCALE} decimals")
    value = int("".join(map(str, digits[:end])) + "0" * shift)
    return -value if sign else value


def to_bytes(value: int) -> bytes:
    """Return a count of 10⁻¹⁸ as Avro writes it: two's complement, big-endian, shortest form."""
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)


@remembered(131_072)
def encode(text: str) -> bytes:
    """Return a decimal text as Avro's bytes; prices and sizes repeat, so up to 131,072 texts are remembered."""
    return to_bytes(unscaled(text))


def from_bytes(data: bytes) -> int:
    """Return Avro's decimal bytes as a count of 10⁻¹⁸."""
    return int.from_bytes(data, "big", signed=True)


def decimal(value: int) -> Decimal:
    """Return a count of 10⁻¹⁸ as a Decimal with 18 decimals, exactly."""
    return Decimal(value).scaleb(-SCALE, _EXACT)


def scale_of(text: str) -> int:
    """Return how many decimals a venue wrote: "45283.50" → 2, "1.2e-05" → 6.

    InvalidDatum where they are more than 18, which no event can hold, and where the text is no number.
    """
    scale = max(0, -int(_number(text).as_tuple().exponent))
    if scale > SCALE:
        raise InvalidDatum(f"{shown(text)} has more than {SCALE} decimals")
    return scale


def half_even(numerator: int, denominator: int) -> int:
    """Return the quotient as the nearest integer, the even one where two are as near; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient & 1):
        quotient += 1
    return quotient
