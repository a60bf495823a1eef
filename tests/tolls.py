"""What was broken, how often, and what it cost: one table for all runs of chaos, printed when the run of tests ends.

Each test tells its own with `record`, which prints it at once. They travel as properties of the tests' reports, so that
those of every worker arrive.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pytest

PROPERTY: Final = "toll"


@dataclass(frozen=True, slots=True)
class Toll:
    """What one kind of disturbance cost: events lost, events counted or stored twice, and the seconds each recovery took.

    `seconds` holds those recoveries that did not run into the next disturbance. `again`: read again, and known for it. `invented`: rows
    and gaps that nothing explains. `restarts`: how often a stage ended by itself and was started again.
    """

    what: str
    count: int
    lost: int
    twice: int
    seconds: list[float] = field(default_factory=list)
    again: int | None = None
    invented: int | None = None
    restarts: int | None = None


def record(record_property: Callable[[str, object], None], tolls: Iterable[Toll]) -> None:
    """Add what a test has measured to its report, and print it: the table comes only at the end of a run of hours."""
    measured = list(tolls)
    print(table(measured), flush=True)
    for toll in measured:
        record_property(PROPERTY, asdict(toll))


def recorded(reports: Iterable[object]) -> list[Toll]:
    """Return what the tests of these reports have measured."""
    calls = [report for report in reports if isinstance(report, pytest.TestReport) and report.when == "call"]
    values: list[Any] = [value for report in calls for name, value in report.user_properties if name == PROPERTY]
    return [Toll(**value) for value in values]


def table(tolls: Iterable[Toll]) -> str:
    """Return tolls as a table of text."""
    rows = [("broken", "count", "lost", "twice", "invented", "read again", "restarts", "median s", "worst s")]
    for one in tolls:
        invented, again, restarts = ("-" if number is None else str(number) for number in (one.invented, one.again, one.restarts))
        median, worst = (f"{statistics.median(one.seconds):.1f}", f"{max(one.seconds):.1f}") if one.seconds else ("-", "-")
        rows.append((one.what, str(one.count), str(one.lost), str(one.twice), invented, again, restarts, median, worst))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    first = widths[0]
    return "\n".join(
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    )
