"""What is received beside a count, while nobody knows yet whether it began again: it is never told as missing."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.continuity import Place, Step
from dialects.judge import MOST_SUSPECTS
from dialects.rules import BINANCE_SPOT_BOOK, TRADES_COUNTED
from processors.detect_gaps.streams import Streams
from tests.examples import examples

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def told(steps: Iterable[Step], streams: Streams | None = None) -> list[tuple[Any, ...]]:
    """Return the gaps of one stream: ids, state and cause of each state."""
    streams = streams or Streams(SECOND, lambda _venue, _channel: TRADES_COUNTED)
    made = [gap for step in steps for gap in streams.see("v", "S", "trade", "live", step)]
    made += streams.tick(START + 600 * SECOND, set())
    return [(gap["from_sequence"], gap["to_sequence"], gap["state"], gap["cause"]) for gap in made]


def step(number: int, at: int, connection: str = "a", lag: int = 0) -> Step:
    """Return one event, made `at` microseconds after the start and received so much later."""
    return Step(number, number, connection, START + at + lag, START + at)


@pytest.mark.parametrize(
    ("ids", "lost"),
    [
        ([99, 100, 10**18, 101, 103, 104, 105], [(102, 102)]),
        ([99, 100, 10**18, 101, 103, 105, 107, 108], [(102, 102), (104, 104), (106, 106)]),
        ([99, 100, 10**18, 101, 103, 102, 104, 105], []),
        ([99, 100, 10**18, 102, 104, 105], [(101, 101), (103, 103)]),
    ],
)
def test_ids_behind_a_stray_are_not_missing(ids: list[int], lost: list[tuple[int, int]]) -> None:
    """One absurd id and losses right behind it: what never came is told, and nothing that came between."""
    made = told(step(number, place * 10_000) for place, number in enumerate(ids))
    assert [(first, last) for first, last, state, _ in made if state == "open"] == lost


def test_a_count_that_begins_out_of_order_is_a_reset_alone() -> None:
    """Its first ids come over two connections, the later before the earlier."""
    old = [step(number, number * 1000) for number in range(20, 31)]
    new = [step(3, 3_003_000), step(2, 3_002_000, "b", 8000), step(4, 3_004_000, "b", 8000)]
    new += [step(number, 3_000_000 + number * 1000, "b", 10_000) for number in range(5, 30)]
    assert [cause for *_, cause in told([*old, *new])] == ["venue_reset", "venue_reset"]


@given(seed=st.integers(0, 2**32))
@examples(200)
def test_a_count_that_begins_in_any_order_invents_no_loss(seed: int) -> None:
    """Whatever the order of its first ids within their lag, and whatever is lost of them: no id that came is told as missing."""
    rng = random.Random(seed)
    old = [step(number, number * 1000) for number in range(1000, 1031)]
    made = [number for number in range(1, 40) if rng.random() > 0.1]
    begun = [step(number, 5 * SECOND + number * 2000, rng.choice("ab"), rng.choice((0, 3000, 9000))) for number in made]
    streams = Streams(SECOND, lambda _venue, _channel: TRADES_COUNTED)
    found = told([*old, *sorted(begun, key=lambda one: one.received_at)], streams)
    missing = {number for first, last, state, _ in found if first is not None and state == "open" for number in range(first, last + 1)}
    assert not missing & set(made)


def test_what_is_remembered_is_bounded_and_is_read_from_older_states() -> None:
    """Suspects without end leave a few; a place that was written without them is read, and one with them too."""
    steps = [step(1000, 0), *(step(900 - 2 * number, number * SECOND * 5) for number in range(1, 200))]
    streams = Streams(SECOND, lambda _venue, _channel: BINANCE_SPOT_BOOK)
    for one in steps:
        streams.see("v", "S", "trade", "live", one)
    place = streams.streams["v|S|trade"].place
    assert place is not None
    assert len(place.earlier) == MOST_SUSPECTS
    data = msgspec.msgpack.encode(place)
    assert msgspec.msgpack.decode(data, type=Place) == place
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(data)[:-1])
    assert msgspec.msgpack.decode(older, type=Place) == msgspec.structs.replace(place, earlier=())
