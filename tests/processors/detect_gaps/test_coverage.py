"""Coverage is of a stream, over all connections that carry it, of whichever producer and on whichever partition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detect_gaps.coverage import GRACE, MOST_CONNECTIONS, Span, uncovered
from processors.detect_gaps.readers import Shared
from schemas.events import Gap
from tests.processors.detect_gaps.feeding import HOUR, SECOND, shared
from tests.processors.detect_gaps.test_partitions import Partition

QUOTE, OTHER = ("quote", "S"), ("quote", "T")
FRAME = b'{"channel":"heartbeat"}'


def spans_of(gaps: list[Gap]) -> list[tuple[str, str, int | None, int | None]]:
    """Return symbol, state and times of each gap event."""
    return [(gap["symbol"], gap["state"], gap["from_time"], gap["to_time"]) for gap in gaps]


def kept(one: Partition) -> dict[str, bytes]:
    """Return all that a checkpoint keeps of a partition."""
    return {name: data for name, data in one.reader.dump().items() if data is not None}


def away(symbol: str, begin: int, end: int) -> list[tuple[str, str, int | None, int | None]]:
    """Return the two events of a time away."""
    return [(symbol, "open", begin, end), (symbol, "unfillable", begin, end)]


@pytest.mark.parametrize("together", [True, False], ids=["one partition", "two partitions"])
def test_what_another_connection_heard_is_no_gap(together: bool) -> None:
    """Of two connections the second comes back: what the first carried all the while was not away, what it did not carry was."""
    common = shared()
    one = Partition(common)
    two = one if together else Partition(common)
    one.notice("confirmed", "a", 1, streams=[QUOTE])
    two.notice("confirmed", "b", 2, streams=[QUOTE, OTHER])
    two.notice("closed", "b", 50)
    one.take("message", FRAME, "a", 95)
    made = two.notice("confirmed", "c", 90, streams=[QUOTE, OTHER], since=50)
    assert spans_of(made) == away("T", 50, 90)
    assert two.reader.tick(HOUR) + one.reader.tick(HOUR) == []


def test_a_second_producer_that_was_down_for_long_invents_nothing() -> None:
    """It knows of its own past alone, and says that all was away since; the first producer heard it, over two rotations."""
    common = shared()
    first, second = Partition(common), Partition(common)
    first.notice("confirmed", "a", 1 * HOUR, streams=[QUOTE])
    first.notice("confirmed", "b", 24 * HOUR, streams=[QUOTE])
    first.notice("closed", "a", 24 * HOUR + SECOND)
    first.notice("confirmed", "c", 48 * HOUR, streams=[QUOTE])
    first.notice("closed", "b", 48 * HOUR + SECOND)
    first.take("message", FRAME, "c", 50 * HOUR + SECOND)
    assert second.notice("confirmed", "x", 50 * HOUR, streams=[QUOTE], since=2 * HOUR) == []
    assert second.reader.tick(51 * HOUR) == []
    assert spans_of(second.notice("confirmed", "x", 50 * HOUR, streams=[QUOTE], since=HOUR // 2)) == away("S", HOUR // 2, HOUR)


def test_it_waits_for_one_that_may_be_behind() -> None:
    """The other's partition is read more slowly: nothing is told until it says that it heard, or that it closed."""
    common = shared()
    first, second = Partition(common), Partition(common)
    first.notice("confirmed", "a", 1, streams=[QUOTE, OTHER])
    second.notice("confirmed", "x", 2, streams=[QUOTE, OTHER])
    second.notice("closed", "x", 50)
    assert second.notice("confirmed", "y", 90, streams=[QUOTE, OTHER], since=50) == []
    assert second.reader.tick(HOUR) == []
    first.take("message", FRAME, "a", 91)
    assert second.reader.tick(HOUR + SECOND) == []
    assert second.reader.tick(2 * HOUR) == []
    first.notice("closed", "a", 200)
    second.notice("closed", "y", 210)
    made = second.notice("confirmed", "z", 300, streams=[QUOTE], since=210)
    assert spans_of(made) == away("S", 210, 300)


def test_one_that_was_killed_holds_a_gap_back_for_a_moment_only() -> None:
    """A connection that never says that it closed, and is heard no more, carried nothing since: told after the grace, over restarts."""
    common = shared()
    one = Partition(common)
    one.notice("confirmed", "a", 1, streams=[QUOTE])
    one.take("message", FRAME, "a", 49)
    assert one.notice("confirmed", "b", 90, streams=[QUOTE], since=48) == []
    assert one.reader.tick(HOUR) == []
    following = Partition(Shared(common.reorder, common.ended, common.open), kept(one))
    assert following.reader.tick(2 * HOUR) == []
    assert following.reader.tick(2 * HOUR + GRACE - 1) == []
    assert spans_of(following.reader.tick(2 * HOUR + GRACE)) == away("S", 48, 90)
    assert following.reader.tick(3 * HOUR) == []
    assert kept(Partition(shared(), kept(following))) == {}


def test_what_ids_show_is_told_by_them_alone() -> None:
    """Trades that are counted have no time away, on however many connections."""
    one = Partition(shared())
    assert one.notice("confirmed", "b", 90, streams=[("trade", "S"), ("instrument", "")], since=50) == []
    assert one.reader.tick(HOUR) == []


def test_no_more_connections_are_remembered_than_the_bound() -> None:
    """A venue that flaps fills no state: the one longest quiet is forgotten, in the checkpoint too."""
    one = Partition(shared())
    for number in range(1, MOST_CONNECTIONS + 11):
        one.notice("confirmed", f"c{number}", number, streams=[QUOTE])
        one.notice("closed", f"c{number}", number)
    remembered = [name for name in kept(one) if name.startswith("covers|")]
    assert len(remembered) == MOST_CONNECTIONS
    assert "covers|c10" not in remembered
    assert "covers|c11" in remembered


@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()).filter(lambda one: one[0] <= one[1])),
)
def test_the_uncovered_time_is_that_of_which_nobody_heard(since: int, length: int, drawn: list[tuple[int, int, bool]]) -> None:
    """Its ends are heard by nobody, what is left out on both sides is heard throughout, and without any span all is uncovered."""
    until, spans = since + length, [Span(*one) for one in drawn]
    begin, end = uncovered(since, until, spans)

    def heard(at: int) -> bool:
        """Whether somebody heard the moment from `at` to the next."""
        return any(span.begin <= at and at + 1 <= span.end for span in spans)

    assert since <= begin
    assert end <= until
    if begin < end:
        assert all(heard(at) for at in (*range(since, begin), *range(end, until)))
        assert not heard(begin)
        assert not heard(end - 1)
    else:
        assert all(heard(at) for at in range(since, until))
    assert uncovered(since, until, []) == (since, until)
