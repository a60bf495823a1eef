"""Children forked by a server: what `python -m` gives, sooner; and no stage is lost with the server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local import forked_process
from local.forked_process import ENDED_UNSEEN, ForkedProcess, ForkServer, Process
from local.process import ending
from tests.uncounted import uncounted
from topology import private
from topology.flow import stages

PATIENCE = 60.0
CHILD = "tests.local.forked_child"
THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"


class Forks:
    """A fork server, what it said, and the children of one test, whose output goes into its folder."""

    def __init__(self, folder: Path, server: ForkServer, said: list[str]) -> None:
        self.folder = folder
        self.said = said
        self.server = server
        self.children: list[Process] = []

    def start(self, *arguments: str, module: str = CHILD, **environment: str) -> Process:
        """Start a child; its output is in a file of its own."""
        with self.log(len(self.children)).open("ab") as log:
            child = self.server.launch([sys.executable, "-m", module, *arguments], uncounted({**os.environ, **environment}), log)
        self.children.append(child)
        return child

    def log(self, number: int) -> Path:
        """Return the file of a child's output."""
        return self.folder / f"{number}.log"

    def seen(self, number: int = 0) -> dict[str, Any]:
        """Return what a child sees of itself, once it has said so."""
        until(lambda: self.log(number).read_text().endswith("\n"))
        found: dict[str, Any] = json.loads(self.log(number).read_text().splitlines()[0])
        return found

    def end(self) -> None:
        """End the children."""
        for child in self.children:
            child.send_signal(signal.SIGKILL)
            child.wait(PATIENCE)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ForkServer, list[str]]]:
    """Return a server for all tests that leave it alone, and what it says."""
    said: list[str] = []
    server = ForkServer(tmp_path_factory.mktemp("shared"), uncounted(os.environ), said.append)
    yield server, said
    server.close()


@pytest.fixture
def forks(tmp_path: Path, shared: tuple[ForkServer, list[str]]) -> Iterator[Forks]:
    """Return children to be of a server that other tests use too."""
    made = Forks(tmp_path, *shared)
    yield made
    made.end()


@contextmanager
def own(folder: Path, **environment: str) -> Iterator[Forks]:
    """Make a server for one test, which breaks it."""
    said: list[str] = []
    made = Forks(folder, ForkServer(folder, uncounted({**os.environ, **environment}), said.append), said)
    try:
        yield made
    finally:
        made.end()
        made.server.close()


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Forks]:
    """Return children to be of a server that this test breaks."""
    with own(tmp_path) as made:
        yield made


