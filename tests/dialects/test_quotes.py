"""A side of a quote that holds nothing has neither price nor size, at every venue alike."""

from typing import Any

import pytest

from dialects.catalogue import all_dialects
from dialects.memory import Memory
from schemas.decimals import encode
from tests.dialects.recorded import frame

BINANCE = '{"stream":"deadusdt@bookTicker","data":{"u":400900217,"s":"DEADUSDT","b":"%s","B":"%s","a":"25.36520000","A":"40.66000000"}}'
BYBIT = (
    '{"topic":"orderbook.1.DEADUSDT","type":"snapshot","ts":1790000000020,"data":{"s":"DEADUSDT","b":[["%s","%s"]],"a":[["25.3652","40.66"]],'
    '"u":8,"seq":9},"cts":1790000000010}'
)
KRAKEN = '{"channel":"ticker","type":"update","data":[{"symbol":"DEAD/USD","bid":%s,"bid_qty":%s,"ask":25.3652,"ask_qty":40.66}]}'
each_form = pytest.mark.parametrize(
    ("venue", "form"),
    [("binance", BINANCE), ("bybit_spot", BYBIT), ("bybit_linear", BYBIT), ("bybit_inverse", BYBIT), ("kraken", KRAKEN)],
)


def quote(venue: str, payload: str) -> dict[str, Any]:
    """Return the quote in a frame."""
    ((name, record),) = all_dialects()[venue].read(frame(venue, payload), Memory())
    assert name == "quote"
    return record


@each_form
@pytest.mark.parametrize("level", [("0.00000000", "0.00000000"), ("1", "0"), ("1.5", "0.0")])
def test_a_side_without_a_size_is_empty(venue: str, form: str, level: tuple[str, str]) -> None:
    """A size of zero is no quote, whatever price stands beside it; the other side is as it was."""
    record = quote(venue, form % level)
    assert (record["bid_price"], record["bid_size"]) == (None, None)
    assert (record["ask_price"], record["ask_size"]) == (encode("25.3652"), encode("40.66"))


@each_form
def test_a_side_with_a_size_is_as_it_is_written(venue: str, form: str) -> None:
    """The least size there is makes a quote."""
    record = quote(venue, form % ("1.5", "0.00000001"))
    assert (record["bid_price"], record["bid_size"]) == (encode("1.5"), encode("0.00000001"))
