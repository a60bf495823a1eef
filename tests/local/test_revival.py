"""A server that ends unasked is started again, and told of; one that can't start is tried at growing intervals."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import LocalStack
from local.process import Child
from local.revival import FULL, Revival
from local.stage_process import LONGEST_BACKOFF, STEADY_SECONDS
from local.watchdog import Watchdog
from tests.local.test_stage_process import PATIENCE, Clock, until
from topology.errors import Fatal

RUNS = "import signal; print('here', flush=True); signal.pause()"


class OneServer:
    """A server of Python code; `fails` says why it can't start."""

    def __init__(self, folder: Path, watchdog: Watchdog) -> None:
        self.child = Child("server", folder, watchdog)
        self.fails = ""
        self.starts = 0

    def start(self) -> None:
        """Start, or fail."""
        self.starts += 1
        if self.fails:
            raise Fatal(self.fails)
        self.child.start([sys.executable, "-c", RUNS])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OneServer]:
    """Return a server that runs."""
    watchdog = Watchdog()
    made = OneServer(tmp_path, watchdog)
    made.start()
    yield made
    made.child.kill()
    watchdog.close()


def said(revival: Revival) -> str:
    """Look until something is said."""
    words: list[str] = []

    def looked() -> bool:
        words.append(revival.look())
        return bool(words[-1])

    until(looked)
    return words[-1]


def kill(server: OneServer) -> None:
    """Kill a server behind everybody's back."""
    os.kill(server.child.pid, signal.SIGKILL)
    until(lambda: not server.child.is_running)


def test_one_that_ends_is_started_again(server: OneServer) -> None:
    """Nothing is said while it runs; after a kill it is told how it ended, and that it runs again."""
    clock = Clock()
    revival = Revival("kafka", server, clock)
    assert revival.look() == ""
    kill(server)
    assert revival.look() == "kafka was killed by SIGKILL; it starts again in 1 s"
    assert revival.look() == ""
    clock.time += 1
    assert revival.look() == ""
    assert said(revival) == "kafka was started again, 1 s after it had gone"
    assert server.child.is_running
    assert revival.look() == ""
    revival.close()


def test_one_that_cannot_start_is_tried_at_growing_intervals(server: OneServer) -> None:
    """Each failure is told with its reason; once the cause is gone it starts by itself, and a steady run forgives the failures."""
    clock = Clock()
    revival = Revival("kafka", server, clock)
    server.fails = "no space left"
    kill(server)
    assert "starts again in 1 s" in revival.look()
    for wait in (1, 2, 4, 8, 16, LONGEST_BACKOFF, LONGEST_BACKOFF):
        clock.time += wait
        assert "does not start; tried again in" in (words := said(revival))
        assert words.endswith(": no space left")
    server.fails = ""
    clock.time += LONGEST_BACKOFF
    assert "was started again" in said(revival)
    kill(server)
    assert f"it starts again in {LONGEST_BACKOFF:.0f} s" in revival.look()
    clock.time += LONGEST_BACKOFF
    said(revival)
    clock.time += STEADY_SECONDS
    kill(server)
    assert "it starts again in 1 s" in revival.look()
    revival.close()


def test_a_full_disk_is_told(server: OneServer, tmp_path: Path) -> None:
    """Where its disk is full, that is said with the folder and the cure."""
    revival = Revival("kafka", server, Clock(), lambda _: FULL - 1)
    kill(server)
    assert f"(the disk of {tmp_path} is full: make room, and it goes on by itself)" in revival.look()
    revival.close()


def test_a_start_under_way_is_ended_with_its_owner(server: OneServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`close` does not wait until a server that never answers gives up."""
    clock = Clock()
    revival = Revival("kafka", server, clock)
    start: Callable[[], None] = server.start

    def never_ready() -> None:
        start()
        server.child.await_ready(lambda: False, 600)

    monkeypatch.setattr(server, "start", never_ready)
    kill(server)
    revival.look()
    clock.time += 1
    revival.look()
    until(lambda: server.child.is_running)
    began = time.monotonic()
    revival.close()
    assert time.monotonic() - began < PATIENCE
    assert not server.child.is_running


@pytest.mark.parametrize("part", ["registry", "clickhouse", "kafka"])
def test_each_server_of_the_stack_comes_back(part: str, tmp_path: Path) -> None:
    """Killed, it is started again on its address with its data, and the stack says so."""
    stack, words = LocalStack(tmp_path), list[str]()
    stack.start((part,))
    try:
        assert stack.revive() == []
        stack.parts[part].kill()
        assert stack.lost() == [part]

        def revived() -> bool:
            words.extend(stack.revive())
            return any("was started again" in one for one in words)

        until(revived)
        assert words[0].startswith(f"{part} was killed by SIGKILL")
        assert stack.lost() == []
    finally:
        stack.stop()
