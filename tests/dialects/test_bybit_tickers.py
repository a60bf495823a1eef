"""Bybit's tickers: deltas merged into what the venue says, and an event for each thing that changed."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.bybit.dialect import BybitInverse, BybitLinear
from dialects.contract import DecodedEvent, Dialect
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

LINEAR, INVERSE = BybitLinear(), BybitInverse()
CONTRACTS = pytest.mark.parametrize("spoken", [LINEAR, INVERSE], ids=lambda one: one.venue)
TIME = 1_790_000_000_123
WHOLE = {
    "lastPrice": "50000.5",
    "markPrice": "50000.71",
    "indexPrice": "50010.02",
    "openInterest": "200.5",
    "openInterestValue": "10000000",
    "singleOpenInterest": "100.25",
    "singleOpenInterestValue": "5012571.1775",
    "nextFundingTime": "1790006400000",
    "fundingRate": "-0.000212",
    "fundingIntervalHour": "8",
    "fundingCap": "0.005",
}


def ticker(kind: str, data: dict[str, Any], symbol: str = "BTCUSDT", ts: int = TIME) -> bytes:
    """Return a message of `tickers.{symbol}`."""
    return orjson.dumps({"topic": f"tickers.{symbol}", "type": kind, "data": {"symbol": symbol} | data, "cs": 1, "ts": ts})


def read(spoken: Dialect, payload: bytes, memory: Memory) -> dict[str, dict[str, Any]]:
    """Return the own fields of a message's events by name."""
    made: list[DecodedEvent] = list(spoken.read(frame(spoken.venue, payload), memory))
    assert len({one.event for one in made}) == len(made)
    return {one.event: one.fields for one in made}


def test_a_snapshot_of_linear_is_three_events() -> None:
    """Mark and index; the predicted rate with its instant, seconds and bounds; the interest of one side with its value."""
    made = read(LINEAR, ticker("snapshot", WHOLE), Memory())
    header = {"symbol": "BTCUSDT", "event_time": TIME * 1000}
    assert made["mark_price"] == header | {
        "mark_price": encode("50000.71"),
        "index_price": encode("50010.02"),
        "estimated_settlement_price": None,
    }
    assert made["funding_rate"] == header | {
        "rate": encode("-0.000212"),
        "rate_kind": "predicted",
        "interval_s": 28_800,
        "settles_at": 1_790_006_400_000_000,
        "cap": encode("0.005"),
        "floor": encode("-0.005"),
        "model": "discrete",
        "raw_field": "fundingRate",
    }
    assert made["open_interest"] == header | {
        "oi_native": encode("100.25"),
        "oi_native_unit": "base",
        "oi_base": encode("100.25"),
        "oi_quote": encode("5012571.1775"),
        "sides": "single",
    }


def test_interest_of_inverse_is_in_dollars_and_its_value_in_base() -> None:
    """Inverse counts contracts of one dollar, and gives their value in the base currency."""
    made = read(INVERSE, ticker("snapshot", WHOLE | {"singleOpenInterest": "5012571", "singleOpenInterestValue": "100.25"}), Memory())
    interest = made["open_interest"]
    assert (interest["oi_native"], interest["oi_native_unit"]) == (encode("5012571"), "usd")
    assert (interest["oi_base"], interest["oi_quote"], interest["sides"]) == (encode("100.25"), encode("5012571"), "single")


@CONTRACTS
def test_without_the_count_of_one_side_nothing_is_derived(spoken: Dialect) -> None:
    """Where a message has `openInterest` alone, how many sides it counted is unknown, and so are base and quote amounts."""
    made = read(spoken, ticker("snapshot", {"openInterest": "200.5", "openInterestValue": "10000000"}), Memory())
    assert made["open_interest"]["sides"] == "unknown"
    assert not {"oi_base", "oi_quote"} & made["open_interest"].keys()


