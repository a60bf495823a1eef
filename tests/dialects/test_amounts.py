"""Amounts in another currency: exact, rounded once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.amounts import quotient
from schemas.decimals import LARGEST, SCALE, encode, from_bytes, to_bytes


@pytest.mark.parametrize(
    ("size", "price", "amount"),
    [
        ("100", "50000", "0.002"),
        ("1", "3", "0.333333333333333333"),
        ("2", "3", "0.666666666666666667"),
        ("0.000000000000000001", "2", "0"),
        ("0.000000000000000003", "2", "0.000000000000000002"),
        ("-1", "4", "-0.25"),
        ("1", "-4", "-0.25"),
        ("0", "7", "0"),
    ],
)
def test_known_quotients(size: str, price: str, amount: str) -> None:
    """A hundred dollars at 50,000 are 0.002 of the base currency; a half at the eighteenth decimal goes to the even neighbour."""
    assert quotient(encode(size), encode(price)) == encode(amount)


def test_what_has_no_number_is_none() -> None:
    """By zero there is no amount, nor is there one where it would have more than 38 digits."""
    assert quotient(encode("1"), encode("0")) is None
    assert quotient(to_bytes(LARGEST), encode("0.000000000000000001")) is None
    assert quotient(to_bytes(LARGEST), encode("1")) == to_bytes(LARGEST)


@given(st.integers(-LARGEST, LARGEST), st.integers(-LARGEST, LARGEST).filter(bool))
def test_is_the_nearest_and_even_where_two_are(numerator: int, denominator: int) -> None:
    """The result is the true quotient rounded half to even at 18 decimals: Python's own rounding of a fraction."""
    true = round(Fraction(numerator, denominator) * 10**SCALE)
    found = quotient(to_bytes(numerator), to_bytes(denominator))
    assert (found is None) == (abs(true) > LARGEST)
    assert found is None or from_bytes(found) == true
