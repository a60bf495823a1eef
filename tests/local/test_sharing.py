"""Which process carries which venues, and which stages of the background."""

from pathlib import Path

import pytest

from local.sharing import by_process, cores, process_name, processes_of, shared_out
from local.stage_process import StageProcess
from local.watchdog import Watchdog
from topology.flow import stages
from topology.settings import Processors, Producer, Settings

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


@pytest.mark.parametrize(
    ("processes", "available", "names"),
    [
        (1, 2, ["producers", "normalise", "processors", "clickhouse"]),
        (1, 64, ["producers", "normalise", "processors", "clickhouse"]),
        (2, 2, ["producers", "normalise", "processors-1", "{1}", "clickhouse"]),
        (0, 2, ["producers", "normalise", "processors", "clickhouse"]),
        (0, 4, ["producers", "normalise", "processors-1", "{1}", "clickhouse"]),
        (3, 2, ["producers", "normalise", "{0}", "{1}", "{2}", "clickhouse"]),
        (0, 64, ["producers", "normalise", "{0}", "{1}", "{2}", "clickhouse"]),
    ],
)
def test_stages_of_the_background_share_processes(processes: int, available: int, names: list[str]) -> None:
    """Candles, gaps and books do, by settings or cores; normalise and the sink never. Each is in one process, whose command says so."""
    chosen = [stage for stage in stages().values() if stage.runs]
    background = [stage.name for stage in chosen if stage.background]
    settings = Settings(processors=Processors(processes=processes), producer=Producer(processes=1))
    found = processes_of(chosen, VENUES, settings, available)
    assert [one.name for one in found] == [name.format(*background) for name in names]
    children = [child for one in found for child in one.children]
    assert sorted(children) == sorted(stage.child(venue) for stage in chosen for venue in (VENUES if stage.per_venue else ("",)))
    for one in found:
        together = one.package == "processors"
        assert one.arguments == (tuple(one.children) if together else VENUES if one.package == "producers" else ())
        assert one.package in {"processors", *(stage.package for stage in one.children.values())}


def test_a_stage_of_the_background_alone_is_a_process_of_its_own() -> None:
    """Where it is the only one that was asked for."""
    only = stages()["build_candles"]
    (found,) = processes_of([only], (), Settings(), 2)
    assert (found.name, found.package, found.arguments) == ("build_candles", only.package, ())


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