@CONTRACTS
@pytest.mark.parametrize(
    ("changes", "events"),
    [
        ({"lastPrice": "1", "bid1Price": "2", "volume24h": "3"}, set()),
        ({"markPrice": "50000.72"}, {"mark_price"}),
        ({"indexPrice": "50010.03"}, {"mark_price"}),
        ({"fundingRate": "0.0001"}, {"funding_rate"}),
        ({"nextFundingTime": "1790035200000"}, {"funding_rate"}),
        ({"openInterest": "777"}, set()),
        ({"singleOpenInterestValue": "5012571.1776"}, {"open_interest"}),
        ({"markPrice": "50000.72", "fundingRate": "0.0001", "singleOpenInterest": "9"}, {"mark_price", "funding_rate", "open_interest"}),
        ({"markPrice": "50000.710", "fundingRate": "-0.0002120"}, set()),
    ],
)
def test_an_event_comes_of_a_change_of_its_own(spoken: Dialect, changes: dict[str, str], events: set[str]) -> None:
    """A delta makes an event of what it changed, by value and not by text, and none of anything else."""
    memory = Memory()
    read(spoken, ticker("snapshot", WHOLE), memory)
    assert set(read(spoken, ticker("delta", changes), memory)) == events


@CONTRACTS
def test_an_absent_field_is_unchanged(spoken: Dialect) -> None:
    """A change of the instant alone comes with the rate that the venue still says."""
    memory = Memory()
    read(spoken, ticker("snapshot", WHOLE), memory)
    made = read(spoken, ticker("delta", {"nextFundingTime": "1790035200000"}, ts=TIME + 5), memory)["funding_rate"]
    assert (made["rate"], made["settles_at"]) == (encode("-0.000212"), 1_790_035_200_000_000)
    assert made["event_time"] == (TIME + 5) * 1000


@CONTRACTS
def test_a_snapshot_replaces_what_was_said(spoken: Dialect) -> None:
    """What a later snapshot does not say is not carried over from before it, and what it says unchanged is not told again."""
    memory = Memory()
    read(spoken, ticker("snapshot", WHOLE), memory)
    assert read(spoken, ticker("snapshot", WHOLE), memory) == {}
    assert set(read(spoken, ticker("snapshot", {"markPrice": "3"}), memory)) == {"mark_price"}
    made = read(spoken, ticker("delta", {"fundingRate": "0.1"}), memory)["funding_rate"]
    assert (made["settles_at"], made["cap"], made["interval_s"]) == (None, None, None)


@CONTRACTS
def test_before_a_snapshot_what_is_not_said_is_null(spoken: Dialect) -> None:
    """A recording may begin with a delta: a mark price without an index, no funding rate without a rate."""
    memory = Memory()
    made = read(spoken, ticker("delta", {"markPrice": "3", "nextFundingTime": "1790035200000"}), memory)
    assert set(made) == {"mark_price"}
    assert made["mark_price"]["index_price"] is None


@CONTRACTS
def test_before_a_snapshot_both_sides_stand_in_for_nothing(spoken: Dialect) -> None:
    """A delta without the count of one side does not say that there is none: it has not changed, and is not known."""
    memory = Memory()
    assert read(spoken, ticker("delta", {"openInterest": "200.5"}), memory) == {}
    made = read(spoken, ticker("delta", {"singleOpenInterest": "100.25"}), memory)["open_interest"]
    assert (made["oi_native"], made["sides"]) == (encode("100.25"), "single")
    assert {made["oi_base"], made["oi_quote"]} == {encode("100.25"), None}


@CONTRACTS
@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (ticker("delta", {"markPrice": "much"}), ("merged|ticker|BTCUSDT",)),
        (b'{"topic":"tickers.BTCUSDT","ty', ("merged|ticker|BTCUSDT",)),
        (b'{"topic":"publicTrade.BTCUSDT","ty', ()),
        (b'{"topic":"kline.1.BTCUSDT","ty', ()),
        (b'{"topic":"tickers.BTCUS', None),
        (b'{"topic":"tickers.BTC\\u0055SDT"}', None),
        (b'{"topic":"tickers.\xff"}', None),
        (b'{"type":"delta","topic":"publicTrade.BTCUSDT"}', None),
        (b"", None),
    ],
)
def test_a_topic_says_what_a_refused_frame_may_have_changed(spoken: Dialect, payload: bytes, names: tuple[str, ...] | None) -> None:
    """Its symbol's ticker where it is of tickers, none where of others, any where it does not begin with a topic that can be read."""
    assert spoken.may_have_changed(payload) == names


