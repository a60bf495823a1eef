"""Update ids that begin again, and what only looks so: told once, and no book is published that nothing proves any more."""

from typing import Any

import pytest

from processors.rebuild_books.gaps import MOST_OPEN
from tests.processors.rebuild_books.building import SECOND, best, delta, feed, gaps, proofs, state_of
from tests.processors.rebuild_books.test_rules import ASK, KRAKEN, SPOT, book

HOUR = 3600 * SECOND


@pytest.mark.parametrize("snapshot_first", [True, False])
def test_update_ids_that_begin_again_are_told_and_the_book_follows(snapshot_first: bool) -> None:
    """A new count after ten minutes, its snapshot before or after its first deltas: one reset, ended by it, and the new market."""
    one, later = book(SPOT), 600 * SECOND
    made = feed(
        one,
        delta(1, [(10, 1)], ASK, sequence=(1000, 1000), snapshot=True, received_at=1),
        delta(2, [(10, 2)], [], sequence=(1001, 1001), received_at=2, time=2),
    )
    snapshot = delta(2, [(20, 60)], ASK, sequence=(60, 60), snapshot=True, connection="b", received_at=later + 1)
    deltas = [delta(n, [(20, n)], [], sequence=(n, n), connection="b", received_at=later + n, time=later + n) for n in range(58, 65)]
    made += feed(one, *([snapshot, *deltas] if snapshot_first else [*deltas[:2], snapshot, *deltas[2:]]))
    late = feed(one, delta(3, [(10, 3)], [], sequence=(1002, 1002), received_at=later + 99, time=3))

    assert gaps(made) == [("venue_reset", "open"), ("venue_reset", "filled")]
    told = [record for name, record in made if name == "gap"]
    assert {(gap["from_sequence"], gap["to_sequence"]) for gap in told} == {(None, None)}  # nobody knows what the old count had left
    began = 60 if snapshot_first else 58
    assert told[0]["repair"] == f"the venue began its update ids again, with {began}"
    assert gaps(late) == []
    assert (state_of(one), one.last_sequence, best(one)[0]) == ("live", 64, [(20, 64)])


@pytest.mark.parametrize("ahead", [-20 * HOUR, 16 * SECOND, HOUR])
def test_one_wrong_time_hides_no_reset_and_no_wrong_book_is_verified(ahead: int) -> None:
    """One delta dated wrong, then ids that begin again with their snapshot: told once, and what is published is the new market."""
    one, begin = book(SPOT), 100 * HOUR
    feed(
        one,
        delta(1, [(10, 1)], ASK, sequence=(1000, 1000), received_at=begin),
        delta(1, [(10, 1)], ASK, sequence=(1000, 1000), snapshot=True),
    )
    feed(
        one,
        *(
            delta(n, [(10, n)], ASK, sequence=(1000 + n, 1000 + n), received_at=begin + n * SECOND, time=begin + n * SECOND + off)
            for n, off in ((1, 0), (2, ahead), (3, 0))
        ),
    )
    new = [
        delta(n, [(9, n)], [], sequence=(n, n), received_at=begin + (20 + n) * SECOND, time=begin + (20 + n) * SECOND) for n in range(1, 9)
    ]
    made = feed(one, *new[:3], delta(3, [(9, 3)], ASK, sequence=(3, 3), snapshot=True, received_at=begin + 23 * SECOND), *new[3:])

    assert gaps(made) == [("venue_reset", "open"), ("venue_reset", "filled")]
    assert (state_of(one), one.last_sequence, best(one)[0]) == ("live", 8, [(9, 8)])
    verified = [record["last_sequence"] for name, record in made if name == "book_snapshot" and record["verified"] == "sequence"]
    assert [last for last in verified if last >= 1000] == [1003]  # at the first of the new count, which may still be a stray


def test_a_gap_of_a_book_names_no_time_that_cannot_be() -> None:
    """A delta dated wrong is told at its receipt: as the last that was right, and as the one that is not."""
    one = book(KRAKEN)
    feed(one, delta(1, [(9, 1)], ASK, snapshot=True, received_at=SECOND, time=20 * HOUR))
    made = feed(one, delta(2, [(9, 1)], [], received_at=2 * SECOND, time=20 * HOUR, frames_lost=1))

    assert [(gap["from_time"], gap["to_time"]) for _, gap in made] == [(SECOND, 2 * SECOND)]


def test_a_reset_without_a_snapshot_leaves_no_book() -> None:
    """What came before a reset proves nothing: no book is published until the new count has its snapshot."""
    one = book(SPOT)
    feed(
        one,
        delta(1, [(10, 1)], ASK, sequence=(1000, 1000), snapshot=True, received_at=1),
        delta(2, [(10, 2)], [], sequence=(1001, 1001), received_at=2, time=2),
    )
    made = feed(one, *(delta(n, [(20, n)], [], sequence=(n, n), received_at=n * 2 * SECOND, time=n * 2 * SECOND) for n in (5, 6, 7)))

    assert gaps(made) == [("venue_reset", "open")]
    assert proofs(made[1:]) == []
    assert (state_of(one), best(one)) == ("broken", ([], []))


def test_a_stray_update_id_does_not_end_a_book() -> None:
    """One absurd id, and the feed goes on from before it: the book does too, and nothing is told."""
    one = book(SPOT)
    made = feed(
        one,
        delta(1, [(9, 1)], ASK, sequence=(10, 10), snapshot=True, received_at=1),
        delta(2, [(9, 7)], [], sequence=(10**15, 10**15), received_at=2, time=2),
    )
    made += feed(one, *(delta(n, [(9, n)], [], sequence=(n, n), received_at=n * SECOND, time=n * SECOND) for n in (11, 12, 13)))

    assert gaps(made) == []
    assert (state_of(one), one.last_sequence, best(one)[0], len(one.pending)) == ("live", 13, [(9, 13)], 0)


def test_resets_without_end_leave_few_gaps_open() -> None:
    """A feed whose count begins again and again, and never has a snapshot: each reset is told, and all but the last few are closed."""
    one, made = book(SPOT), list[tuple[str, Any]]()
    for epoch in range(20):
        for n in (1, 2):
            at = (epoch * 10 + n * 3) * SECOND
            made += feed(
                one, delta(epoch * 10 + n, [], [], sequence=(1000 - epoch * 10 + n, 1000 - epoch * 10 + n), received_at=at, time=at)
            )
    told = gaps(made)
    assert told.count(("venue_reset", "open")) == 19
    assert told.count(("venue_reset", "closed")) == 19 - MOST_OPEN
