"""The flow is what the stages declare: whole, in order, and as they really read."""

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from processors.engine.state import TABLE
from schemas.catalogue import events
from tests.examples import examples
from topology import flow
from topology.flow import ROOMS, Stage, in_order, orphans, stages
from topology.settings import Settings
from topology.topics import all_topics

ROOT = Path(__file__).parents[2]
PROCESSORS = [stage for stage in stages().values() if stage.package.startswith("processors.")]


def a_stage(name: str, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> Stage:
    """Return a stage of a test."""
    return Stage(name, reads, writes)


def test_no_topic_lacks_a_writer_or_a_reader() -> None:
    """Every event is written by a stage, and read by one or by people outside."""
    assert orphans(stages().values()) == []


def test_a_topic_without_writer_or_reader_is_named() -> None:
    """What a flow leaves unwritten, or unread and not public, is said in words."""
    found = [stage for stage in stages().values() if stage.name not in {"normalise", "detect_gaps"}]
    assert "frame_run is written by no stage" in orphans(found)
    assert "frame is read by no stage and not public" in orphans(found), "that the sink stores it makes nobody read it"
    assert not [one for one in orphans(found) if one.startswith("gap ")]


def test_what_is_not_public_is_said_by_its_schema_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event is for people outside but those whose document says that it is not; one that is not needs a reader of ours."""
    assert [name for name, one in events().items() if not one.public] == ["frame", "frame_run"]
    hidden = {name: replace(one, public=False) if name == "funding_rate" else one for name, one in events().items()}
    monkeypatch.setattr(flow, "events", lambda: hidden)
    assert "funding_rate is read by no stage and not public" in orphans(stages().values())


def test_each_package_that_runs_declares_a_stage() -> None:
    """What has a `__main__` in a room of stages is in the flow, under a name of its own, and each stage can be run."""
    packages = {".".join(path.parent.relative_to(ROOT).parts) for room in ROOMS for path in (ROOT / room).rglob("__main__.py")}
    assert {stage.package for stage in stages().values()} == packages - {"processors"}, "that one runs several of them in one process"
    assert all(stage.runs for stage in stages().values())
    assert [stage.name for stage in stages().values()] == list(stages())


@pytest.mark.parametrize("stage", PROCESSORS, ids=lambda stage: stage.name)
def test_processors_read_what_they_declare(stage: Stage) -> None:
    """The topics a processor subscribes to are those of the events that it says it reads, for every venue."""
    module = importlib.import_module(f"{stage.package}.__main__")
    topics = [name for name, event in all_topics().items() if event.name in stage.reads]
    assert sorted(module.topics_of(Settings())) == sorted(topics)


def test_groups_are_those_that_commit() -> None:
    """Lag is asked of the group each stage commits as: Faust's application for a processor, the group that the sink joins."""
    sink = importlib.import_module("sinks.clickhouse.composition")
    assert stages()["clickhouse"].consumer_group == inspect.signature(sink.compose).parameters["group"].default
    assert {stage.consumer_group for stage in PROCESSORS} == {f"tidewire.{stage.name}" for stage in PROCESSORS}
    assert stages()["producers"].group_of("kraken") == "tidewire-backfill-kraken"
    assert {stage.changelog for stage in PROCESSORS} == {f"tidewire.{stage.name}-{TABLE}-changelog" for stage in PROCESSORS}


def test_a_stage_has_one_name() -> None:
    """What `tidewire up` calls a process is what it calls itself in health, logs, metrics and dead letters."""
    sink, producer = importlib.import_module("sinks.clickhouse.stage"), importlib.import_module("producers.stage")
    assert sink.STAGE == stages()["clickhouse"].child() == "clickhouse"
    assert producer.Stage(Settings(), "kraken").name == stages()["producers"].child("kraken") == "producers-kraken"


def test_an_unknown_event_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that declares an event no schema has is an error when the flow is gathered, and the error names those there are."""
    package = tmp_path / "misdeclared"
    package.mkdir()
    (package / "__init__.py").write_text('from topology.flow import Stage\nSTAGE = Stage("x", reads=("trades",), writes=())\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyError, match=r"no event .trades.; there are .*trade"):
        flow._declared("misdeclared")


def test_stages_are_found_inside_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage is found by being there, however deep; a package without one is passed over, a room that is not there is empty."""
    inner = tmp_path / "a_room" / "inner" / "innermost"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent, inner.parents[1]):
        (folder / "__init__.py").write_text("")
    (inner / "__init__.py").write_text('from topology.flow import Stage\nSTAGE = Stage("deep", ("trade",), ("candle",))\n')
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = flow._declared("a_room")
    assert (found.name, found.package, found.runs) == ("deep", "a_room.inner.innermost", False)
    assert flow._declared("no_such_room") == []


def test_producers_come_first_and_the_sink_last() -> None:
    """The order of the flow is the order in which a run is stopped: nothing is written to a stage that is gone."""
    names = list(stages())
    assert names[0] == "producers"
    assert names[-1] == "clickhouse"
    assert names.index("normalise") < names.index("build_candles")


@examples(50)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=15), st.randoms(use_true_random=False))
def test_without_a_circle_each_stage_follows_its_writers(pairs: list[tuple[int, int]], random: Random) -> None:
    """Whatever order stages are found in, each comes after all that write what it reads."""
    edges = {(low, high) for low, high in map(sorted, pairs) if low != high}
    found = [
        a_stage(
            str(number),
            reads=tuple(f"{low}-{high}" for low, high in edges if high == number),
            writes=tuple(f"{low}-{high}" for low, high in edges if low == number),
        )
        for number in range(7)
    ]
    random.shuffle(found)
    order = [int(stage.name) for stage in in_order(found)]
    assert sorted(order) == list(range(7))
    assert all(order.index(low) < order.index(high) for low, high in edges)


def test_a_circle_is_cut_where_it_was_found_first() -> None:
    """Gaps go back to the producers that fill them: the stage found first begins, and every stage is there once."""
    first, second = a_stage("first", ("gap",), ("frame",)), a_stage("second", ("frame",), ("gap",))
    assert [stage.name for stage in in_order([first, second])] == ["first", "second"]
    assert [stage.name for stage in in_order([second, first])] == ["second", "first"]


def test_every_dialect_has_a_raw_topic() -> None:
    """Topics of one venue each are there for every dialect."""
    assert {f"raw.{venue}" for venue in all_dialects()} <= set(all_topics())
    assert "raw.elsewhere" in all_topics(["elsewhere"])
