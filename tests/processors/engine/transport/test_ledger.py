"""What is owed and what may be committed, as pure rules."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.transport.ledger import Ledger, Standing, standing


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(0, 12))
def test_only_the_unbroken_row_may_be_committed(sizes: list[int], order: Random, returned: int) -> None:
    """However receipts come back, `acknowledged` ends at the first batch that is still out."""
    ledger = Ledger(100)
    receipts = [ledger.give(ledger.owed + size) for size in sizes]
    shuffled = list(receipts)
    order.shuffle(shuffled)
    for receipt in shuffled[:returned]:
        receipt.acknowledged = True
        ledger.settle()
    expected = 100
    for receipt in receipts:
        if not receipt.acknowledged:
            break
        expected = receipt.end
    assert ledger.settle() == expected
    assert ledger.owed == 100 + sum(sizes)


def test_skipped_offsets_count_as_acknowledged_in_their_place() -> None:
    """Offsets that hold no record are passed over once all before them is acknowledged, and not sooner."""
    ledger = Ledger(0)
    first = ledger.give(10)
    ledger.skip(15)
    assert ledger.settle() == 0
    first.acknowledged = True
    assert ledger.settle() == 15
    ledger.skip(12)
    assert ledger.owed == 15


@pytest.mark.parametrize(
    ("position", "offsets", "end", "count", "found"),
    [
        (10, range(10, 20), 20, 10, Standing.NEXT),
        (5, range(5, 20), 20, 15, Standing.BEHIND),
        (12, range(12, 20), 20, 8, Standing.AHEAD),
        (10, range(11, 20), 20, 9, Standing.HOLED),
        (10, range(10, 20), 20, 9, Standing.HOLED),
        (10, range(10, 20), 21, 10, Standing.HOLED),
        (10, range(12, 12), 12, 0, Standing.HOLED),
    ],
    ids=["next", "behind", "ahead", "hole at the start", "hole inside", "hole at the end", "nothing but a hole"],
)
def test_a_fetch_is_compared_with_what_is_owed(position: int, offsets: range, end: int, count: int, found: Standing) -> None:
    """Offset 10 is owed: the position tells a moved fetch from a hole in the log itself."""
    assert standing(10, position, offsets, end, count) is found
