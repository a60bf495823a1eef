"""The table of how long each folder's tests took adds up every phase of every test, once."""

from typing import Literal

import pytest

from tests.folders import Spent, spent, table


def report(name: str, when: Literal["setup", "call", "teardown"], seconds: float) -> pytest.TestReport:
    """Return the report of one phase of one test."""
    return pytest.TestReport(name, (name, 0, name), {}, "passed", None, when, duration=seconds)


def test_each_room_has_its_tests_and_its_seconds() -> None:
    """Phases of a test add up, folders inside a room belong to it, the slowest is first; what is no report of a test is passed over."""
    reports = [
        report("tests/sinks/test_a.py::test_one[x]", "setup", 1.0),
        report("tests/sinks/test_a.py::test_one[x]", "call", 2.0),
        report("tests/topology/secrets/test_b.py::test_two", "call", 4.0),
        report("tests/topology/test_c.py::test_three", "call", 0.5),
        report("tests/test_d.py::test_four", "call", 0.1),
    ]
    found = spent([*reports, "deselected"])
    assert found == [Spent("tests/topology", 2, 4.5), Spent("tests/sinks", 1, 3.0), Spent("tests", 1, 0.1)]
    assert table(found).splitlines()[-1].split() == ["together", "4", "tests", "7.6", "s"]


def test_a_run_without_tests_has_a_sum_of_nothing() -> None:
    """Where nothing ran the table is its last line."""
    assert table(spent([])).split() == ["together", "0", "tests", "0.0", "s"]
