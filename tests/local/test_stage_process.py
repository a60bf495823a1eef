"""A child process: its output kept, its end noticed, its next start waited for, and none left behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.stage_process import LOG_BYTES, LONGEST_BACKOFF, STEADY_SECONDS, StageProcess
from local.watchdog import Watchdog, group_is_alive
from topology.errors import FATAL_CODE

PATIENCE = 60.0


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        """Return its time."""
        return self.time


Made = Callable[..., StageProcess]


@pytest.fixture
def clock() -> Clock:
    """Return a clock at zero."""
    return Clock()


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> Iterator[Made]:
    """Return what makes a process of Python code, by default one that runs until it is asked to stop; all are ended."""
    watchdog, processes = Watchdog(), list[StageProcess]()

    def make(code: str = "import signal; print('here', flush=True); signal.pause()", **environment: str) -> StageProcess:
        one = StageProcess("child", [sys.executable, "-c", code], environment, tmp_path / "logs", watchdog, clock)
        processes.append(one)
        return one

    yield make
    for process in processes:
        process.stop(PATIENCE)
    watchdog.close()


def until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_runs_until_it_is_asked_to_stop(made: Made) -> None:
    """Its number and its output are there while it runs; a stop that was asked for is nothing wrong."""
    process = made("import os, signal; print('I am', os.environ['WHO'], flush=True); signal.pause()", WHO="somebody")
    assert (process.pid, process.output, process.stop(1)) == (None, "", "")
    process.start()
    until(lambda: process.last_line)
    assert process.last_line == "I am somebody"
    assert group_is_alive(process.pid or 0)
    assert process.log.name == "child.log"
    assert process.revive() == ""
    assert process.stop(PATIENCE) == ""
    assert process.pid is None
    assert process.revive() == ""


def test_it_is_started_again_after_a_wait_that_grows(made: Made, clock: Clock) -> None:
    """An end unasked is told once with the last line; each next failure waits twice as long, up to a bound."""
    process = made("import sys; sys.exit('no broker')")
    process.start()
    waits = []
    for again in range(8):
        until(lambda: process.pid is None)
        told = process.revive()
        assert told.startswith("child ended with code 1; it starts again in ")
        assert told.endswith("s: no broker")
        waits.append(float(told.partition(" in ")[2].partition(" s")[0]))
        assert process.revive() == ""
        clock.time += waits[-1]
        assert process.revive() == "child was started again"
        assert process.restarts == again + 1
    assert waits == [1, 2, 4, 8, 16, LONGEST_BACKOFF, LONGEST_BACKOFF, LONGEST_BACKOFF]


def test_one_that_only_a_person_can_mend_is_not_started_again(made: Made, clock: Clock) -> None:
    """An end with the code of a Fatal is told once, with the last line, which says what to do."""
    process = made(f"import sys; print('set kafka.brokers', flush=True); sys.exit({FATAL_CODE})")
    process.start()
    until(lambda: process.pid is None)
    assert process.revive() == "child has stopped and is not started again: set kafka.brokers"
    clock.time += 10 * LONGEST_BACKOFF
    assert process.revive() == ""
    assert process.is_fatal
    assert "was not running: it ended with code 78" in process.stop(1)


def test_a_steady_run_forgives_what_was_before(made: Made, clock: Clock) -> None:
    """A process that ran for a minute and then dies is back within a second."""
    process = made()
    process.start()
    for _ in range(2):
        assert process.pid is not None
        os.killpg(process.pid, signal.SIGKILL)
        until(lambda: process.pid is None)
        last = process.revive()
        clock.time += LONGEST_BACKOFF
        process.revive()
    assert "was killed by SIGKILL; it starts again in 2 s" in last
    clock.time += STEADY_SECONDS
    assert process.pid is not None
    os.killpg(process.pid, signal.SIGKILL)
    until(lambda: process.pid is None)
    assert "starts again in 1 s" in process.revive()


def test_one_that_will_not_stop_is_killed_and_told_of(made: Made) -> None:
    """After its grace it is gone with all its children, and the run knows that it did not end in order."""
    code = "import signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += (
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()'])\n"
    )
    process = made(code + "print('deaf', flush=True)\nsignal.pause()")
    process.start()
    until(lambda: "deaf" in process.output)
    group = process.pid
    assert group is not None
    assert process.stop(0.2) == "child did not stop within 0 s and was killed"
    until(lambda: not group_is_alive(group))


def test_how_it_ended_is_told(made: Made) -> None:
    """A code of its own when asked to stop, or an end before it was asked, is told in words."""
    process = made("import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); print('up', flush=True); signal.pause()")
    process.start()
    until(lambda: process.last_line)
    assert process.stop(PATIENCE) == "child ended with code 3 when it was asked to stop"
    gone = made("")
    gone.start()
    until(lambda: gone.pid is None)
    assert gone.stop(PATIENCE) == "child was not running: it ended with code 0"


def test_a_long_log_is_moved_aside(made: Made) -> None:
    """Logs of many runs do not fill the disk: at a start a long one is kept once beside the new one."""
    process = made()
    process.log.parent.mkdir(parents=True)
    with process.log.open("wb") as log:
        log.truncate(LOG_BYTES + 1)
    process.start()
    until(lambda: process.last_line)
    assert process.log.stat().st_size < 100
    assert process.log.with_suffix(".log.1").stat().st_size == LOG_BYTES + 1


def test_output_is_of_this_start_alone(made: Made) -> None:
    """What an earlier run wrote stays in the log, and is not taken for what this one said."""
    process = made()
    process.log.parent.mkdir(parents=True)
    process.log.write_text("old words\n")
    process.start()
    until(lambda: process.last_line)
    assert process.output == "here\n"
    assert process.log.read_text() == "old words\nhere\n"
