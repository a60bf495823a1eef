"""`tidewire up`: everything started, shown, summed up and stopped in order, as a person or a script meets it."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dialects.catalogue import all_dialects
from local.sharing import cores, process_name, shared_out
from tests.uncounted import uncounted
from topology.flow import stages
from topology.state_folder import BEGUN_ANEW, LOCKS, MARK
from topology.topics import all_topics

PATIENCE = 240.0
"""Longer than starting and stopping everything takes on a busy machine; what it does is awaited, not timed."""
BY_DEFAULT = [name for name, spoken in all_dialects().items() if spoken.by_default]
"""The venues of a run that names none; here none of them can be reached."""
NOWHERE = json.dumps({venue: {"websocket": "ws://127.0.0.1:1"} for venue in BY_DEFAULT})


def environment(state: Path, *, counted: bool = False) -> dict[str, str]:
    """Return the environment of a machine from which no exchange can be reached; `counted`: coverage counts what runs in it.

    Books are written down in no run but at its end: whoever waited for that before he stops them would wait in vain.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWIRE_")}
    others = others if counted else uncounted(others)
    return {**others, "TIDEWIRE_STATE_DIR": str(state), "TIDEWIRE_VENUES": NOWHERE, "TIDEWIRE_BOOKS__CHECKPOINT_SECONDS": "600"}


