"""`tidewire up --fresh` deletes what Tidewire keeps in its state folder, while nothing runs in it, and nothing else ever."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import LocalStack
from local.clearing import clear
from producers.spill import Spill
from topology.errors import Fatal
from topology.state_folder import BEGUN_ANEW, MARK, take_up


def there(folder: Path) -> dict[str, str]:
    """Return every file under a folder, with its text; lock files, which come and go, aside."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}
    return {name: path.read_bytes().decode("latin-1") for name, path in found.items()}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock as another process would."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def filled(folder: Path) -> Path:
    """Return a state folder of ours with data in it."""
    take_up(folder)
    for name in ("kafka", "spill", "logs"):
        (folder / name / "deep").mkdir(parents=True)
        (folder / name / "deep" / "data").write_text("ours")
    (folder / "ports.json").write_text("{}")
    return folder


def test_what_tidewire_keeps_is_deleted_and_all_else_stays(tmp_path: Path) -> None:
    """Data, logs and ports go; secrets, downloads, lock files and what another put there stay."""
    folder = filled(tmp_path / "state")
    for name in BEGUN_ANEW - {path.name for path in folder.iterdir()}:
        (folder / name).write_text("ours")
    kept = {"secrets.key": "key", "notes.txt": "mine", "cache": "jar", "secrets": "sealed", "credential_audit.jsonl": "{}"}
    for name, text in kept.items():
        (folder / name).write_text(text)
    with locked(folder / "up.lock"), locked(folder / "stack.lock"):
        pass
    inodes = [(folder / name).stat().st_ino for name in ("up.lock", "stack.lock")]
    clear(folder)
    assert there(folder) == kept | {MARK: ""}
    assert [(folder / name).stat().st_ino for name in ("up.lock", "stack.lock")] == inodes


@pytest.mark.parametrize("foreign", ["thesis.txt", "src/code.py", "kafka/data"])
def test_a_folder_that_is_not_ours_is_refused(tmp_path: Path, foreign: str) -> None:
    """Without the mark nothing is deleted, whatever the names are, no file is made there, and the folder's mode stays."""
    path = tmp_path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("three years")
    tmp_path.chmod(0o755)
    with pytest.raises(Fatal, match=r"no mark \(.tidewire\).*nothing was deleted.*state_dir"):
        LocalStack(tmp_path).fresh()
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("lock", "words"), [("up.lock", "another `tidewire up` runs"), ("stack.lock", "a stack runs")])
def test_a_folder_whose_lock_is_held_is_refused(tmp_path: Path, lock: str, words: str) -> None:
    """A running `tidewire up`, with servers of its own or others', keeps all that it has."""
    folder = filled(tmp_path / "state")
    before = there(folder)
    with locked(folder / lock), pytest.raises(Fatal, match=f"{words}.*stop it first"):
        clear(folder)
    assert there(folder) == before
    clear(folder)
    assert there(folder) == {MARK: ""}


def test_a_stage_that_runs_in_it_is_named(tmp_path: Path) -> None:
    """`tidewire run producers` alone holds no lock of the folder: it is found by where it says that it lives."""
    folder = filled(tmp_path / "state")
    (folder / "stages").mkdir()
    lives = folder / "stages" / f"producers-kraken-{os.getpid()}.json"
    lives.write_text(json.dumps({"stage": "producers-kraken", "pid": os.getpid(), "url": "http://127.0.0.1:1"}))
    before = there(folder)
    with pytest.raises(Fatal, match=rf"producers-kraken \(process {os.getpid()}\) runs in .*stop it first"):
        clear(folder)
    assert there(folder) == before


def test_frames_that_a_producer_holds_stay(tmp_path: Path) -> None:
    """A spill whose lock is held has frames that are nowhere else."""
    folder = filled(tmp_path / "state")
    spill = Spill(folder / "spill" / "kraken", "0001", 1_000_000)
    spill.append([(b"key", b"frame")])
    before = there(folder)
    with pytest.raises(Fatal, match=r"a producer runs in .*spill/kraken/0001: stop it first"):
        clear(folder)
    assert there(folder) == before
    spill.close()
    clear(folder)
    assert there(folder) == {MARK: ""}


def test_a_link_is_deleted_as_a_link(tmp_path: Path) -> None:
    """A part that lies on another disk loses its link here and nothing there; a dangling one is no matter."""
    folder, other = filled(tmp_path / "state"), tmp_path / "other"
    other.mkdir()
    (other / "data").write_text("elsewhere")
    (folder / "registry").symlink_to(other)
    (folder / "faust").symlink_to(tmp_path / "nowhere")
    clear(folder)
    assert {path.name for path in folder.iterdir()} == {MARK, "up.lock", "stack.lock"}
    assert (other / "data").read_text() == "elsewhere"


def test_a_folder_that_is_not_there_is_clear(tmp_path: Path) -> None:
    """Nothing is made for it."""
    clear(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []
