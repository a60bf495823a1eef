"""Asset contexts of Hyperliquid: what is told of them, when, and of which coin."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.contract import DecodedEvent, PartlyInvalid
from dialects.hyperliquid.contexts import settles_at
from dialects.hyperliquid.dialect import Hyperliquid
from dialects.judge import SKEW
from dialects.memory import Memory
from schemas.decimals import encode
from schemas.errors import InvalidDatum
from tests.dialects.recorded import frame

SPOKEN = Hyperliquid()
HOUR = 3_600_000_000
RECEIVED = 497_222 * HOUR + 1_000_000_000
"""Some minutes after a full hour; microseconds."""


def context(**changes: Any) -> dict[str, Any]:
    """Return a perpetual's context as the wire has it."""
    whole: dict[str, Any] = {
        "funding": "0.0000125",
        "openInterest": "30650.1",
        "prevDayPx": "64001.0",
        "dayNtlVlm": "812345678.1",
        "premium": "-0.0003",
        "oraclePx": "64262.0",
        "markPx": "64255.7",
        "midPx": "64255.5",
        "impactPxs": ["64255.0", "64256.0"],
        "dayBaseVlm": "12650.4",
    }
    return whole | changes


def read(channel: str, data: Any, memory: Memory, received_at: int = RECEIVED) -> list[DecodedEvent]:
    """Return the events of a frame."""
    payload = orjson.dumps({"channel": channel, "data": data})
    return list(SPOKEN.read(frame("hyperliquid", payload)._replace(received_at=received_at), memory))


def of_coin(memory: Memory, coin: str = "BTC", received_at: int = RECEIVED, **changes: Any) -> list[DecodedEvent]:
    """Return the events of one coin's context."""
    return read("activeAssetCtx", {"coin": coin, "ctx": context(**changes)}, memory, received_at)


def universes(memory: Memory, *metas: list[str]) -> None:
    """Let the venue answer with the coins of each DEX."""
    data = [{"universe": [{"name": name, "szDecimals": 1} for name in names], "marginTables": []} for names in metas]
    read("post", {"id": 1, "response": {"type": "info", "payload": {"type": "allPerpMetas", "data": data}}}, memory)


def test_a_context_with_all_that_the_venue_says() -> None:
    """Mark and oracle price, the hour's rate with when it is charged, and one side's open interest in coins; no time is made up."""
    assert of_coin(Memory()) == [
        DecodedEvent(
            "mark_price",
            {"symbol": "BTC", "event_time": None, "mark_price": encode("64255.7"), "index_price": encode("64262")},
        ),
        DecodedEvent(
            "funding_rate",
            {
                "symbol": "BTC",
                "event_time": None,
                "rate": encode("0.0000125"),
                "rate_kind": "predicted",
                "interval_s": 3600,
                "settles_at": 497_223 * HOUR,
                "premium": encode("-0.0003"),
                "model": "discrete",
                "raw_field": "funding",
            },
        ),
        DecodedEvent(
            "open_interest",
            {
                "symbol": "BTC",
                "event_time": None,
                "oi_native": encode("30650.1"),
                "oi_native_unit": "base",
                "oi_base": encode("30650.1"),
                "sides": "single",
            },
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"midPx": None, "impactPxs": None, "dayNtlVlm": "1.0"}, []),
        ({"markPx": "1.0"}, ["mark_price"]),
        ({"oraclePx": "1.0"}, ["mark_price"]),
        ({"funding": "-0.04"}, ["funding_rate"]),
        ({"premium": None}, ["funding_rate"]),
        ({"openInterest": "0.0"}, ["open_interest"]),
        ({"markPx": "1.0", "funding": "0.0", "openInterest": "0.0"}, ["mark_price", "funding_rate", "open_interest"]),
    ],
)
def test_only_what_has_changed_is_told(changes: dict[str, Any], told: list[str]) -> None:
    """A context comes each second, and most repeat: an event is made where one of its own fields has changed, by coin."""
    memory = Memory()
    of_coin(memory)
    assert len(of_coin(memory, "ETH", **changes)) == 3
    assert [one.event for one in of_coin(memory, **changes)] == told
    assert of_coin(memory, **changes) == []


def test_after_a_frame_that_did_not_come_all_is_told_anew() -> None:
    """What was told is forgotten where a context may have been missed."""
    memory = Memory()
    of_coin(memory)
    memory.forget_merged()
    assert len(of_coin(memory)) == 3


def test_numbers_are_read_as_text_or_as_numbers_exactly() -> None:
    """The page types the fields as numbers, the wire has text: the same digits are the same value, never by way of a float."""
    digits = "0.123456789012345678"
    payload = (
        f'{{"channel":"activeAssetCtx","data":{{"coin":"A","ctx":{{"funding":{digits},"openInterest":12,"oraclePx":"1","markPx":2.50}}}}}}'
    )
    mark, funding, interest = SPOKEN.read(frame("hyperliquid", payload), Memory())
    assert funding.fields["rate"] == encode(digits)
    assert funding.fields["premium"] is None
    assert interest.fields["oi_native"] == encode("12")
    assert mark.fields["mark_price"] == encode("2.5")


