"""The summary of a run: what was done, and every reason why it was not well."""

from pathlib import Path
from typing import Any

import pytest

from console.commands.up import Run
from console.summary import Outcome, milliseconds, summary
from local.monitor import Monitor
from local.readings import FaultReading, Reading, StageReading, VenueReading
from local.supervisor import Options, Supervisor
from topology.flow import stages
from topology.settings import Kafka, Settings, Venue

GOOD_TOPICS = {"raw.binance": 7, "gaps": 2, "trades": 5}
GOOD_ROWS = {"frames": 7, "trades": 5}
ALL_ROWS = {"frames": 70, "trades": 50}
GOOD: dict[str, Any] = {"topics": GOOD_TOPICS, "rows": GOOD_ROWS, "rows_of_all_runs": ALL_ROWS, "open_gaps": {}}


def supervised(tmp_path: Path) -> Supervisor:
    """Return the supervisor of a run of one producer, one processor and the sink, that was never started."""
    made = Supervisor(Settings(state_dir=tmp_path, venues={"binance": Venue()}), Options(), lambda _: None)
    made.declared = {
        "producers-binance": stages()["producers"],
        "normalise": stages()["normalise"],
        "clickhouse": stages()["clickhouse"],
    }
    return made


def reading() -> Reading:
    """Return what was read of it just before its end."""
    return Reading(
        stages={
            "producers-binance": StageReading("producers-binance", "ready", written=5),
            "normalise": StageReading("normalise", "ready", read=7, written=5, lag=0, whole_p50=0.0034567, whole_p99=0.02),
            "clickhouse": StageReading("clickhouse", "ready", read=14, written=14, lag=0),
        },
        venues={"binance": VenueReading("binance", connections=1, frames=5)},
    )


def summed(supervisor: Supervisor, known: Reading, **outcome: Any) -> dict[str, Any]:
    """Return the summary of it, with an outcome that is well unless told otherwise."""
    return summary(supervisor, known, Outcome(**(GOOD | outcome)), 60.04)


def test_a_run_that_was_well(tmp_path: Path) -> None:
    """Frames are those in the topic, the last ones included that a producer delivered when it was asked to stop."""
    found = summed(supervised(tmp_path), reading())
    assert (found["ok"], found["problems"], found["seconds"]) == (True, [], 60.0)
    assert found["venues"]["binance"]["frames"] == 7
    assert found["stages"]["producers-binance"]["events_out"] == 7
    assert found["stages"]["normalise"]["latency_p50_ms"] == 3.457
    assert found["stages"]["clickhouse"]["latency_p50_ms"] is None
    assert (found["gaps"], found["dead_letters"]) == ({"published": 2, "open": 0}, 0)
    assert (found["topics"], found["rows"], found["rows_of_all_runs"]) == (GOOD_TOPICS, GOOD_ROWS, ALL_ROWS)


@pytest.mark.parametrize(
    ("stage", "changes", "problem"),
    [
        ("normalise", {"read": 0}, "normalise read nothing"),
        ("normalise", {"refused": 3}, "normalise refused 3 messages: `tidewire consume dead_letters` shows them"),
        ("clickhouse", {"lag": 8}, "clickhouse had 8 messages left to read"),
    ],
)
def test_what_a_stage_did_not_do_is_a_problem(tmp_path: Path, stage: str, changes: dict[str, int], problem: str) -> None:
    """Nothing read, something refused, something left: each is named with its stage."""
    known = reading()
    for name, value in changes.items():
        setattr(known.stages[stage], name, value)
    found = summed(supervised(tmp_path), known)
    assert (found["ok"], found["problems"]) == (False, [problem])


def test_a_producer_without_frames_is_a_problem(tmp_path: Path) -> None:
    """What its topic holds decides, whatever it said of itself."""
    found = summed(supervised(tmp_path), reading(), topics={**GOOD_TOPICS, "raw.binance": 0})
    assert found["problems"] == ["producers-binance published nothing"]


def test_losses_gaps_and_an_empty_database_are_problems(tmp_path: Path) -> None:
    """Refused streams, dropped frames, open gaps, no row of this run in spite of those before: each is said, earlier troubles first."""
    supervisor, known = supervised(tmp_path), reading()
    supervisor.troubles.append("normalise was killed by SIGKILL")
    known.venues["binance"].dropped = 4
    known.venues["binance"].refused = tuple(f"trade NO{number}" for number in range(7))
    found = summed(supervisor, known, rows={"frames": 0}, open_gaps={"binance": 2, "kraken": 0})
    assert found["problems"] == [
        "normalise was killed by SIGKILL",
        "binance refused trade NO0, trade NO1, trade NO2, trade NO3, trade NO4 and 2 more: its log says why",
        "binance: 4 frames were dropped",
        "binance: 2 gaps are open",
        "no frame reached ClickHouse",
    ]
    assert found["gaps"]["open"] == 2


def test_a_run_with_faults_of_our_own_was_not_well(tmp_path: Path) -> None:
    """Each is a problem in words, and stands in the document by its parts: what went on beside it does not make the run well."""
    known = reading()
    known.faults = [FaultReading("normalise", "binance", "trade", 12, "KeyError: 'p'")]
    found = summed(supervised(tmp_path), known)
    assert (found["ok"], found["problems"]) == (
        False,
        ["a fault of our own: binance trade failed 12 times in normalise: KeyError: 'p'"],
    )
    assert found["faults"] == [{"stage": "normalise", "venue": "binance", "event": "trade", "count": 12, "reason": "KeyError: 'p'"}]


def test_a_run_that_a_person_ends_tells_its_faults(tmp_path: Path) -> None:
    """Without a summary faults of our own are told all the same, and nothing else: such a run was not well."""
    run = Run(Settings(state_dir=tmp_path, kafka=Kafka(brokers="127.0.0.1:1")), Options(), plain=True, duration=0)
    run.supervisor._monitor = monitor = Monitor(run.supervisor.settings, {}, {}, {})
    try:
        assert run._faults() == {"ok": True, "problems": []}
        monitor.reading.faults = [FaultReading("clickhouse", "kraken", "trade", 1, "ValueError: x")]
        assert run._faults() == {"ok": False, "problems": ["a fault of our own: kraken trade failed once in clickhouse: ValueError: x"]}
    finally:
        monitor.close()


def test_without_the_sink_no_row_is_missed(tmp_path: Path) -> None:
    """A run of chosen stages is judged by those."""
    supervisor, known = supervised(tmp_path), reading()
    del supervisor.declared["clickhouse"], known.stages["clickhouse"]
    assert summed(supervisor, known, rows={})["ok"]


def test_times_are_in_milliseconds() -> None:
    """A latency nobody measured stays null."""
    assert milliseconds(None) is None
    assert milliseconds(0.0123456) == 12.346
