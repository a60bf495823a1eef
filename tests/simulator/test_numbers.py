"""Whole numbers as decimal text."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from simulator.instruments import decimal_writer


@given(st.integers(0, 10**18), st.integers(0, 8), st.integers(0, 8))
def test_text_is_exact_and_has_the_decimals_asked_for(number: int, decimals: int, padding: int) -> None:
    """The text is the number scaled, with every decimal shown, also trailing zeros."""
    text = decimal_writer(decimals, decimals + padding)(number)
    assert Decimal(text) == Decimal(number).scaleb(-decimals)
    assert len(text.partition(".")[2]) == decimals + padding


def test_wire_forms() -> None:
    """Binance shows eight decimals whatever the tick, Kraken as many as the precision."""
    assert decimal_writer(2, 8)(7117755) == "71177.55000000"
    assert decimal_writer(1)(452835) == "45283.5"
    assert decimal_writer(8)(10_000_000) == "0.10000000"
