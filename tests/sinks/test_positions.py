"""What an offset that was not expected means."""

from collections.abc import Sequence
from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.positions import Loss, Positions, Verdict, judge, runs

PLACE = ("trades", 0)


def message(place: tuple[str, int], offset: int) -> Any:
    return Message(topic=place[0], partition=place[1], offset=offset, key=None, value=b"")


def offsets(messages: Sequence[Any]) -> list[int]:
    return [one.offset() for one in messages]


@pytest.mark.parametrize(
    ("owed", "low", "high", "anew", "verdict"),
    [
        (None, 0, 100, False, Verdict(0, None)),
        (None, 40, 100, False, Verdict(40, None)),
        (50, 0, 100, False, Verdict(50, None)),
        (100, 0, 100, False, Verdict(100, None)),
        (100, 100, 100, False, Verdict(100, None)),
        (50, 60, 100, False, Verdict(60, Loss(50, 60, "retention"))),
        (50, 100, 100, False, Verdict(100, Loss(50, 100, "retention"))),
        (101, 0, 100, False, Verdict(0, Loss(101, 101, "topic_reset"))),
        (101, 7, 100, False, Verdict(7, Loss(101, 101, "topic_reset"))),
        (50, 0, 100, True, Verdict(0, Loss(50, 50, "topic_reset"))),
        (0, 0, 0, True, Verdict(0, Loss(0, 0, "topic_reset"))),
        (None, 0, 100, True, Verdict(0, None)),
    ],
)
def test_what_an_offset_means(owed: int | None, low: int, high: int, *, anew: bool, verdict: Verdict) -> None:
    """Below the first record it is retention's loss, beyond the last or in another topic a reset; what was never read is no loss."""
    assert judge(owed, low, high, anew=anew) == verdict


@given(st.lists(st.tuples(st.sampled_from([("a", 0), ("a", 1), ("b", 0)]), st.integers(0, 5)), max_size=40))
def test_runs_are_whole_and_without_holes(steps: list[tuple[tuple[str, int], int]]) -> None:
    """Each message is in one run, in order; in a run all are of one partition and follow each other."""
    messages = [message(place, offset) for place, offset in steps]
    found = list(runs(messages))
    assert [one for _, run in found for one in run] == messages
    for place, run in found:
        assert {(one.topic(), one.partition()) for one in run} == {place}
        assert offsets(run) == list(range(run[0].offset(), run[0].offset() + len(run)))


def test_only_what_was_not_read_is_taken() -> None:
    """What comes a second time is left out, and where offsets are missing nothing is taken: the one that is owed is named."""
    positions = Positions()
    assert positions.take(PLACE, [message(PLACE, n) for n in (5, 6)])[1] is None
    taken, owed = positions.take(PLACE, [message(PLACE, n) for n in (5, 6, 7)])
    assert (offsets(taken), owed) == ([7], None)
    assert positions.take(PLACE, [message(PLACE, 4)]) == ([], None)
    assert positions.take(PLACE, [message(PLACE, 10)]) == ((), 8)
    assert positions.owed(PLACE) == 8


def test_a_first_record_later_than_the_commit_is_a_hole() -> None:
    """What the group has committed is owed from the beginning, and is no news once something was read."""
    positions = Positions()
    positions.expect(PLACE, 5)
    assert positions.take(PLACE, [message(PLACE, 7)]) == ((), 5)
    positions.begin(PLACE, 7)
    positions.take(PLACE, [message(PLACE, 7)])
    positions.expect(PLACE, 5)
    assert positions.owed(PLACE) == 8


def test_where_a_partition_came_to_is_remembered() -> None:
    """Of a partition that was given up it is known where it came to, for when nobody else has committed."""
    positions = Positions()
    positions.take(PLACE, [message(PLACE, 0)])
    positions.leave([PLACE, ("trades", 1)])
    assert positions.owed(PLACE) == 1
    assert positions.owed(("trades", 1)) is None
    assert offsets(positions.take(PLACE, [message(PLACE, 40)])[0]) == [40]
