"""Which process carries which venues."""

from pathlib import Path

import pytest

from local.sharing import by_process, cores, process_name, shared_out
from local.stage_process import StageProcess
from local.watchdog import Watchdog

VENUES = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize(
    ("processes", "available", "shares"),
    [
        (0, 2, [VENUES]),
        (0, 8, [("a", "c", "e"), ("b", "d")]),
        (0, 64, [("a",), ("b",), ("c",), ("d",), ("e",)]),
        (1, 64, [VENUES]),
        (2, 1, [("a", "c", "e"), ("b", "d")]),
        (9, 1, [("a",), ("b",), ("c",), ("d",), ("e",)]),
    ],
)
def test_venues_are_shared_out(processes: int, available: int, shares: list[tuple[str, ...]]) -> None:
    """As many processes as the settings say, else by the cores; never an empty one, and each venue in one of them."""
    assert shared_out(VENUES, processes, available) == shares
    assert cores() >= 1


def test_no_venue_is_no_process() -> None:
    """A run that can reach none of them has nothing to carry."""
    assert shared_out((), 0, 8) == []


def test_a_process_is_called_by_what_it_carries() -> None:
    """As the one whose work it does, as the stage where it does all, by number where it is one of several."""
    assert process_name("producers", ["producers-a"], 2, 5) == "producers-a"
    assert process_name("producers", ["producers-a", "producers-b"], 1, 1) == "producers"
    assert process_name("producers", ["producers-a", "producers-b"], 2, 3) == "producers-2"


def test_a_shared_process_is_one(tmp_path: Path) -> None:
    """Who starts, watches or stops processes meets each once, with all whose work it does."""
    watchdog = Watchdog()
    one, other = (StageProcess(name, [], {}, tmp_path, watchdog) for name in ("producers", "normalise"))
    assert by_process({"producers-a": one, "normalise": other, "producers-b": one}) == {
        one: ["producers-a", "producers-b"],
        other: ["normalise"],
    }
    watchdog.close()
