"""What a checksum proves of a book's levels, with the decimals of its pair and without them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.kraken.checksum import checksum
from processors.rebuild_books.contents import LEAST_TO_FIND, TRIES, Contents
from schemas.decimals import SCALE

Levels = list[tuple[int, int]]


def message(checked: int, scales: tuple[int, int] | None) -> Any:
    """Return what a message says of a book's checksum."""
    price_scale, size_scale = scales or (None, None)
    return {"checksum": checked, "price_scale": price_scale, "size_scale": size_scale}


def book(scales: tuple[int, int], count: int, first: int, size: int) -> tuple[Contents, int]:
    """Return a book of so many levels a side, and the venue's checksum of it."""
    price_unit, size_unit = (10 ** (SCALE - scale) for scale in scales)
    bids: Levels = [((first + count - place) * price_unit, (size + place) * size_unit) for place in range(count)]
    asks: Levels = [((first + count + 1 + place) * price_unit, (size + 3 * place) * size_unit) for place in range(count)]
    return Contents(bids, asks), checksum(bids, asks, *scales)


@given(st.tuples(st.integers(0, 10), st.integers(0, 10)), st.integers(LEAST_TO_FIND // 2, 12), st.integers(1, 10**7), st.integers(1, 10**9))
def test_scales_that_nobody_said_prove_themselves(scales: tuple[int, int], count: int, first: int, size: int) -> None:
    """Whatever zeros its messages leave out, a right book fits its checksum with the venue's scales; from then on it can be disproved."""
    contents, checked = book(scales, count, first, size)
    assert contents.is_right(message(checked, None)) is True
    assert contents.is_right(message(checked ^ 1, None)) is False


def test_what_fits_no_scales_proves_nothing() -> None:
    """It may be the book or the scales that are wrong; the search ends, so that it does not cost each message its milliseconds."""
    contents, checked = book((1, 8), 5, 970_000, 150_000_000)
    for _ in range(TRIES):
        assert contents.is_right(message(checked ^ 1, None)) is None
    assert contents.is_right(message(checked, None)) is None
    assert contents.is_right(message(checked, (1, 8))) is True


@pytest.mark.parametrize("levels", [[], [(10**18, 10**18)]])
def test_a_book_of_few_levels_tells_no_scales(levels: Levels) -> None:
    """Nothing is learnt from an empty book, whose checksum fits with any."""
    contents = Contents(levels)
    assert contents.is_right(message(checksum(levels, [], 1, 8), None)) is None
