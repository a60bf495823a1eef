"""A stage that hangs is ended and started again; one that only says that something outside is wrong is left alone."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.health_pages import page, pages_of
from local.pulse import LONGEST_GAP, LOOK_SECONDS, Pulse, Spell
from local.stage_process import HANGING_GRACE, StageProcess
from local.watchdog import Watchdog

PATIENCE = 120.0
STAGE = """
import sys, threading, time
from pathlib import Path
from topology.faults import Faults
from topology.health import Health
from topology.settings import Health as HealthSettings, Settings

folder = Path(sys.argv[1])
settings = Settings(state_dir=folder, health=HealthSettings(hang_seconds=2))
faults = Faults("stage")
faults.tell(ValueError("a fault of ours"), venue="kraken", event="trade")
with Health(settings, "stage", lambda: "the venue refuses us", [faults]) as health:
    while not (folder / "hang").exists():
        health.heartbeat.beat()
        time.sleep(0.05)
    (folder / "hang").unlink()
    threading.Event().wait()
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[StageProcess]:
    """Run a stage whose page says that a venue fails and another refuses it, until a file tells it to hang."""
    watchdog = Watchdog()
    made = StageProcess("stage", [sys.executable, "-c", STAGE, str(tmp_path)], {}, tmp_path / "logs", watchdog)
    made.start()
    until(lambda: made.pid in pages_of(tmp_path))
    yield made
    if made.pid is not None:
        os.kill(made.pid, signal.SIGCONT)
    made.stop(1)
    watchdog.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Lend threads."""
    with ThreadPoolExecutor(4) as made:
        yield made


def until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_a_start_anew_would_not_mend_is_left_alone(tmp_path: Path, stage: StageProcess, pool: ThreadPoolExecutor) -> None:
    """A stage that is not ready, and one whose dialect fails for a venue, is alive: no look counts against it, however short the bound."""
    pulse = Pulse(tmp_path, {"stage": stage}, 1e-9)
    url = pages_of(tmp_path)[stage.pid or 0]
    assert page(f"{url}/ready")[0] == 503
    assert '"failing": ["kraken"]' in page(f"{url}/health")[1]
    for _ in range(3):
        pulse.look(pool)
        assert pulse.hanging() == []


@pytest.mark.parametrize("way", ["stopped", "looping"])
def test_one_that_hangs_is_started_again(tmp_path: Path, stage: StageProcess, pool: ThreadPoolExecutor, way: str) -> None:
    """A process that stands still, or whose loop no longer turns, is told with its reason, killed and started again, once."""
    pulse = Pulse(tmp_path, {"stage": stage}, 0.5)
    first = stage.pid or 0
    if way == "stopped":
        os.kill(first, signal.SIGSTOP)
    else:
        (tmp_path / "hang").touch()

    def looked() -> bool:
        pulse.look(pool)
        return bool(pulse.hanging())

    until(looked)
    [found] = pulse.hanging()
    assert (found.process, found.pid) == (stage, first)
    assert ("does not answer" if way == "stopped" else "has not turned") in found.reason
    assert stage.end_hanging(*found[1:]) == f"stage hangs and is ended, to be started again: {found.reason}"
    assert stage.end_hanging(*found[1:]) == ""
    told: list[str] = []

    def back() -> bool:
        told.extend(filter(None, [stage.revive()]))
        return stage.pid not in {None, first} and stage.pid in pages_of(tmp_path)

    until(back)
    assert "it starts again in 1 s" in told[0]
    assert told[1:] == ["stage was started again"]
    assert page(f"{pages_of(tmp_path)[stage.pid or 0]}/health")[0] == 200
    pulse.look(pool)
    assert pulse.hanging() == []
    assert stage.end_hanging(first, "long gone") == ""


def test_one_that_hangs_again_and_again_waits_longer(tmp_path: Path) -> None:
    """However long it ran before, an end for hanging is no steady run: each next start waits twice as long."""
    now, watchdog = [0.0], Watchdog()
    process = StageProcess("stage", [sys.executable, "-c", "import signal; signal.pause()"], {}, tmp_path, watchdog, lambda: now[0])
    process.start()
    for wait in (1, 2, 4):
        now[0] += 1000
        until(lambda: process.pid)
        os.kill(process.pid or 0, signal.SIGSTOP)
        assert process.end_hanging(process.pid or 0, "so it is")
        assert process.revive() == ""
        now[0] += HANGING_GRACE
        told: list[str] = []

        def planned(told: list[str] = told) -> bool:
            told += filter(None, [process.revive()])
            return bool(told)

        until(planned)
        assert f"it starts again in {wait} s" in told[0]
        now[0] += wait
        assert process.revive() == "stage was started again"
    process.stop(PATIENCE)
    watchdog.close()


def test_one_that_was_asked_to_stop_is_not_ended_for_hanging(tmp_path: Path, stage: StageProcess) -> None:
    """Who stops a stage has a grace of its own."""
    pid = stage.pid or 0
    stage.ask_to_stop()
    assert stage.end_hanging(pid, "so it is") == ""
    assert tmp_path.exists()


@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 40)), max_size=30))
def test_only_red_without_interruption_counts(looks: list[tuple[bool, float]]) -> None:
    """The time is from the first red look on, with no other between, and no longer a gap than looking makes."""
    spell, now, since = Spell(1, 0.0), 0.0, None
    for red, gap in looks:
        now += gap
        if not red or gap > LONGEST_GAP:
            since = None
        if red and since is None:
            since = now
        assert spell.seconds("hangs" if red else "", now) == (0.0 if since is None else now - since)


def test_a_page_of_another_program_says_nothing(tmp_path: Path, pool: ThreadPoolExecutor, stage: StageProcess) -> None:
    """Only our own words on our own status mean that a loop hangs."""
    answers = iter([(503, "Service Unavailable"), (503, "[" * 100_000), (503, "[]"), (500, "{}"), (404, ""), (200, "x")])
    pulse = Pulse(tmp_path, {"stage": stage}, 1e-9, ask=lambda _url: next(answers))
    for _ in range(6):
        pulse.look(pool)
        assert pulse.hanging() == []
    assert LOOK_SECONDS < LONGEST_GAP
