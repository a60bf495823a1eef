"""What a contract's size is in other currencies: exact whole numbers in, one rounding out, never a float."""

from schemas.decimals import LARGEST, SCALE, from_bytes, half_even, to_bytes

_ONE = 10**SCALE


def quotient(numerator: bytes, denominator: bytes) -> bytes | None:
    """Return one decimal divided by another, as Avro's bytes: rounded half to even, once, at 18 decimals.

    So the base amount of a contract that counts quote currency is its size by its price. None where there is no such number:
    the denominator is zero, or the result has more than 38 digits.
    """
    above, below = from_bytes(numerator) * _ONE, from_bytes(denominator)
    if below == 0:
        return None
    if below < 0:
        above, below = -above, -below
    whole = half_even(above, below)
    return to_bytes(whole) if -LARGEST <= whole <= LARGEST else None
