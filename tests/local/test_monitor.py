"""What a run's page is fed with: counted by the broker and ClickHouse, with whatever is away said and not fatal."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from dialects.catalogue import all_dialects
from local.monitor import Monitor, topics_of
from local.readings import FaultReading
from local.stage_process import StageProcess
from local.watchdog import Watchdog
from schemas.catalogue import event
from tests.filled import Source
from tests.sinks.market import trade
from topology.faults import RED_FOR, Faults
from topology.flow import stages
from topology.health import Health, Part
from topology.metrics import connections, events_in, events_out, position
from topology.settings import ClickHouse, Kafka, Settings


class Ourselves(StageProcess):
    """Our very process in the place of a child: its health page is served here."""

    @property
    def pid(self) -> int:
        """Our own number."""
        return os.getpid()


def test_what_is_read_of_a_run(filled: Settings, tmp_path: Path) -> None:
    """Lag and rows come from the servers, counts from each stage's own page, and only what came since the start is this run's."""
    settings = filled.model_copy(update={"state_dir": tmp_path})
    watchdog = Watchdog()
    processes = {"normalise": Ourselves("normalise", [], {}, tmp_path, watchdog)}
    monitor = Monitor(settings, processes, {"normalise": stages()["normalise"]}, {}, lambda: 7.0)
    try:
        assert monitor.read().stages["normalise"].state == "starting"
        with Health(settings, "normalise", lambda: "no partition yet"):
            events_in.labels("monitored", "raw.binance").inc(5)
            monitor.start()
            Source(filled, "trade").publish([trade(number, venue="monitored") for number in range(3)])
            found = monitor.read(everything=True)
        stage = found.stages["normalise"]
        assert (stage.state, stage.reason, stage.pid) == ("waiting", "no partition yet", os.getpid())
        assert stage.read >= 5
        assert stage.lag is not None
        assert found.rows["candles"] == 5
        assert found.open_gaps == {"binance": 1}
        assert found.trouble == ""
        published = monitor.published()
        assert (published["trades"], published["candles"]) == (3, 0)
    finally:
        monitor.close()
        watchdog.close()


def test_what_a_running_stage_has_read_is_no_lag(filled: Settings, tmp_path: Path) -> None:
    """What it has not yet acknowledged counts as read while its process runs, and as unread once that has ended."""
    settings, watchdog = filled.model_copy(update={"state_dir": tmp_path}), Watchdog()
    stage = replace(stages()["build_candles"], group="nobody-has-acknowledged-anything")
    processes: dict[str, StageProcess] = {"build_candles": Ourselves("build_candles", [], {}, tmp_path, watchdog)}
    monitor = Monitor(settings, processes, {"build_candles": stage}, {}, lambda: 7.0)
    (topic,) = topics_of(stage.reads)
    ends = monitor.offsets.ends(monitor.offsets.partitions([topic]))
    left = monitor.offsets.lag(stage.consumer_group, [topic])
    try:
        with Health(settings, "build_candles"):
            assert left >= 3
            assert monitor.read(everything=True).stages["build_candles"].lag == left
            for place, end in ends.items():
                position.labels("build_candles", *place).set(end)
            assert monitor.read(everything=True).stages["build_candles"].lag == monitor.unread("build_candles") == 0
        processes["build_candles"] = StageProcess("build_candles", [], {}, tmp_path, watchdog)
        assert monitor.read(everything=True).stages["build_candles"].lag == left
    finally:
        for place in ends:
            position.remove("build_candles", *place)
        monitor.close()
        watchdog.close()


def test_faults_are_read_as_they_are_and_kept_for_the_summary(tmp_path: Path) -> None:
    """A stage's own page says which faults are recent; of the run all are counted, with the last reason, also after it has ended."""
    settings = Settings(state_dir=tmp_path)
    watchdog, venue, time = Watchdog(), "faulty", 0
    processes = {"normalise": Ourselves("normalise", [], {}, tmp_path, watchdog)}
    monitor = Monitor(settings, processes, {"normalise": stages()["normalise"]}, {}, lambda: -1.0)  # the servers' turn comes at 0
    faults = Faults("normalise", lambda: time)
    try:
        with Health(settings, "normalise", faults=[faults]):
            faults.tell(KeyError("p"), venue=venue, event="trade", times=3)
            first = monitor.read()
            faults.tell(KeyError("q"), venue=venue, event="trade")
            monitor.read()
            time = RED_FOR
            later = monitor.read()
        ended = monitor.read()
    finally:
        monitor.close()
        watchdog.close()
    assert first.failing == [FaultReading("normalise", venue, "trade", 3, "KeyError: 'p'")]
    assert later.failing == ended.failing == []
    for one in (later, ended):
        assert [fault for fault in one.faults if fault.venue == venue] == [FaultReading("normalise", venue, "trade", 4, "KeyError: 'q'")]