@pytest.mark.parametrize("changes", [{"markPx": None}, {"funding": True}, {"oraclePx": "much"}, {"openInterest": []}, {"premium": "NaN"}])
def test_what_is_no_number_refuses_the_frame_and_is_not_remembered(changes: dict[str, Any]) -> None:
    """Nothing of a frame with a value that is none becomes an event, and the next one is told whole."""
    memory = Memory()
    with pytest.raises(InvalidDatum):
        of_coin(memory, **changes)
    assert len(of_coin(memory)) == 3


@given(st.integers(0, 2**60))
def test_a_rate_is_charged_at_the_next_full_hour(received_at: int) -> None:
    """Within an hour of receipt; not known where our clock and the venue's may be on two sides of the hour."""
    charged, near = settles_at(received_at), min(received_at % HOUR, HOUR - received_at % HOUR)
    if charged is None:
        assert near <= SKEW
    else:
        assert charged % HOUR == 0
        assert 0 < charged - received_at <= HOUR
        assert near >= SKEW


def test_a_new_hour_is_told() -> None:
    """The same rate of another hour is another fact."""
    memory = Memory()
    of_coin(memory)
    (made,) = of_coin(memory, received_at=RECEIVED + HOUR)
    assert made.fields["settles_at"] == 497_224 * HOUR


def test_a_pair_of_spot_has_a_mark_price_alone() -> None:
    """Spot's contexts come under a name of their own; told where the price has changed."""
    memory = Memory()
    data = {"coin": "@107", "ctx": {"prevDayPx": "93.1", "dayNtlVlm": "1.0", "markPx": "92.949", "midPx": None, "coin": "@107"}}
    fields = {"symbol": "@107", "event_time": None, "mark_price": encode("92.949")}
    assert read("activeSpotAssetCtx", data, memory) == [DecodedEvent("mark_price", fields)]
    assert read("activeSpotAssetCtx", data, memory) == []
    assert SPOKEN.session().hear(orjson.dumps({"channel": "activeSpotAssetCtx", "data": data})).stream == ("ticker", "@107")


def test_contexts_without_names_are_told_by_their_place() -> None:
    """The first context of a DEX is of the first coin of its universe, and so on; a DEX is told by what its coins begin with."""
    memory = Memory()
    universes(memory, ["BTC", "ETH"], [], ["xyz:A", "xyz:B"])
    data = {"ctxs": [["xyz", [context(markPx="3.0"), context(markPx="4.0")]], ["", [context(markPx="1.0"), context(markPx="2.0")]]]}
    marks = {one.fields["symbol"]: one.fields["mark_price"] for one in read("allDexsAssetCtxs", data, memory) if one.event == "mark_price"}
    assert marks == {"BTC": encode("1"), "ETH": encode("2"), "xyz:A": encode("3"), "xyz:B": encode("4")}
    assert read("allDexsAssetCtxs", data, memory) == []
    assert of_coin(memory, markPx="1.0") == [], "told already, by whichever channel"


def test_contexts_of_coins_that_nobody_has_named_are_refused_and_cost_no_other() -> None:
    """A DEX that is not known, or one that has grown: the frame is kept as refused, and what has a name is told."""
    memory = Memory()
    universes(memory, ["BTC"])
    with pytest.raises(
        PartlyInvalid, match=r"DEX '' has 2 contexts, and 1 coins are known of it; DEX 'new' has 1 contexts, and 0"
    ) as refused:
        read("allDexsAssetCtxs", {"ctxs": [["", [context(), context()]], ["new", [context()]]]}, memory)
    assert [one.fields["symbol"] for one in refused.value.events] == ["BTC"] * 3
    universes(memory, ["BTC", "ETH"], ["new:A"])
    made = read("allDexsAssetCtxs", {"ctxs": [["", [context(), context()]], ["new", [context()]]]}, memory)
    assert {one.fields["symbol"] for one in made} == {"ETH", "new:A"}


def test_one_context_that_cannot_be_read_costs_no_other() -> None:
    """Of many contexts the wrong ones are named, a few of them, and the others told."""
    memory = Memory()
    universes(memory, [f"C{place}" for place in range(9)])
    contexts = [context(funding=None if place else "0.0") for place in range(9)]
    with pytest.raises(PartlyInvalid, match=r"C1: None is not a number;.*; C5: .*; and 3 more") as refused:
        read("allDexsAssetCtxs", {"ctxs": [["", contexts]]}, memory)
    assert {one.fields["symbol"] for one in refused.value.events} == {"C0"}


@pytest.mark.parametrize("metas", [[["BTC", "xyz:A"]], [["BTC"], ["ETH"]]])
def test_universes_that_contradict_themselves_are_refused(metas: list[list[str]]) -> None:
    """One universe of two DEXes, or two of one, names nothing: what was known stays."""
    memory = Memory()
    universes(memory, ["SOL"])
    with pytest.raises(InvalidDatum, match="universe"):
        universes(memory, *metas)
    assert memory["universe|"] == ["SOL"]
