"""A connection's counter tells each loss, and takes no stray number for one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.continuity import Finding, Place, Step
from dialects.counter import FAR, Count, count
from dialects.judge import judge
from dialects.rules import COINBASE_ADVANCED
from tests.examples import examples

losses = st.lists(st.sampled_from((0, 0, 0, 1, 5, FAR - 1)), min_size=3, max_size=12)
"""How many messages are lost before each that comes."""


def numbers_of(first: int, lost: list[int]) -> list[int]:
    """Return the numbers that come."""
    numbers = [first]
    for one in lost:
        numbers.append(numbers[-1] + one + 1)
    return numbers


def truth(numbers: list[int]) -> list[int]:
    """Return the numbers that are missing between these."""
    return [number for before, after in pairwise(numbers) for number in range(before + 1, after)]


def told(numbers: list[int]) -> list[int]:
    """Return the numbers that the counter and the judge, who must agree, say are missing."""
    at: Count | None = None
    place: Place | None = None
    found: list[int] = []
    judged: list[int] = []
    for received_at, number in enumerate(numbers):
        at, missing = count(at, number)
        found += [one for first, last in missing for one in range(first, last + 1)]
        verdict = judge(COINBASE_ADVANCED, place, Step(number, number, "a", received_at))
        place = verdict.place
        if verdict.finding is Finding.HOLE:
            assert verdict.first is not None
            assert verdict.last is not None
            but = None if verdict.began is None else verdict.began.last
            judged += [one for one in range(verdict.first, verdict.last + 1) if one != but]
    assert judged == found
    return found


@given(st.sampled_from((0, 5_000_000)), losses, st.integers(FAR + 1, 10**18), st.integers(0, 20), st.integers(1, 2))
@examples(200)
def test_a_stray_hides_no_loss_and_is_none(first: int, lost: list[int], beyond: int, place: int, times: int) -> None:
    """Wherever one number far ahead comes, at the beginning too, once or repeated: told is what is truly missing, each number once."""
    numbers = numbers_of(first, lost)
    place = min(place, len(numbers))
    assert told([*numbers[:place], *[numbers[-1] + beyond] * times, *numbers[place:]]) == truth(numbers)


@given(losses, st.integers(FAR + 1, 5 * FAR), losses)
@examples(50)
def test_a_loss_of_very_many_is_told_with_the_message_after_it(lost: list[int], many: int, more: list[int]) -> None:
    """What goes on from a number far ahead shows that it was none; what is lost right behind it is told too."""
    begin = numbers_of(0, lost)
    numbers = [*begin, *numbers_of(begin[-1] + many, more)]
    assert told(numbers) == truth(numbers)
    assert told(numbers[: len(begin) + 1]) == truth(begin)


@pytest.mark.parametrize("numbers", [[7, 7, 5, 8], [3, 4, 4, 3, 5], [5_000, 5_000, 5_001, 4_000]])
def test_a_repeated_number_changes_nothing(numbers: list[int]) -> None:
    """One that is not above the last is a repetition."""
    assert told(numbers) == []


def test_what_we_lost_ourselves_may_be_as_much_as_it_was() -> None:
    """A number as far ahead as our own count explains is believed at once; one further ahead waits for the next."""
    at = Count(10)
    assert count(at, 11 + FAR + 500, 500) == (Count(10, 11 + FAR + 500), ())
    assert count(at, 10 + FAR + 500, 500) == (Count(10 + FAR + 500), ((11, 9 + FAR + 500),))
