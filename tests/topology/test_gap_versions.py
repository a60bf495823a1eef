"""Which word of a gap is the truth."""

from hypothesis import given
from hypothesis import strategies as st

from processors.detect_gaps.gaps import StreamName, over_at_once
from topology.gap_versions import certain, filling, weak_end

TIMES = st.integers(0, 2**53)


@given(TIMES, TIMES)
def test_no_two_kinds_of_words_have_one_version(opened: int, at: int) -> None:
    """Whenever it comes, a certain end outranks a concluded one, that a repair under way, and that the gap's opening."""
    versions = [opened, filling(opened), weak_end(opened), certain(opened, at)]
    assert versions == sorted(set(versions))
    assert certain(opened, at) >= at


@given(TIMES, TIMES)
def test_what_is_open_again_outranks_all_that_was_said_before(opened: int, at: int) -> None:
    """A gap told anew is repaired anew: neither the repair nor the end of the first time stays the truth."""
    again = certain(opened, at)
    assert again > weak_end(opened)
    assert certain(again, at) > filling(again) > again


def test_a_gap_that_is_over_when_it_is_found_stays_over() -> None:
    """The producer that reads its opening may still say that it repairs it, and may be written down last."""
    gap, ended = over_at_once(
        StreamName("kraken", "ETH/USD", "book", "live"), "away", "reconnect", (1, 5), 5, "c", filled=True, reason="snapshot"
    )
    assert ended["version"] > filling(gap["version"])
