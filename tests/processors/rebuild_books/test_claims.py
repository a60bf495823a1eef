"""What a book claims to be is what is proven: by a checksum, by a sequence that leads on from a snapshot, or by nothing."""

import pytest

from dialects import rules
from dialects.catalogue import all_dialects, rule_of
from dialects.catalogue import dialect as dialect_of
from dialects.continuity import Kind
from dialects.kraken.checksum import checksum
from processors.rebuild_books.core import Book, BookSettings
from tests.processors.rebuild_books.building import SECOND, UNIT, delta, feed, gaps, proofs
from tests.processors.rebuild_books.test_rules import ASK, COINBASE, KRAKEN, SPOT, book


def test_what_a_book_claims_is_what_is_proven() -> None:
    """A checksum where the last message had a right one, a sequence where ids or the connection's count prove it, else nothing."""
    right = checksum([(9 * UNIT, UNIT)], [(100 * UNIT, UNIT)], 0, 0)
    one = book(KRAKEN)
    made = feed(
        one,
        delta(1, [(9, 1)], ASK, snapshot=True, received_at=1),
        delta(2, [(9, 1)], [], received_at=2, check=right),
        delta(3, [(9, 1)], [], received_at=3),
    )
    assert proofs(made) == ["unverified", "checksum", "unverified"]
    assert proofs(feed(book(COINBASE), delta(1, [(9, 1)], ASK, snapshot=True))) == ["sequence"]
    assert proofs(feed(book(rules.HYPERLIQUID_BOOK), delta(1, [(9, 1)], ASK, snapshot=True))) == ["unverified"]
    assert proofs(feed(book(SPOT), delta(1, [(101, 1)], ASK, sequence=(1, 1), snapshot=True))) == ["unverified"]


@pytest.mark.parametrize("venue", sorted(all_dialects()))
def test_a_venue_that_counts_nothing_claims_no_sequence(venue: str) -> None:
    """A book without ids is called proven by a sequence only where the venue counts the connection's messages, as its dialect says."""
    rule = rule_of(venue, "book")
    if rule.kind is Kind.NONE or rule.shows_losses:
        return
    made = feed(book(rule), *(delta(n, [(n, 1)], ASK, snapshot=n == 1, received_at=n) for n in (1, 2)))
    assert set(proofs(made)) == {"sequence" if dialect_of(venue).counts_connection else "unverified"}


def test_a_snapshot_that_nothing_has_joined_proves_nothing() -> None:
    """A requested snapshot with an absurd id covers all that comes, so it is not verified; the next that joins is."""
    one = book(SPOT)
    made = feed(one, delta(1, [(10, 1)], ASK, sequence=(1000, 1000), received_at=1, time=1))
    made += feed(one, delta(2, [(10, 1)], ASK, sequence=(2**62, 2**62), snapshot=True, received_at=2))
    made += feed(
        one,
        *(delta(n, [(10, 0), (9, n)], [], sequence=(1000 + n, 1000 + n), received_at=n * SECOND, time=n * SECOND) for n in range(1, 99)),
    )
    assert set(proofs(made)) == {"unverified"}
    assert gaps(made) == [("venue_reset", "open")]

    made = feed(one, delta(3, [(8, 1)], ASK, sequence=(1098, 1098), snapshot=True, received_at=99 * SECOND))
    made += feed(one, delta(99, [(8, 2)], [], sequence=(1099, 1099), received_at=100 * SECOND, time=100 * SECOND))
    assert proofs(made) == ["unverified", "sequence"]


@pytest.mark.parametrize("quick", [True, False])
def test_a_requested_snapshot_is_verified_once_a_delta_has_joined_it(quick: bool) -> None:
    """Whether the delta has waited for it, or comes after it, over a checkpoint too."""
    one, wanted = book(SPOT), ["sequence"] if quick else ["unverified", "sequence"]
    snapshot = delta(2, [(9, 1)], ASK, sequence=(10, 10), snapshot=True, received_at=2)
    after = delta(3, [(9, 2)], [], sequence=(9, 12), received_at=1 if quick else 3)
    made = feed(one, *((after, snapshot) if quick else (snapshot,)))
    one = Book.load(one.dump(), BookSettings(every=1), SPOT)
    made += feed(one, *(() if quick else (after,)))

    assert proofs(made) == wanted