@contextmanager
def started(state: Path, *arguments: str, counted: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run `tidewire up` in a state folder; where a test leaves it behind, stop it in order, and kill it after a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.command_line", "up", "--rate", "100", *arguments],
        env=environment(state, counted=counted),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def ask(state: Path, *arguments: str) -> list[dict[str, Any]]:
    """Ask the stack that runs in a state folder from another terminal; return its JSON lines."""
    command = [sys.executable, "-m", "console.command_line", *arguments, "--json"]
    answer = subprocess.run(command, env=environment(state), capture_output=True, text=True, check=True, timeout=PATIENCE)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Read lines until one holds these words; return all of them."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or words not in lines[-1]:
        line = process.stdout.readline()
        assert line, f"it ended before it said {words!r}:\n" + "".join(lines)
        lines.append(line)
    return lines


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that they have."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listing.splitlines())}
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= new
    return found


def gone(pids: set[int]) -> bool:
    """Whether all of these processes have ended within our patience."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
        alive = {int(pid) for pid, state in map(str.split, listing.splitlines()) if not state.startswith("Z")}
        if not pids & alive:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state folder that all runs of this file share."""
    return tmp_path_factory.mktemp("up") / "state"


@pytest.fixture(scope="module")
def first(state: Path) -> tuple[int, list[str], dict[str, Any]]:
    """Run everything for ten seconds from nothing; return exit code, lines and the summary that is the last of them."""
    with started(state, "--plain", "--duration", "10") as process:
        out, _ = process.communicate(timeout=PATIENCE)
    lines = out.splitlines()
    return process.returncode, lines[:-1], json.loads(lines[-1])


def test_what_is_kept_is_its_owners(first: tuple[int, list[str], dict[str, Any]], state: Path) -> None:
    """Whatever servers and stages have left in the state folder is open to nobody else: folders, data, logs, addresses."""
    assert first[0] == 0
    found = [state, *state.rglob("*")]
    names = {path.name for path in found}
    assert {"clickhouse.log", "kafka.log", "registry.log", "normalise.log", "ports.json", "meta.properties", "password"} <= names
    assert [str(path) for path in found if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_a_run_keeps_nothing_that_fresh_does_not_know(first: tuple[int, list[str], dict[str, Any]], state: Path) -> None:
    """Every name that stands in the state folder is one that --fresh deletes, a lock file or the mark."""
    assert first[0] == 0
    assert {path.name for path in state.iterdir()} <= BEGUN_ANEW | LOCKS | {MARK}


def test_the_first_run_is_well(first: tuple[int, list[str], dict[str, Any]]) -> None:
    """From an empty folder, with no exchange in reach: exit code 0 and a summary that says ok, and why it would not be."""
    code, lines, summary = first
    assert summary["problems"] == [], "\n".join(lines)
    assert (code, summary["ok"], summary["origin"]) == (0, True, "simulated")
    assert summary["seconds"] >= 10
    assert summary["dead_letters"] == 0
    assert summary["gaps"]["open"] == 0


def test_everything_published_was_read_and_stored(first: tuple[int, list[str], dict[str, Any]]) -> None:
    """Each stage did its work and left nothing unread; what is in the topics is in the tables, each once."""
    _, _, summary = first
    assert sorted(summary["venues"]) == BY_DEFAULT
    assert summary["topics"].keys() == all_topics().keys()
    names = {f"{name}-{venue}" for name, one in stages().items() if one.per_venue for venue in BY_DEFAULT}
    names |= {name for name, one in stages().items() if one.runs and not one.per_venue}
    assert summary["stages"].keys() == names
    for name, stage in summary["stages"].items():
        assert (stage["dead_letters"], stage["restarts"], stage["lag"] or 0) == (0, 0, 0), name
    for venue, one in summary["venues"].items():
        assert one["frames"] == summary["topics"][f"raw.{venue}"] > 0
    assert summary["rows"]["frames"] == sum(one["frames"] for one in summary["venues"].values())
    for table in ("trades", "book_deltas", "quotes"):
        assert summary["rows"][table] == summary["topics"][table] > 0, table
        assert summary["rows_of_all_runs"][table] == summary["rows"][table], table
    assert summary["rows"]["candles"] >= summary["rows_of_all_runs"]["candles"] > 0  # of a candle each version is inserted
    unmeasured = [
        name for name, one in stages().items() if one.runs and not one.per_venue and not summary["stages"][name]["latency_p50_ms"]
    ]
    assert not unmeasured


def test_it_tells_what_it_does(first: tuple[int, list[str], dict[str, Any]], state: Path) -> None:
    """Without a terminal each thing that happens is a line: why it simulates, where everything is, and the end in order."""
    _, lines, _ = first
    text = "\n".join(lines)
    for venue in BY_DEFAULT:
        assert f"{venue}: unreachable: " in text
    assert "going on with the simulator: every event is labelled `simulated`" in text
    for name in ("Kafka: 127.0.0.1:", "ClickHouse: http://127.0.0.1:", "schema registry: http://127.0.0.1:", f"logs: {state / 'logs'}"):
        assert f" {name}" in text
    stopped = [line.partition(" stopped ")[2] for line in lines if " stopped " in line and "data stays" not in line]
    assert [name for those in stopped for name in those.split(", ")] == list(stages())
    assert lines[-1].endswith(f"stopped; the data stays in {state} for the next start")
    assert "Traceback" not in text


def test_a_run_that_was_not_well_says_why(state: Path, first: tuple[int, list[str], dict[str, Any]]) -> None:
    """Stages that got nothing to do are no success: exit code 1, each problem a line and in the summary, which counts this run alone."""
    with started(state, "--plain", "--duration", "1", "--stages", "build_candles", counted=True) as process:
        out, _ = process.communicate(timeout=PATIENCE)
    *lines, last = out.splitlines()
    summary = json.loads(last)
    assert (process.returncode, summary["ok"], summary["problems"]) == (1, False, ["build_candles read nothing"])
    assert any(line.endswith(" build_candles read nothing") for line in lines)
    assert not any(summary["topics"].values())
    assert not any(summary["rows"].values())
    assert summary["rows_of_all_runs"]["trades"] == first[2]["rows"]["trades"]


def test_the_next_start_goes_on_and_ctrl_c_ends_it_in_order(first: tuple[int, list[str], dict[str, Any]], state: Path) -> None:
    """Data stays; while it runs it answers another terminal and lets no second one in; Ctrl-C is exit code 0, no process left."""
    _, _, summary = first
    chosen = ("producers", "normalise", "clickhouse")
    with started(state, "--plain", "--stages", ",".join(chosen)) as process:
        until(process, "every stage is ready")
        until(process, "| rows ")
        children = descendants(process.pid)
        running = {path.stem.rpartition("-")[0] for path in (state / "stages").iterdir()}
        shares = shared_out(BY_DEFAULT, 0, cores())
        feeds = [process_name("producers", [f"producers-{venue}" for venue in some], 0, len(shares)) for some in shares]
        assert len(shares) < len(BY_DEFAULT)
        assert {name.rstrip("0123456789") for name in running} == {*chosen[1:], *feeds}
        held = {one["topic"]: one["messages"] for one in ask(state, "topics")}
        assert all(held[topic] >= count for topic, count in summary["topics"].items())
        (row,) = ask(state, "query", "SELECT count() AS trades FROM trades FINAL")
        assert row["trades"] >= summary["rows"]["trades"]

        second = subprocess.run(
            [sys.executable, "-m", "console.command_line", "up", "--plain"],
            env=environment(state), capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"tidewire: another `tidewire up` runs in {state}" in second.stderr

        process.send_signal(signal.SIGINT)
        lines = until(process, "stopped; the data stays")
        code = process.wait(PATIENCE)
    assert code == 0, "".join(lines)
    assert [line.split()[-1] for line in lines if line.split()[1:2] == ["stopped"] and "data stays" not in line] == list(chosen)
    assert len(children) > len(chosen)
    assert gone(children)
    assert not list((state / "stages").iterdir())


def test_ctrl_c_while_starting_leaves_nothing_running(tmp_path: Path) -> None:
    """Whoever changes his mind early is heard: what was started is stopped, and the exit code says that nothing ran."""
    with started(tmp_path, "--plain") as process:
        until(process, "starting kafka")
        deadline = time.monotonic() + PATIENCE
        while not (children := descendants(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        until(process, "stopped while starting")
        assert process.wait(PATIENCE) == 1
    assert gone(children)


def test_killed_it_takes_its_children_with_it(state: Path, first: tuple[int, list[str], dict[str, Any]]) -> None:
    """SIGKILL cannot be answered, and still no server and no stage outlives it."""
    with started(state, "--plain", "--stages", "clickhouse") as process:
        until(process, "started clickhouse")
        children = descendants(process.pid)
        process.kill()
        process.wait(PATIENCE)
    assert children
    assert gone(children)
