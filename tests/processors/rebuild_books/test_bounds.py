"""However many levels a venue sends, a book costs what its bound allows: of time, and of the entry that a checkpoint keeps of it."""

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import rules
from dialects.continuity import Rule
from processors.rebuild_books import core, pending, sides
from processors.rebuild_books.contents import MOST_LEVELS, Contents
from processors.rebuild_books.core import SNAPSHOT_WAIT, Book, BookSettings
from processors.rebuild_books.pending import MOST_WEIGHT, OWN_WEIGHT, Pending
from processors.rebuild_books.sides import Side
from schemas.decimals import to_bytes
from schemas.events import BookDelta
from tests.examples import examples
from tests.processors.rebuild_books.building import Levels, best, delta, feed, gaps, proofs, state_of
from topology.settings import Kafka

LEVEL = 37
"""The most bytes of a level in an entry: two decimals of 16 bytes, and what msgpack puts before them."""


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=80), st.lists(st.integers(1, 40)), st.booleans(), st.integers(0, 9)
)
@examples(200)
def test_many_changes_at_once_are_those_changes_in_turn(changes: Levels, before: list[int], highest_first: bool, few: int) -> None:
    """A block of changes leaves a side as each of them put by itself would, prices named twice and levels taken away too."""
    levels = [(price, 1) for price in before]
    block, turn = (Side(highest_first=highest_first, levels=levels) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "FEW", few)
        block.put_all(changes)
    for change in changes:
        turn.put(*change)
    assert (block.prices, block.sizes) == (turn.prices, turn.sizes)


def test_a_side_of_many_levels_takes_no_more_time_than_to_sort_them() -> None:
    """Four hundred thousand levels in falling order, then all but ten of them beyond the depth: no minute of the stage's time."""
    side, began = Side(highest_first=True), process_time()
    side.put_all([(price, 1) for price in range(400_000, 0, -1)])
    side.truncate(10)
    assert process_time() - began < 10.0
    assert [price for price, _ in side.best(20)] == list(range(400_000, 399_990, -1))


def levels(count: int) -> Levels:
    """Return so many bids."""
    return [(price, 1) for price in range(1, count + 1)]


ASKS = [(1_000, 1)]


@pytest.mark.parametrize("grown", [True, False], ids=["grown", "whole"])
@pytest.mark.parametrize(
    "rule",
    [rules.COINBASE_LEVEL2, rules.KRAKEN_BOOK, rules.BYBIT_BOOK, rules.BINANCE_SPOT_BOOK, rules.DERIBIT_BOOK, rules.HYPERLIQUID_BOOK],
    ids=lambda rule: str(rule.kind),
)
def test_a_book_of_more_levels_than_are_kept_is_broken(monkeypatch: pytest.MonkeyPatch, rule: Rule, grown: bool) -> None:
    """By changes or by a snapshot: it is let go, told once and asked for again, publishes nothing, and a snapshot that fits begins it."""
    monkeypatch.setattr(core, "MOST_LEVELS", 10)
    ids = rule.shows_losses

    def of(place: int, bids: Levels, *, snapshot: bool) -> BookDelta:
        sequence = (place, place) if ids else None
        return delta(place, bids, ASKS, sequence=sequence, snapshot=snapshot, previous=place - 1 if ids else None, received_at=place)

    one = Book(BookSettings(every=1), rule)
    first = feed(one, of(1, levels(9), snapshot=True), of(2, levels(9), snapshot=False))
    assert gaps(first) == []
    assert len(proofs(first)) == 2

    made = feed(one, of(3, levels(10), snapshot=not grown), of(4, levels(9), snapshot=False) if ids else of(4, levels(11), snapshot=True))

    assert gaps(made) == [("snapshot", "open")]
    assert proofs(made) == []
    assert state_of(one) == "broken"
    assert len(one.contents) == 0
    one = Book.load(one.dump(), BookSettings(every=1), rule)
    assert gaps(feed(one, of(5, levels(11), snapshot=True), of(6, levels(12), snapshot=True))) == []
    late = of(7, levels(11), snapshot=True)
    late["received_at"] += SNAPSHOT_WAIT
    assert gaps(feed(one, late)) == [("snapshot", "open")]

    right = of(8, levels(3), snapshot=True)
    right["received_at"] = late["received_at"] + 1
    made = feed(one, right)
    assert gaps(made) == [("snapshot", "filled")]
    assert len(proofs(made)) == 1
    assert best(one)[1] == ASKS
    assert len(one.contents) == 4


def test_what_waits_breaks_no_bound_when_it_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that fits, and deltas that waited for it and make it too large: broken, and told."""
    monkeypatch.setattr(core, "MOST_LEVELS", 10)
    one = Book(BookSettings(every=1), rules.BINANCE_SPOT_BOOK)
    made = feed(one, delta(1, levels(10), [], sequence=(5, 5)), delta(2, [(20, 1)], ASKS, sequence=(4, 4), snapshot=True))
    assert gaps(made) == [("snapshot", "open")]
    assert (proofs(made), state_of(one), len(one.contents)) == ([], "broken", 0)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many deltas wait, or however large: the oldest go, and one that is too large by itself."""
    waiting, most = Pending(), 100
    monkeypatch.setattr(pending, "MOST_WEIGHT", most * OWN_WEIGHT)
    for n in range(most + 5):
        waiting.add(delta(n, [], [], sequence=(n, n)))
    assert len(waiting) == most
    assert next(iter(waiting))["first_sequence"] == 5
    monkeypatch.setattr(pending, "MOST_WEIGHT", 1_000)
    large = Pending()
    for n in range(3):
        large.add(delta(n, levels(500), [], sequence=(n, n)))
    assert len(large) == 1
    large.add(delta(3, levels(1_000), [], sequence=(3, 3)))
    assert len(large) == 0


def test_the_largest_book_is_kept_by_a_checkpoint() -> None:
    """All levels that it may have and all that may wait, each number of 38 digits, each text as long as may be: one message holds them."""
    highest = 10**38 - 1

    def size(count: int, waiting: int) -> int:
        one = Book(BookSettings())
        one.contents = Contents([(highest - place, highest) for place in range(count)])
        for place in range(waiting):
            late: dict[str, Any] = dict(delta(2**50 + place, levels(50), [], sequence=(2**62, 2**62), previous=2**62, connection="c" * 128))
            late |= {"symbol": "S" * 128, "received_at": 2**62, "event_time": 2**62, "checksum": 2**32 - 1, "frames_lost": 2**62}
            late |= {"bid_prices": [to_bytes(highest)] * 50, "bid_sizes": [to_bytes(highest)] * 50, "venue": "v" * 32}
            one.pending.add(late)  # type: ignore[arg-type] # a dictionary like a delta
        return len(one.dump())

    empty = size(0, 0)
    assert size(1_000, 0) - empty <= 1_000 * LEVEL + 9
    assert size(0, 100) - empty <= 100 * (50 + OWN_WEIGHT) * LEVEL
    assert empty + (MOST_LEVELS + MOST_WEIGHT) * LEVEL < 0.95 * Kafka().message_max_bytes
