"""A stage's health over HTTP, found by its file: alive, ready or why not, and its metrics."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from local.health_pages import page, pages_of, readiness, readiness_in
from topology import metrics
from topology.errors import Fatal
from topology.health import Health, Part
from topology.running import running
from topology.settings import Health as HealthSettings
from topology.settings import Settings


def settings(tmp_path: Path) -> Settings:
    """Return settings of a state folder and any free port."""
    return Settings(state_dir=tmp_path)


def address(tmp_path: Path) -> str:
    """Return where this process's health is served, as everybody finds it."""
    return pages_of(tmp_path)[os.getpid()]


def test_alive_ready_and_waiting(tmp_path: Path) -> None:
    """/health is there as long as the process; /ready is 503 with the reason until there is none."""
    reason = "no partition yet"
    with Health(settings(tmp_path), "normalise", lambda: reason):
        url = address(tmp_path)
        assert page(f"{url}/health") == (200, '{"status":"alive"}')
        assert page(f"{url}/ready") == (503, '{"status": "waiting", "reason": "no partition yet"}')
        assert readiness(url) == ("waiting", "no partition yet")
        reason = ""
        assert page(f"{url}/ready") == (200, '{"status": "ready", "reason": ""}')
        assert readiness(url) == ("ready", "")
        assert page(f"{url}/elsewhere")[0] == 404
    assert readiness(url) == ("silent", "its health page does not answer")


def test_several_in_one_process_are_told_apart(tmp_path: Path) -> None:
    """The process is ready when all are; each part says how it is, and a part that the page does not know is the whole."""
    parts = {"producers-one": Part("ready", ""), "producers-two": Part("failed", "no such channel")}
    with Health(settings(tmp_path), "producers", parts={name: partial(parts.__getitem__, name) for name in parts}):
        url = address(tmp_path)
        status, text = page(f"{url}/ready")
        assert (status, json.loads(text)) == (
            503,
            {
                "status": "waiting",
                "reason": "producers-two: no such channel",
                "parts": {
                    "producers-one": {"status": "ready", "reason": ""},
                    "producers-two": {"status": "failed", "reason": "no such channel"},
                },
            },
        )
        assert [readiness(url, name) for name in (*parts, "producers-three")] == [
            ("ready", ""),
            ("failed", "no such channel"),
            ("waiting", "producers-two: no such channel"),
        ]
        parts["producers-two"] = Part("ready", "")
        assert page(f"{url}/ready")[0] == 200
        assert readiness(url, "producers-two") == ("ready", "")


@pytest.mark.parametrize("text", ["", "ready", "[]", "7", '{"parts": 7}', '{"parts": {"a": 7}}', '{"parts": {"a": {}}}'])
def test_what_is_no_page_of_ours_tells_of_no_part(text: str) -> None:
    """Another program's answer counts by its status alone."""
    assert readiness_in(200, text, "a") == ("ready", "")
    assert readiness_in(503, text, "a")[0] == "waiting"
    assert readiness_in(0, text, "a")[0] == "silent"


def test_metrics_are_in_the_form_of_prometheus(tmp_path: Path) -> None:
    """/metrics is a page that Prometheus reads, with its content type, and holds what the stage counted."""
    metrics.events_in.labels("tested", "trades").inc(3)
    with (
        Health(settings(tmp_path), "tested"),
        urllib.request.urlopen(f"{address(tmp_path)}/metrics", timeout=10) as answer,
    ):
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    samples = {tuple(one.labels.items()): one.value for one in families["tidewire_events_in"].samples if one.name.endswith("_total")}
    assert samples[("stage", "tested"), ("topic", "trades")] == 3


def test_a_running_stage_is_found_until_it_stops(tmp_path: Path) -> None:
    """The state folder says what runs: stage, process and address; the file goes with the stage."""
    with Health(settings(tmp_path), "normalise"):
        (found,) = running(tmp_path)
        assert (found["stage"], found["pid"]) == ("normalise", os.getpid())
        assert found["url"] == address(tmp_path)
    assert running(tmp_path) == []
    assert list((tmp_path / "stages").iterdir()) == []
    assert readiness("") == ("starting", "")


def test_who_looks_while_a_stage_starts_takes_nothing_from_it(tmp_path: Path) -> None:
    """A look finds a stage's file whole or not at all, however often a stage starts meanwhile."""
    ends = threading.Event()

    def look() -> None:
        while not ends.is_set():
            running(tmp_path)

    onlooker = threading.Thread(target=look)
    onlooker.start()
    try:
        for _ in range(30):
            with Health(settings(tmp_path), "normalise"):
                assert [one["pid"] for one in running(tmp_path)] == [os.getpid()]
    finally:
        ends.set()
        onlooker.join()


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    """A file of a process that is gone, or half written, is no running stage, and `running` takes it away."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "stages"
    folder.mkdir()
    (folder / "old-1.json").write_text(json.dumps({"stage": "old", "pid": gone.pid, "url": "http://127.0.0.1:1"}))
    (folder / "half-2.new").write_text('{"stage": "ha')
    assert list(pages_of(tmp_path)) == [gone.pid]
    assert running(tmp_path) == []
    assert list(folder.glob("*.json")) == []
    assert pages_of(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "text", ['{"stage": "ha', "", "[1]", '{"stage": "x", "url": "y"}', '{"pid": "many"}', '{"pid": -1, "stage": "x", "url": "y"}']
)
def test_a_file_that_names_no_process_is_cleared(tmp_path: Path, text: str) -> None:
    """A file torn by a full disk, or of another form, is no running stage, hides no other, and is taken away."""
    folder = tmp_path / "stages"
    folder.mkdir()
    torn = folder / "half-2.json"
    torn.write_text(text)
    with Health(settings(tmp_path), "normalise"):
        assert [one["pid"] for one in running(tmp_path)] == [os.getpid()]
    assert not torn.exists()


def test_a_number_that_went_to_somebody_elses_process_is_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of ours whose number is now a process we may not signal is stale; the stage of another user is one that runs."""

    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    file = tmp_path / "stages" / "old-1.json"
    file.parent.mkdir()
    text = json.dumps({"stage": "old", "pid": 1, "url": "http://127.0.0.1:1"})
    file.write_text(text)
    assert running(tmp_path) == []
    assert not file.exists()
    file.write_text(text)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert [one["stage"] for one in running(tmp_path)] == ["old"]


def test_a_taken_port_is_an_error_at_once(tmp_path: Path) -> None:
    """Where a port is set, it is that port or none."""
    with Health(settings(tmp_path), "first"):
        port = int(address(tmp_path).rpartition(":")[2])
        taken = settings(tmp_path).model_copy(update={"health": HealthSettings(port=port)})
        with pytest.raises(Fatal, match=rf"in use; process {os.getpid()} \(.*\) listens there\): set health\.host, health\.port"):
            Health(taken, "second")


def test_nobody_there_is_no_page(tmp_path: Path) -> None:
    """A page that does not answer is status 0, not an exception."""
    assert page("http://127.0.0.1:1/ready") == (0, "")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen("http://127.0.0.1:1/ready", timeout=5)