def until(holds: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_fork_is_what_python_m_would_be(forks: Forks, tmp_path: Path) -> None:
    """It leads a session of its own, reads nothing, and has the arguments, the environment, the signals and the name it would have."""
    forks.start("stay", "--like", "this one", ONLY_HERE="1")
    with (tmp_path / "plain").open("wb") as log:
        command = [sys.executable, "-m", CHILD, "stay", "--like", "this one"]
        plain = forked_process.launch(command, uncounted({**os.environ, "ONLY_HERE": "1"}), log)
    forks.children.append(plain)
    until((tmp_path / "plain").read_text)
    wanted, found = json.loads((tmp_path / "plain").read_text()), forks.seen()
    assert isinstance(forks.children[0], ForkedProcess)
    assert not forks.said
    pid = forks.children[0].pid
    assert (found["pid"], found["session"], found["group"]) == (pid, pid, pid)
    for name in ("arguments", "name", "umask", "input", "signals", "wakeup", "title"):
        assert found[name] == wanted[name], name
    assert {"ONLY_HERE"} == set(wanted["environment"]) - set(os.environ)
    assert found["environment"] == wanted["environment"]
    assert found["umask"] == private.UMASK


def test_a_fork_holds_nothing_of_the_server_or_of_its_siblings(forks: Forks) -> None:
    """Its streams, and the pipe by which its end is seen: no socket of the server, no log and no pipe of another child."""
    for number in range(3):
        forks.start("stay")
        held = forks.seen(number)["descriptors"]
        if not held:
            pytest.skip("this system does not say which descriptors a process holds")
        outside = [name.partition(":")[0] for name in held if not name.startswith("/proc/")]
        log = str(forks.log(number))
        assert sorted(outside) == sorted(["/dev/null", log, log, "pipe"])


@pytest.mark.parametrize(("what", "code", "last"), [("0", 0, "}"), ("78", 78, "}"), ("fail", 1, "RuntimeError: as it was told")])
def test_its_end_is_told(forks: Forks, what: str, code: int, last: str) -> None:
    """The exit code comes as it is, and an error that nobody caught is in its log; asked again, it says the same."""
    child = forks.start(what)
    assert (child.wait(PATIENCE), child.poll(), child.returncode) == (code, code, code)
    assert forks.log(0).read_text().splitlines()[-1].endswith(last)
    child.send_signal(signal.SIGTERM)  # to nobody


def test_a_signal_that_ends_it_is_told(forks: Forks) -> None:
    """As subprocess tells it: the number, negative. Until then it runs, and a bounded wait says so."""
    child = forks.start("stay")
    forks.seen()
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    assert child.wait(PATIENCE) == -signal.SIGKILL


def test_every_stage_can_be_forked(forks: Forks) -> None:
    """All that stages import is imported ahead and leaves one thread; a stage's `--help` or its first complaint is its own."""
    names = [stage.package for stage in stages().values() if stage.runs]
    for name in names:
        forks.start("--help", module=name, TIDEWIRE_KAFKA__MANAGE_TOPICS="as nobody knows")
    assert all(isinstance(child, ForkedProcess) for child in forks.children)
    assert not forks.said
    for number, child in enumerate(forks.children):
        assert child.wait(PATIENCE) in {0, 78}, forks.log(number).read_text()
        assert "Traceback" not in forks.log(number).read_text()
    left = forks.server.log.read_text().splitlines()
    assert all(line.endswith(": polars is left to each child") for line in left), left
    assert not any(line.startswith("left to each child: processors.engine.stage:") for line in left)


def test_a_server_with_threads_forks_nothing(tmp_path: Path) -> None:
    """A lock that another thread held would stay locked in the child: each is started plainly then, and told of."""
    customs = tmp_path / "customs"
    customs.mkdir()
    (customs / "sitecustomize.py").write_text(f"import os\nif os.environ.get('BEGIN_A_THREAD'):\n    {THREAD}\n")
    with own(tmp_path, PYTHONPATH=str(customs), BEGIN_A_THREAD="1") as forks:
        child = forks.start("3")
        assert isinstance(child, subprocess.Popen)
        assert child.wait(PATIENCE) == 3
        assert len(forks.said) == 1
        assert f"{CHILD} is started anew, not forked: the fork server has 2 threads" in forks.said[0]


def test_children_outlive_the_server(broken: Forks) -> None:
    """Killed, it takes none of them with it: they run on, their end is seen, and how they ended is said to be unknown."""
    child = broken.start("stay")
    broken.seen()
    os.kill(broken.server.pid, signal.SIGKILL)
    again = broken.start("stay")
    assert isinstance(again, subprocess.Popen)
    assert "is started anew, not forked: the fork server has ended" in broken.said[0]
    assert isinstance(broken.start("stay"), ForkedProcess)
    assert child.poll() is None
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(PATIENCE) == ENDED_UNSEEN
    assert "nobody saw how" in ending(ENDED_UNSEEN)
    assert len(broken.said) == 1


def test_one_that_ended_before_the_server_is_known(broken: Forks) -> None:
    """What the server has said before its end still counts."""
    child = broken.start("78")
    until(lambda: not Path(f"/proc/{child.pid}").exists() if Path("/proc/self").exists() else child.poll() is not None)
    os.kill(broken.server.pid, signal.SIGKILL)
    assert child.wait(PATIENCE) == 78


def test_a_server_that_hangs_is_given_up(broken: Forks, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed, so that it makes no second child of what is started plainly."""
    broken.start("stay")
    broken.seen()
    monkeypatch.setattr(forked_process, "SECONDS_TO_FORK", 0.5)
    hanging = broken.server.pid
    os.kill(hanging, signal.SIGSTOP)
    assert isinstance(broken.start("stay"), subprocess.Popen)
    assert "the fork server gave no answer" in broken.said[0]
    with pytest.raises(ProcessLookupError):
        os.kill(hanging, 0)
    monkeypatch.undo()
    assert isinstance(broken.start("stay"), ForkedProcess)


def test_a_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Killed without a chance to say so, its owner leaves no server behind."""
    code = (
        "import os, signal, sys, time; from pathlib import Path; from local.forked_process import ForkServer;"
        "server = ForkServer(Path(sys.argv[1]), os.environ, print); print(server.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        owner.kill()
    until(lambda: not alive(server))


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody reaps."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_descriptors_are_given_back(forks: Forks) -> None:
    """Ten children that came and went leave nothing open, here or in the server."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not say which descriptors a process holds")

    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(list(Path(f"/proc/{forks.server.pid}/fd").iterdir()))

    forks.start("0", module="this").wait(PATIENCE)
    before = held()
    for _ in range(10):
        assert forks.start("0", module="this").wait(PATIENCE) == 0
    assert held() == before
    assert not forks.said


def test_anything_but_a_module_is_started_as_it_is(forks: Forks, tmp_path: Path) -> None:
    """A program is no module of ours: it is no fork, and nothing is told of that."""
    with (tmp_path / "log").open("wb") as log:
        child = forks.server.launch(["sh", "-c", "echo here; exit 5"], os.environ, log)
    assert (child.wait(PATIENCE), (tmp_path / "log").read_text(), forks.said) == (5, "here\n", [])
