"""What coverage leaves alone: counting makes Python half as slow again, all of it, and others run the same lines.

What a test starts counts unless its environment went through here: the stages of all pipelines but one, the workers of chaos, most runs
of `tidewire up`, the servers of stacks that others than tests/local start. Of tests themselves see `leave_uncounted`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import coverage
import pytest

from tests.dialects.recorded import needs_full

COUNTS: Final = "COVERAGE_PROCESS_CONFIG"
"""What coverage tells its children by (`patch = subprocess`, pyproject.toml)."""
MARKETS: Final = ("tests/pipeline/", "tests/contracts/test_simulated_venues.py", "tests/simulator/")


def uncounted(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no line is counted."""
    return {name: value for name, value in environment.items() if name != COUNTS}


@contextmanager
def uncounted_children() -> Iterator[None]:
    """Let coverage leave alone what this process starts in a block, by whatever code of ours."""
    told = os.environ.pop(COUNTS, None)
    try:
        yield
    finally:
        if told is not None:
            os.environ[COUNTS] = told


@contextmanager
def uncounted_lines() -> Iterator[None]:
    """Count no line that this process runs in a block."""
    counting = coverage.Coverage.current()
    if counting is None:
        yield
        return
    counting.stop()
    try:
        yield
    finally:
        counting.start()


def leave_uncounted(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that do not count.

    Properties, whose thousands of examples run the same lines; real sessions, for the figure is to be the same where there are none;
    and simulated markets, what is tested beside them too but for one pipeline: the simulator is an instrument.
    """
    for item in items:
        property_based = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        beside = item.nodeid.startswith(MARKETS) and "test_whole_way" not in item.nodeid
        if property_based or beside or needs_full.mark in item.iter_markers():
            item.add_marker("no_cover")
