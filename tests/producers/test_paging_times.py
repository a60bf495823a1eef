"""Which times a hole's trades are asked for by: none that a trade of the venue's reply makes absurd."""

import pytest

from producers.paging import Paging

BEGAN = 1_790_000_000_000_000
"""When trade 0 was made; trade n follows after n seconds (microseconds)."""
SECOND = 1_000_000
WRONG = {40, 41, 150}
"""Trades whose times are absurd."""


@pytest.mark.parametrize("time", [0, BEGAN - 40 * 365 * 86_400 * SECOND, BEGAN + 4_000 * SECOND])
def test_a_time_outside_the_gap_moves_no_question(time: int) -> None:
    """A trade whose time lies before what is known, or behind the gap, is taken; what is asked for next follows the times of others."""
    pages = Paging(1, 299, BEGAN, BEGAN + 299 * SECOND, stretch=60)
    for _ in range(20):
        since, until = pages.time or 0, pages.until or 0
        assert BEGAN <= since < until <= BEGAN + 4_000 * SECOND
        there = [number for number in range(300) if since <= BEGAN + number * SECOND <= until][-41:]
        if not pages.take([{"sequence": one, "event_time": time if one in WRONG else BEGAN + one * SECOND} for one in there]):
            break
    assert pages.why == ""
    assert pages.pages < 20
