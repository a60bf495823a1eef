"""How many examples a property is tried on: a share of its number in every run of the suite, many times it in `make fuzz`.

Examples are drawn anew each time, so that what one run leaves out the next may find. Most of a property's CPU is the drawing.
"""

import os
from typing import Any, Final

from hypothesis import settings

USUAL: Final = 100
"""The number of a property that names none: Hypothesis' own."""
SHARE: Final = float(os.environ.get("TIDEWIRE_TEST_EXAMPLES") or 0.25)
"""Of each property's number: so much is drawn. `make fuzz` sets it."""


def examples(number: int = USUAL, **others: Any) -> settings:
    """Return settings of `number` examples, drawn in the share of this run, five at least; none is timed: a machine may be busy."""
    return settings(max_examples=max(min(number, 5), round(number * SHARE)), deadline=None, **others)


def draw_a_share() -> None:
    """Let properties that name no number follow too. Called before a module of tests is read."""
    settings.register_profile("share", examples())
    settings.load_profile("share")
