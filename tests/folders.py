"""How long the tests of each folder took: a table at the end of a run, so that who makes the suite slower sees where.

Seconds are those of the workers, set-up and tear-down included: two workers spend two in one of the clock's.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest


class Spent(NamedTuple):
    """What the tests of one folder took; `seconds` of all phases."""

    folder: str
    tests: int
    seconds: float


def spent(reports: Iterable[object]) -> list[Spent]:
    """Return what each room's folder took (`tests/sinks`, with those inside it), the slowest first."""
    tests: dict[str, set[str]] = {}
    seconds: dict[str, float] = {}
    for report in reports:
        if isinstance(report, pytest.TestReport):
            path = PurePosixPath(report.nodeid.partition("::")[0])
            folder = "/".join(path.parent.parts[:2])
            tests.setdefault(folder, set()).add(report.nodeid)
            seconds[folder] = seconds.get(folder, 0.0) + report.duration
    found = [Spent(folder, len(names), seconds[folder]) for folder, names in tests.items()]
    return sorted(found, key=lambda one: -one.seconds)


def table(found: Iterable[Spent]) -> str:
    """Return it as a table of text, with the sum below."""
    rows = list(found)
    rows.append(Spent("together", sum(one.tests for one in rows), sum(one.seconds for one in rows)))
    width = max(len(one.folder) for one in rows)
    return "\n".join(f"{one.folder.ljust(width)} {one.tests:6,} tests {one.seconds:8.1f} s" for one in rows)
