"""The local store's own promises: its files, its key, and what happens to it at the worst moment."""

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.topology.secrets.secrets_made import AUTHOR
from topology.clock import now
from topology.secrets.errors import Conflict, Damaged, Denied, WrongKey
from topology.secrets.generations import beside
from topology.secrets.local import LocalStore
from topology.secrets.local_key import VARIABLE, Key, create_key_file, find_key

WRITERS = Path(__file__).with_name("local_writer.py")
CANARY = "canary-7f3a91-value"


@pytest.fixture
def written(local_store: LocalStore, tmp_path: Path) -> Path:
    """Write one secret of two versions; its file."""
    local_store.put("kafka", {"password": CANARY}, 0, AUTHOR)
    local_store.put("kafka", {"password": CANARY + "-2"}, 1, AUTHOR)
    return tmp_path / "secrets" / "kafka.json"


def test_nothing_on_disk_is_readable(written: Path) -> None:
    """Neither a value nor a field's name stands in any file, and only the owner may open one."""
    content = written.read_bytes()
    assert CANARY.encode() not in content
    assert b"password" not in content
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_told(local_store: LocalStore, written: Path, share: float) -> None:
    """A file that was cut is named as such, with its path and the cure, and is left as it is."""
    content = written.read_bytes()[: int(written.stat().st_size * share)]
    written.write_bytes(content)
    for act in (lambda: local_store.read("kafka"), lambda: local_store.put("kafka", {"password": "x"}, 2, AUTHOR)):
        with pytest.raises(Damaged, match=r"kafka: its file is truncated.*put"):
            act()
    assert written.read_bytes() == content


def test_an_altered_file_is_told(local_store: LocalStore, written: Path) -> None:
    """Whatever is altered in a document, even back to an older version, is found."""
    whole = json.loads(written.read_text())
    for change in ({"current": 1}, {"versions": whole["document"]["versions"][:1]}, {"path": "kafka-2"}):
        written.write_text(json.dumps(whole | {"document": whole["document"] | change}))
        with pytest.raises(Damaged, match="kafka: its file was altered"):
            local_store.read("kafka")


def test_a_value_is_bound_to_its_path_and_version(local_store: LocalStore, written: Path, key: Key) -> None:
    """A ciphertext put in another version's place, or another secret's, is not opened, even under a valid seal."""
    whole = json.loads(written.read_text())["document"]
    whole["versions"][1]["value"] = whole["versions"][0]["value"]
    written.write_text(json.dumps({"document": whole, "seal": key.seal(json.dumps(whole, sort_keys=True).encode())}))
    with pytest.raises(Damaged, match="version 2 of kafka can't be decrypted"):
        local_store.read("kafka")
    moved = whole | {"path": "registry"}
    written.with_name("registry.json").write_text(
        json.dumps({"document": moved, "seal": key.seal(json.dumps(moved, sort_keys=True).encode())})
    )
    local_store.accept()
    with pytest.raises(Damaged, match="version 2 of registry can't be decrypted"):
        local_store.read("registry")


def test_another_key_is_told(written: Path, tmp_path: Path) -> None:
    """A store opened with another key says which key it wants and which was given; nothing of either is shown."""
    create_key_file(tmp_path / "other")
    other = find_key(tmp_path / "other", {})
    store = LocalStore(tmp_path / "secrets", other, beside(other, tmp_path / "other", tmp_path / "secrets"), now)
    for act in (lambda: store.read("kafka"), lambda: store.put("kafka", {"password": "x"}, 2, AUTHOR)):
        with pytest.raises(WrongKey, match=f"kafka was encrypted with key .*other is key {other.id}") as told:
            act()
        assert (tmp_path / "other").read_text().strip() not in str(told.value)


def test_unknown_formats_are_left_alone(local_store: LocalStore, written: Path) -> None:
    """A file of a later version of this program is not taken for a damaged one."""
    written.write_text(json.dumps({"document": {"format": 2, "key": "x"}, "seal": ""}))
    with pytest.raises(Damaged, match="format 2, and this version reads 1"):
        local_store.read("kafka")