@CONTRACTS
def test_a_future_has_no_funding(spoken: Dialect) -> None:
    """A future that is delivered has an empty rate, and an estimated price only when it is not 0."""
    memory = Memory()
    future = {
        "markPrice": "3",
        "fundingRate": "",
        "nextFundingTime": "0",
        "predictedDeliveryPrice": "0",
        "deliveryTime": "2026-12-25T08:00:00Z",
    }
    made = read(spoken, ticker("snapshot", future), memory)
    assert set(made) == {"mark_price"}
    assert made["mark_price"]["estimated_settlement_price"] is None
    made = read(spoken, ticker("delta", {"predictedDeliveryPrice": "3.5"}), memory)
    assert made["mark_price"]["estimated_settlement_price"] == encode("3.5")


@CONTRACTS
@pytest.mark.parametrize(("hours", "seconds"), [("8", 28_800), ("1", 3_600), ("0.5", 1_800), (4, 14_400), ("", None), (None, None)])
def test_intervals_are_text_in_hours(spoken: Dialect, hours: str | int | None, seconds: int | None) -> None:
    """The interval is text; a whole number is read too."""
    assert read(spoken, ticker("snapshot", WHOLE | {"fundingIntervalHour": hours}), Memory())["funding_rate"]["interval_s"] == seconds


@CONTRACTS
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"markPrice": "much"}, "not a decimal number"),
        ({"markPrice": 1.5}, "Expected `int | str | null`"),
        ({"fundingRate": "1e99"}, "more than 38 digits"),
        ({"nextFundingTime": "soon"}, "not a time in milliseconds"),
        ({"nextFundingTime": "9" * 19}, "not a time in milliseconds"),
        ({"fundingIntervalHour": "-8"}, "not a number of hours"),
        ({"fundingIntervalHour": "0.0001"}, "not a number of hours"),
        ({"fundingIntervalHour": "99999999"}, "not a number of hours"),
        ({"singleOpenInterest": "x"}, "not a decimal number"),
    ],
)
def test_a_value_that_is_none_is_refused_and_changes_nothing(spoken: Dialect, changes: dict[str, Any], reason: str) -> None:
    """A message with a value that cannot be is refused whole, and what was said before it stays."""
    memory = Memory()
    read(spoken, ticker("snapshot", WHOLE), memory)
    before = dict(memory)
    with pytest.raises(InvalidDatum, match=reason):
        read(spoken, ticker("delta", changes | {"indexPrice": "7"}), memory)
    assert memory == before


@CONTRACTS
def test_symbols_are_apart(spoken: Dialect) -> None:
    """What is said of one symbol is not said of another, and a checkpoint writes the one that changed."""
    memory = Memory()
    read(spoken, ticker("snapshot", WHOLE), memory)
    memory.changed.clear()
    made = read(spoken, ticker("delta", {"markPrice": "3"}, symbol="ETHUSDT"), memory)
    assert made["mark_price"]["index_price"] is None
    assert memory.changed == {"merged|ticker|ETHUSDT"}


_VALUES = st.sampled_from(["", "0", "1", "1.0", "2.5", "0.0001"])
_FIELDS = st.sampled_from([name for name in WHOLE if name != "fundingIntervalHour"] + ["predictedDeliveryPrice", "bid1Price"])


@CONTRACTS
@given(st.lists(st.tuples(st.booleans(), st.dictionaries(_FIELDS, _VALUES, max_size=5)), min_size=1, max_size=20))
def test_merged_tickers_are_the_last_full_state(spoken: Dialect, messages: list[tuple[bool, dict[str, str]]]) -> None:
    """After a snapshot and any snapshots and deltas the last event of each kind is that of one snapshot of the whole state."""
    memory = Memory()
    state: dict[str, str] = {}
    last: dict[str, dict[str, Any]] = {}
    for place, (drawn_whole, drawn) in enumerate(messages):
        whole = drawn_whole or place == 0
        data = drawn | ({"nextFundingTime": "17"} if "." in drawn.get("nextFundingTime", "") else {})
        state = data if whole else state | data
        last |= read(spoken, ticker("snapshot" if whole else "delta", data), memory)
        for name, fields in read(spoken, ticker("snapshot", state), Memory()).items():
            assert last[name] == fields
