"""Children that coverage leaves alone: counting makes a Python process half as slow again, and others run the same lines.

What a test starts counts unless its environment went through here: the stages of all pipelines but one, the workers of chaos, most runs
of `tidewire up`.
"""

from collections.abc import Mapping
from typing import Final

COUNTS: Final = "COVERAGE_PROCESS_CONFIG"
"""What coverage tells its children by (`patch = subprocess`, pyproject.toml)."""


def uncounted(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no line is counted."""
    return {name: value for name, value in environment.items() if name != COUNTS}
