"""Funding at OKX: what will be charged and what was charged are two events, each told once."""

from typing import Any

import orjson
import pytest

from dialects.contract import DecodedEvent
from dialects.memory import Memory
from dialects.okx.dialect import Okx
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

EXAMPLE = {
    "formulaType": "noRate",
    "fundingRate": "0.0001875391284828",
    "fundingTime": "1700726400000",
    "impactValue": "",
    "instId": "BTC-USD-SWAP",
    "instType": "SWAP",
    "interestRate": "",
    "method": "current_period",
    "maxFundingRate": "0.00375",
    "minFundingRate": "-0.00375",
    "nextFundingRate": "",
    "nextFundingTime": "1700755200000",
    "premium": "0.0001233824646391",
    "settFundingRate": "0.0001699799259033",
    "settState": "settled",
    "ts": "1700724675402",
}
"""The page's own."""


def read(memory: Memory | None = None, **other: str) -> list[DecodedEvent]:
    """Return the events of the example with some of its fields changed."""
    row: dict[str, Any] = {name: text for name, text in (EXAMPLE | other).items() if text != "left out"}
    payload = orjson.dumps({"arg": {"channel": "funding-rate", "instId": "BTC-USD-SWAP"}, "data": [row]})
    return list(Okx().read(frame("okx", payload), Memory() if memory is None else memory))


def test_predicted_and_settled() -> None:
    """The upcoming rate is charged at `fundingTime`, and the one before it was, an interval of eight hours earlier."""
    predicted, settled = (made.fields for made in read())
    assert (predicted["rate"], predicted["rate_kind"], predicted["raw_field"]) == (encode("0.0001875391284828"), "predicted", "fundingRate")
    assert (predicted["settles_at"], predicted["next_settles_at"]) == (1700726400000000, 1700755200000000)
    assert (predicted["interval_s"], predicted["cap"], predicted["floor"]) == (28_800, encode("0.00375"), encode("-0.00375"))
    assert (predicted["premium"], predicted["interest_rate"]) == (encode("0.0001233824646391"), None)
    assert (settled["rate"], settled["rate_kind"]) == (encode("0.0001699799259033"), "settled")
    assert (settled["settles_at"], settled["next_settles_at"]) == (1700697600000000, 1700726400000000)
    assert predicted["event_time"] == settled["event_time"] == 1700724675402000


def test_what_is_said_again_is_no_event() -> None:
    """The venue repeats itself every minute; another premium is no other rate; a new rate or another time is one."""
    memory = Memory()
    assert len(read(memory)) == 2
    assert read(memory, ts="1700724735402", premium="0.0002") == []
    assert [made.fields["rate_kind"] for made in read(memory, fundingRate="0.0002")] == ["predicted"]
    assert [made.fields["rate_kind"] for made in read(memory, fundingRate="0.0002", settFundingRate="0.00017")] == ["settled"]
    after = read(memory, fundingTime="1700755200000", nextFundingTime="1700784000000", fundingRate="0.0003", settFundingRate="0.0002")
    assert [made.fields["rate_kind"] for made in after] == ["predicted", "settled"]


def test_while_it_is_settled_nothing_is_told_of_it() -> None:
    """`processing`: no page says of which time the rate is."""
    assert [made.fields["rate_kind"] for made in read(settState="processing")] == ["predicted"]


def test_an_interval_that_is_not_said_is_null() -> None:
    """Without the time after the next neither the interval nor the time of the last settlement is known; nor is the message's own time."""
    predicted, settled = (made.fields for made in read(nextFundingTime="", ts="left out"))
    assert predicted["interval_s"] is predicted["next_settles_at"] is settled["settles_at"] is predicted["event_time"] is None


@pytest.mark.parametrize(
    "other",
    [
        {"fundingTime": ""},
        {"fundingRate": ""},
        {"fundingRate": "left out"},
        {"nextFundingTime": "1700726400000"},
        {"nextFundingTime": "1600726400000"},
        {"nextFundingTime": "9200726400000"},
        {"fundingTime": "0", "nextFundingTime": "3600000"},
        {"fundingTime": "99999999999999999999"},
        {"settFundingRate": "much"},
    ],
)
def test_what_cannot_be_is_refused(other: dict[str, str]) -> None:
    """A rate without its time, and times that are no interval apart; nothing is then remembered."""
    memory = Memory()
    with pytest.raises(InvalidDatum):
        read(memory, **other)
