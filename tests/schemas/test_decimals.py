"""Exact numbers from a venue's text: each text is a number, or is refused with a reason."""

from decimal import Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.decimals import LARGEST, SCALE, encode, from_bytes, scale_of, unscaled
from schemas.encoder import number
from schemas.errors import InvalidDatum

LONG = 5000
"""Digits of a number that Python itself refuses to make of a text (sys.int_info.default_max_str_digits)."""


@pytest.mark.parametrize("text", ["1." + "0" * LONG, "0" * LONG + "1", "1" + "0" * LONG + f"e-{LONG}", "0." + "0" * LONG + f"1e{LONG + 1}"])
def test_a_number_that_fits_is_read_however_long_it_is_written(text: str) -> None:
    """Zeros that say nothing change no number, be there ever so many."""
    assert from_bytes(encode(text)) == 10**SCALE
    assert number(Decimal(text)) == number(Decimal(1))


@pytest.mark.parametrize(
    "text",
    [
        "9" * LONG,
        "-" + "9" * LONG,
        "1." + "1" * LONG,
        "1" + "0" * LONG,
        "0." + "0" * LONG + "1",
        "1e5000",
        "1e-5000",
        "1e999999999999",
        "1e-999999999999",
    ],
)
def test_a_number_that_does_not_fit_is_refused_however_long_it_is(text: str) -> None:
    """What has too many digits is no datum, and the reason is short enough to be read."""
    with pytest.raises(InvalidDatum) as refused:
        encode(text)
    assert len(str(refused.value)) < 200
    with pytest.raises(InvalidDatum) as refused:
        number(Decimal(text))
    assert len(str(refused.value)) < 200


@given(
    st.text(max_size=12)
    | st.text("0123456789.eE+-_ ", max_size=50)
    | st.builds(
        lambda digit, many, rest: digit * many + rest, st.sampled_from("019."), st.integers(0, 2 * LONG), st.text("01.e-9", max_size=8)
    )
)
@example("0 .")
@example("1\n.")
@example(" 1")
@example("1 ")
def test_every_text_is_its_number_or_is_refused(text: str) -> None:
    """A text is exactly its count of 10⁻¹⁸, or InvalidDatum: nothing else is raised, whatever the text."""
    try:
        found = unscaled(text)
    except InvalidDatum:
        return
    assert -LARGEST <= found <= LARGEST
    assert Decimal(text) == Decimal(found).scaleb(-SCALE, Context(prec=2 * SCALE + 4))


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("45283.50", 2),
        ("45283", 0),
        ("1.2e-05", 6),
        ("1E-5", 5),
        ("1e8", 0),
        ("1.25e1", 1),
        ("1.5e3", 0),
        ("-0.10", 2),
        ("0e-3", 3),
        ("1.", 0),
    ],
)
def test_decimals_are_those_of_the_number_not_of_its_letters(text: str, decimals: int) -> None:
    """An exponent moves the point; zeros at the end that the venue wrote count."""
    assert scale_of(text) == decimals


@pytest.mark.parametrize(
    "text",
    [
        "1." + "0" * 19,
        "1." + "0" * 400,
        "1e-19",
        "1.5e-18",
        "1." + "0" * LONG,
        "",
        "thin",
        "NaN",
        "1e-99999999999999999999",
        "1_0.0",
        "٣.٣",
    ],
)
def test_no_scale_is_said_of_what_has_none(text: str) -> None:
    """More than 18 decimals fit no event, and what is no number has none."""
    with pytest.raises(InvalidDatum):
        scale_of(text)