def test_servers_that_are_away_are_trouble_not_an_end(tmp_path: Path) -> None:
    """The page goes on and says what does not answer; a page of a stage that is gone is passed over."""
    settings = Settings(state_dir=tmp_path, kafka=Kafka(brokers="127.0.0.1:1"), clickhouse=ClickHouse(url="http://127.0.0.1:1"))
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "gone-1.json").write_text(json.dumps({"stage": "gone", "pid": 1, "url": "http://127.0.0.1:1"}))
    watchdog = Watchdog()
    processes = {"normalise": StageProcess("normalise", ["sleep", "60"], {}, tmp_path, watchdog)}
    monitor = Monitor(settings, processes, {"normalise": stages()["normalise"]}, {})
    try:
        found = monitor.read(everything=True)
        assert "127.0.0.1:1 (kafka.brokers) did not say" in found.trouble
        assert found.stages["normalise"].state == "down"
        assert found.stages["normalise"].lag is None
        processes["normalise"].start()
        processes["normalise"].ask_to_stop()
        processes["normalise"].stop(5)
        found = monitor.read(everything=True)
        assert (found.stages["normalise"].state, found.stages["normalise"].reason) == ("stopped", "")
    finally:
        monitor.close()
        watchdog.close()


def test_topics_of_events() -> None:
    """An event of each venue has a topic for each."""
    assert topics_of(("frame", "gap")) == [*(f"raw.{venue}" for venue in all_dialects()), "gaps"]


def test_two_that_share_a_process_are_read_apart(tmp_path: Path) -> None:
    """Each has its own state, counts, venue and faults; one that only a person can mend is told of once, and the other goes on."""
    settings, watchdog = Settings(state_dir=tmp_path), Watchdog()
    process = Ourselves("producers", [], {}, tmp_path, watchdog)
    names = {"producers-one": "one", "producers-two": "two"}
    monitor = Monitor(settings, dict.fromkeys(names, process), dict.fromkeys(names, stages()["producers"]), names, lambda: -1.0)
    faults = {venue: Faults(name) for name, venue in names.items()}
    parts = {"producers-one": Part("ready", ""), "producers-two": Part("waiting", "a stream is not confirmed")}
    try:
        with Health(settings, "producers", faults=list(faults.values()), parts={name: partial(parts.__getitem__, name) for name in names}):
            for times, (name, venue) in enumerate(names.items(), 1):
                events_out.labels("producers", event("frame").topic.of(venue)).inc(times)  # as producers/outbox.py does
                events_out.labels(name, event("trade").topic.of()).inc(10 * times)  # as producers/direct.py does
                connections.labels(venue).set(times)
                faults[venue].tell(KeyError(venue), venue=venue, event="feed", times=times)
            found = monitor.read()
            told = monitor.failures()
            parts["producers-two"] = Part("failed", "venues.two.credential names no key")
            later = monitor.read()
            told_later = [monitor.failures(), monitor.failures()]
    finally:
        monitor.close()
        watchdog.close()
    assert [(one.name, one.state, one.reason, one.written) for one in found.stages.values()] == [
        ("producers-one", "ready", "", 11),
        ("producers-two", "waiting", "a stream is not confirmed", 22),
    ]
    assert [(one.name, one.connections, one.frames) for one in found.venues.values()] == [("one", 1, 1), ("two", 2, 2)]
    assert [(one.stage, one.venue, one.count) for one in found.failing] == [("producers-one", "one", 1), ("producers-two", "two", 2)]
    assert told == []
    assert [one.state for one in later.stages.values()] == ["ready", "failed"]
    assert told_later == [["producers-two has stopped and is not started again: venues.two.credential names no key"], []]


def test_stages_that_share_a_process_are_read_apart(tmp_path: Path) -> None:
    """Each has its own state, counts and faults, whatever venue they are of."""
    settings, watchdog = Settings(state_dir=tmp_path), Watchdog()
    process = Ourselves("processors", [], {}, tmp_path, watchdog)
    names = ("build_candles", "rebuild_books")
    monitor = Monitor(settings, dict.fromkeys(names, process), {name: stages()[name] for name in names}, {}, lambda: -1.0)
    faults = {name: Faults(name) for name in names}
    parts = {"build_candles": Part("ready", ""), "rebuild_books": Part("waiting", "joining its group")}
    venue = next(iter(all_dialects()))
    try:
        with Health(settings, "processors", faults=list(faults.values()), parts={name: partial(parts.__getitem__, name) for name in names}):
            before = [monitor.read().stages[name].written for name in names]
            for times, name in enumerate(names, 1):
                events_out.labels(name, "shared").inc(times)
                faults[name].tell(KeyError(name), venue=venue, event=name, times=times)
            found = monitor.read()
    finally:
        monitor.close()
        watchdog.close()
    assert [(one.name, one.state, one.reason) for one in found.stages.values()] == [
        ("build_candles", "ready", ""),
        ("rebuild_books", "waiting", "joining its group"),
    ]
    assert [found.stages[name].written - was for name, was in zip(names, before, strict=True)] == [1, 2]
    assert [(one.stage, one.venue, one.count) for one in found.failing] == [("build_candles", venue, 1), ("rebuild_books", venue, 2)]
    assert {(one.stage, one.event) for one in found.faults if one.event in names} == {(name, name) for name in names}