def test_key_from_the_environment_comes_first(tmp_path: Path) -> None:
    """The variable's key is taken before the file's."""
    create_key_file(tmp_path / "key")
    text = base64.b64encode(b"\x01" * 32).decode()
    assert find_key(tmp_path / "key", {VARIABLE: text}).source.endswith(VARIABLE)
    assert find_key(tmp_path / "key", {}).source == str(tmp_path / "key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key file with any right for group or others is refused, with the cure."""
    create_key_file(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(WrongKey, match="chmod 600"):
        find_key(tmp_path / "key", {})


@pytest.mark.parametrize("text", ["canary", "", base64.b64encode(b"short").decode(), "ä" * 44])
def test_malformed_keys_are_refused_unshown(tmp_path: Path, text: str) -> None:
    """What is no key of 32 bytes is refused by the name of its source and is not shown."""
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(WrongKey, match="base64 of 32 random bytes") as told:
        find_key(path, {})
    assert not text or text not in str(told.value)


def test_no_key_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    """Without any key the error names all its sources and the command that makes one."""
    with pytest.raises(WrongKey, match="tidewire secrets init"):
        find_key(tmp_path / "none", {})


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Making a key where there is one changes nothing: the store could not be opened any more."""
    assert create_key_file(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    assert not create_key_file(tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == before


@pytest.mark.parametrize("path", ["../key", "/etc/passwd", "a/../b", "", "A/b", "a//b", "a/b/", ".lock"])
def test_paths_stay_in_the_store(local_store: LocalStore, path: str) -> None:
    """A path that would leave the folder is no path of a secret."""
    with pytest.raises(Exception, match="is no path of a secret"):
        local_store.put(path, {}, 0, AUTHOR)


def test_a_full_disk_or_forbidden_folder_keeps_the_old(local_store: LocalStore, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the system refuses a write, the error says so with the path, and what was there is still there."""

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Denied, match=r"kafka can't be written .*No space left"):
        local_store.put("kafka", {"password": "x"}, 2, AUTHOR)
    monkeypatch.undo()
    assert local_store.read("kafka").fields == {"password": CANARY + "-2"}


def writers(tmp_path: Path, rounds: int) -> "subprocess.Popen[str]":
    """Start processes that write version after version of `kafka` and say each that they have written."""
    return subprocess.Popen(
        [sys.executable, str(WRITERS), str(tmp_path / "secrets"), str(tmp_path / "key"), str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_killed_writers_leave_a_whole_version(local_store: LocalStore, tmp_path: Path) -> None:
    """Two processes write at once and are killed at random moments: what is there is whole, and no acknowledged version is lost."""
    local_store.put("kafka", {"password": "", "filling": ""}, 0, AUTHOR)
    rounds = 25
    with writers(tmp_path, rounds) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        newest = 1
        for _ in range(rounds):
            told = [int(number) for number in process.stdout.readline().split()]
            assert len(set(told)) == len(told)
            document = local_store.read("kafka")
            assert document.fields["filling"] == document.fields["password"] * 500
            assert document.version >= max([newest, *told])
            newest = local_store.put("kafka", {"password": "x", "filling": "x" * 500}, document.version, AUTHOR)
            assert newest == document.version + 1
            process.stdin.write("on\n")
            process.stdin.flush()
    assert len(local_store.metadata("kafka").versions) == min(newest, 100)


def test_two_processes_never_overwrite_each_other(local_store: LocalStore, tmp_path: Path) -> None:
    """Of two processes that write at once each version has one writer: no number is acknowledged twice."""
    local_store.put("kafka", {"password": "", "filling": ""}, 0, AUTHOR)
    with writers(tmp_path, 0) as process:
        assert process.stdout is not None
        taken: list[int] = []
        while len(taken) < 100 or not {one.created_by for one in local_store.metadata("kafka").versions} >= {"a", "b"}:
            taken.append(int(process.stdout.readline()))
        os.killpg(process.pid, signal.SIGKILL)
    assert len(set(taken)) == len(taken)
    with pytest.raises(Conflict):
        local_store.put("kafka", {}, 1, AUTHOR)
