"""What a book claims to be is what is proven: by a checksum, by a sequence that leads on from a snapshot, or by nothing."""

from dialects import rules
from dialects.kraken.checksum import checksum
from tests.processors.rebuild_books.building import UNIT, delta, feed, proofs
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
