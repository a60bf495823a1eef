"""How long what nobody understands is asked about."""

from itertools import pairwise

import pytest

from producers.doubt import FEWEST, FIRST_SECONDS, LASTING_SECONDS, LONGEST_SECONDS, Doubt
from topology.errors import Reject


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.at


def test_it_lasts_when_it_stayed_so_for_long() -> None:
    """The waits double up to their bound; after ten minutes of the same it is told with how often and for how long."""
    clock = Clock()
    doubt, waits = Doubt(clock), list[float]()

    def ask() -> None:
        """Ask until it has lasted."""
        while True:
            waits.append(doubt.again(ValueError("what?")))
            clock.at += waits[-1]

    with pytest.raises(Reject, match=r"nobody here understands \d+ times in \d+ s: what\?"):
        ask()
    assert waits[0] == FIRST_SECONDS
    assert all(later == min(2 * before, LONGEST_SECONDS) for before, later in pairwise(waits))
    assert LASTING_SECONDS <= clock.at - 100 < LASTING_SECONDS + LONGEST_SECONDS


def test_few_answers_are_not_enough() -> None:
    """Where each answer takes long, time alone makes nobody's last word of it."""
    clock = Clock()
    doubt = Doubt(clock)
    for _ in range(FEWEST - 1):
        doubt.again(ValueError())
        clock.at += LASTING_SECONDS
    with pytest.raises(Reject):
        doubt.again(ValueError())


def test_an_answer_ends_it() -> None:
    """What was understood in between begins the count anew, and the waits; a venue that asks for longer gets it."""
    clock = Clock()
    doubt = Doubt(clock)
    for _ in range(20):
        assert doubt.again(ValueError(), after=77.0) == 77.0
        clock.at += LASTING_SECONDS
        doubt.over()
    assert doubt.again(ValueError()) == FIRST_SECONDS
