"""Children that coverage leaves alone: counting makes a Python process half as slow again, and others run the same lines.

What a test starts counts unless its environment went through here: the stages of all pipelines but one, the workers of chaos, most runs
of `tidewire up`, the servers of stacks that others than tests/local start.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

COUNTS: Final = "COVERAGE_PROCESS_CONFIG"
"""What coverage tells its children by (`patch = subprocess`, pyproject.toml)."""


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
