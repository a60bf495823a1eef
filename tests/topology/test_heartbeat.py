"""A stage whose loop hangs is not alive, whoever else in its process still answers; that each stage's loop beats is in tests/secured."""

import asyncio
import json
import os
import threading
import time
from pathlib import Path

import pytest

from local.health_pages import page, pages_of
from topology.health import Health
from topology.heartbeat import Heartbeat
from topology.settings import Health as HealthSettings
from topology.settings import Settings


def test_a_loop_hangs_after_so_long_without_a_beat(capfd: pytest.CaptureFixture[str]) -> None:
    """Before the first beat there is nothing to say; after the longest time it hangs, until it beats. Where it hung is told once."""
    at = [0.0]
    heart = Heartbeat(30.0, lambda: at[0])
    at[0] = 1_000.0
    assert heart.hanging() == ""
    heart.beat()
    at[0] += 30.0
    assert heart.hanging() == ""
    at[0] += 1.0
    for _ in range(2):
        assert heart.hanging().startswith("its loop has not turned for 31 s (health.hang_seconds)")
    assert capfd.readouterr().err.count("test_a_loop_hangs_after_so_long_without_a_beat") == 1
    heart.beat()
    assert heart.hanging() == ""


def test_an_event_loop_that_is_blocked_turns_health_red(tmp_path: Path) -> None:
    """/health is 503 with the reason while a thread's event loop is blocked, and 200 again when it turns; /ready is another question."""
    loop, released = asyncio.new_event_loop(), threading.Event()
    with Health(Settings(state_dir=tmp_path, health=HealthSettings(hang_seconds=2)), "tested") as health:
        url = pages_of(tmp_path)[os.getpid()]
        assert page(f"{url}/health")[0] == 200
        loop.call_soon(health.heartbeat.follow, loop)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            loop.call_soon_threadsafe(released.wait)
            assert awaited(url, 503)["status"] == "hanging"
            assert page(f"{url}/ready")[0] == 200
            released.set()
            assert awaited(url, 200) == {"status": "alive"}
        finally:
            released.set()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


def awaited(url: str, wanted: int) -> dict[str, str]:
    """Return what /health says once it has a status."""
    until = time.monotonic() + 30.0
    while True:
        status, text = page(f"{url}/health")
        if status == wanted:
            found: dict[str, str] = json.loads(text)
            return found
        assert time.monotonic() < until, text


def test_a_part_with_a_loop_of_its_own_is_told_by_name_until_that_has_ended(tmp_path: Path) -> None:
    """One that hangs makes the process red; one that has ended, and is begun again, does not."""
    with Health(Settings(state_dir=tmp_path, health=HealthSettings(hang_seconds=2)), "tested") as health:
        url = pages_of(tmp_path)[os.getpid()]
        health.begin_beating("fine").follow(beating := asyncio.new_event_loop())
        thread = threading.Thread(target=beating.run_forever)
        thread.start()
        health.begin_beating("ended").beat()
        health.begin_beating("stuck").beat()
        health.end_beating("ended")
        reason = str(awaited(url, 503)["reason"])
        assert reason.startswith("stuck: its loop has not turned for")
        assert "ended" not in reason
        health.begin_beating("stuck").beat()
        assert awaited(url, 200)["status"] == "alive"
        beating.call_soon_threadsafe(beating.stop)
        thread.join()
        beating.close()
