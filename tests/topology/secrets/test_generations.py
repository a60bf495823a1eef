"""An older file of the local store, put back: noticed by the generations that are kept apart, whenever a writer was ended."""

import itertools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.topology.secrets.secrets_made import AUTHOR, acts
from topology.clock import now
from topology.secrets.credential import Validation
from topology.secrets.errors import Damaged, Missing, RolledBack
from topology.secrets.generations import ACCEPT, beside, rolled_back
from topology.secrets.local import LocalStore
from topology.secrets.local_key import Key, find_key

KEYRING = '''"""A keyring whose entries are files of one folder."""

from functools import partial
from pathlib import Path

from keyring import errors

_FOLDER = Path(__file__).parent.parent / "entries"


def get_password(service, name):
    if (_FOLDER / "locked").exists():
        raise errors.KeyringError
    entry = _FOLDER / f"{service}-{name}"
    return entry.read_text() if entry.exists() else None


def set_password(service, name, text):
    if (_FOLDER / "locked").exists():
        raise errors.KeyringError
    (_FOLDER / f"{service}-{name}").write_text(text)
'''
CHANGES: dict[str, Callable[[LocalStore], object]] = {
    "another version": lambda store: store.put("kafka", {"password": "second"}, 1, AUTHOR),
    "a revocation": lambda store: store.revoke("kafka", 1),
    "a validation": lambda store: store.annotate("kafka", 1, Validation(at=1, ok=False, detail="no")),
}


@pytest.fixture(params=["file", "keyring"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStore]:
    """Open a store with one secret, its generations beside a key's file or in a keyring."""
    if request.param == "keyring":
        package = tmp_path / "modules" / "keyring"
        package.mkdir(parents=True)
        (tmp_path / "modules" / "entries").mkdir()
        (package / "__init__.py").write_text(KEYRING)
        (package / "errors.py").write_text("class KeyringError(Exception):\n    pass\n")
        monkeypatch.syspath_prepend(tmp_path / "modules")
        (tmp_path / "modules" / "entries" / "tidewire-secrets-key").write_text("A" * 43 + "=")
        key = find_key(tmp_path / "key", {})
    else:
        key = request.getfixturevalue("key")
    made = LocalStore(tmp_path / "secrets", key, beside(key, tmp_path / "key", tmp_path / "secrets"), now)
    made.put("kafka", {"password": "first"}, 0, AUTHOR)
    yield made
    for name in ("keyring", "keyring.errors"):
        sys.modules.pop(name, None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Say where the secret's file is."""
    return tmp_path / "secrets" / "kafka.json"


def known_file(tmp_path: Path) -> Path:
    """Return the file in which the generations are kept."""
    [found] = (*tmp_path.glob("key.*.generations"), *tmp_path.glob("modules/entries/tidewire-secrets-generations-*"))
    return found


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_older_file_put_back_is_refused(store: LocalStore, file: Path, change: Callable[[LocalStore], object]) -> None:
    """After any change of a secret its file from before is refused by every act, with what it would bring back and both cures."""
    older = file.read_bytes()
    change(store)
    newest = file.read_bytes()
    file.write_bytes(older)
    for act in acts(store):
        with pytest.raises(RolledBack, match=r"older one that was put back .*revoked since would be there again.*secrets accept"):
            act()
        assert file.read_bytes() == older
    file.write_bytes(newest)
    assert store.metadata("kafka").current >= 1


def test_a_removed_file_does_not_come_back(store: LocalStore, file: Path) -> None:
    """A secret that was removed and written anew goes on counting: the removed file is no newest one."""
    older = file.read_bytes()
    file.unlink()
    with pytest.raises(Missing):
        store.read("kafka")
    assert store.put("kafka", {"password": "anew"}, 0, AUTHOR) == 1
    file.write_bytes(older)
    with pytest.raises(RolledBack):
        store.read("kafka")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"key": 1, "generations": {}, "seal": ""}', b"[" * 100_000])
def test_damaged_generations_are_told(store: LocalStore, tmp_path: Path, damage: bytes) -> None:
    """Generations that are no text, no JSON or of another form are one error with the cure, and the cure works."""
    known = known_file(tmp_path)
    known.write_bytes(damage)
    with pytest.raises(Damaged, match=r"truncated or no list of generations.*secrets accept"):
        store.read("kafka")
    store.accept()
    assert store.read("kafka").fields == {"password": "first"}


def test_altered_generations_are_told(store: LocalStore, tmp_path: Path) -> None:
    """Generations made to fit an older file have a wrong code."""
    known = known_file(tmp_path)
    known.write_text(known.read_text().replace('"kafka": 1', '"kafka": 0'))
    with pytest.raises(Damaged, match="altered or took damage"):
        store.read("kafka")


def test_older_generations_are_told(store: LocalStore, file: Path, tmp_path: Path) -> None:
    """Generations that were put back or removed without the secret's file are noticed, as soon as no crash explains them."""
    known = known_file(tmp_path)
    older = known.read_bytes()
    store.put("kafka", {"password": "second"}, 1, AUTHOR)
    store.put("kafka", {"password": "third"}, 2, AUTHOR)
    known.write_bytes(older)
    with pytest.raises(RolledBack, match=r"is of change 3, and .* knows 1"):
        store.read("kafka")
    known.unlink()
    with pytest.raises(RolledBack, match=r"is of change 3, and .* does not know it"):
        store.read("kafka")
    assert file.exists()


def test_both_put_back_together_are_not_noticed(store: LocalStore, file: Path, tmp_path: Path) -> None:
    """The file and its generations from one backup look as they did: what SECURITY.md says of it is so."""
    saved = file.read_bytes(), known_file(tmp_path).read_bytes()
    store.revoke("kafka", 1)
    file.write_bytes(saved[0])
    known_file(tmp_path).write_bytes(saved[1])
    assert store.read("kafka").fields == {"password": "first"}


def test_a_backup_is_taken_deliberately(store: LocalStore, file: Path) -> None:
    """What differs is told with what it holds; once accepted it is read and written, and the file it replaced is the older one now."""
    older = file.read_bytes()
    store.put("kafka", {"password": "second"}, 1, AUTHOR)
    newest = file.read_bytes()
    store.put("registry", {"password": "other"}, 0, AUTHOR)
    file.write_bytes(older)
    [difference] = store.differences()
    assert (difference.path, difference.found, difference.known) == ("kafka", 1, 2)
    assert difference.detail == "newest version 1; with a value: 1"
    store.accept()
    assert store.differences() == []
    assert store.read("kafka").fields == {"password": "first"}
    file.write_bytes(newest)
    with pytest.raises(RolledBack):
        store.read("kafka")
    file.write_bytes(older)
    with pytest.raises(RolledBack):
        store.read("kafka")


def test_what_can_not_be_read_is_not_taken(store: LocalStore, file: Path) -> None:
    """Accepting leaves a damaged file as it is, says so, and takes the others."""
    store.put("registry", {"password": "other"}, 0, AUTHOR)
    file.write_bytes(b"{")
    [difference] = store.differences()
    assert difference.found == -1
    store.accept()
    assert file.read_bytes() == b"{"
    assert store.read("registry").fields == {"password": "other"}


def test_a_store_of_before_goes_on(tmp_path: Path, key: Key) -> None:
    """A file without a generation is read while nothing is known of it, and counted from its next change on."""
    store = LocalStore(tmp_path / "secrets", key, beside(key, tmp_path / "key", tmp_path / "secrets"), now)
    shutil.copytree(uncounted(tmp_path, key), tmp_path / "secrets", dirs_exist_ok=True)
    file = tmp_path / "secrets" / "kafka.json"
    before = file.read_bytes()
    assert store.read("kafka").fields == {"password": "first"}
    store.revoke("kafka", 1)
    file.write_bytes(before)
    with pytest.raises(RolledBack, match="change of before they were counted"):
        store.read("kafka")


def uncounted(tmp_path: Path, key: Key) -> Path:
    """Write a secret as it was written before generations were counted; the folder."""
    folder = tmp_path / "before"
    store = LocalStore(folder, key, beside(key, tmp_path / "key", folder), now)
    store.put("kafka", {"password": "first"}, 0, AUTHOR)
    document = json.loads((folder / "kafka.json").read_text())["document"]
    del document["generation"]
    seal = key.seal(json.dumps(document, sort_keys=True).encode())
    (folder / "kafka.json").write_text(json.dumps({"document": document, "seal": seal}))
    return folder


STEPS = ("open", "fsync", "rename", "write")


@pytest.mark.parametrize("first", [0, 1])
def test_a_writer_ended_at_any_step_leaves_a_good_store(tmp_path: Path, key: Key, first: int) -> None:
    """Ended before or after any call to the system, a writer leaves the old version or the new; the next write goes on from there."""
    for number in itertools.count(1):
        folder = tmp_path / str(number)
        store = LocalStore(folder, key, beside(key, tmp_path / "key", folder), now)
        if first:
            store.put("kafka", {"password": "1"}, 0, AUTHOR)
        ended = ended_at(number, partial(store.put, "kafka", {"password": str(first + 1)}, first, AUTHOR))
        file = folder / "kafka.json"
        left = file.read_bytes() if file.exists() else b""
        current = store.metadata("kafka").current if left else 0
        assert first <= current <= first + 1
        assert not current or store.read("kafka").fields == {"password": str(current)}
        assert store.put("kafka", {"password": "next"}, current, AUTHOR) == current + 1
        assert store.differences() == []
        if left:
            file.write_bytes(left)
            with pytest.raises(RolledBack):
                store.read("kafka")
        if number % 2 and not ended:
            break
    assert number > 20


@pytest.mark.parametrize("given", ["older", "lost"])
def test_accepting_ended_at_any_step_can_be_done_again(tmp_path: Path, key: Key, given: str) -> None:
    """Ended before or after any call to the system, accepting leaves each secret refused as before or taken; done again it takes all."""
    for number in itertools.count(1, 2):  # before each call: after one is before the next
        folder = tmp_path / str(number)
        store = LocalStore(folder, key, beside(key, tmp_path / "key", folder), now)
        for name in ("kafka", "registry"):
            store.put(name, {"password": "1"}, 0, AUTHOR)
        shutil.copytree(folder, folder.with_suffix(".backup"))
        for name in ("kafka", "registry"):
            store.put(name, {"password": "2"}, 1, AUTHOR)
            store.put(name, {"password": "3"}, 2, AUTHOR)
        if given == "older":
            shutil.copytree(folder.with_suffix(".backup"), folder, dirs_exist_ok=True)
        else:
            [known] = tmp_path.glob("key.*.generations")
            known.unlink()
        ended = ended_at(number, store.accept)
        assert {one.path for one in store.differences()} <= {"kafka", "registry"}
        store.accept()
        assert store.differences() == []
        for name in ("kafka", "registry"):
            assert store.read(name).fields == {"password": "1" if given == "older" else "3"}
        for path in tmp_path.glob("key.*.generations"):
            path.unlink()
        if not ended:
            break
    assert number > 20


def ended_at(number: int, act: Callable[[], object]) -> bool:
    """Do something in a process of its own that ends, as by signal 9, before (odd) or after (even) one of its calls to the system.

    Return whether it ended so.
    """
    child = os.fork()
    if child == 0:
        called = 0

        def ending(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                nonlocal called
                called += 1
                if 2 * called - 1 == number:
                    os._exit(9)
                try:
                    return real(*arguments, **named)
                finally:
                    if 2 * called == number:
                        os._exit(9)

            return call

        try:
            for name in STEPS:
                setattr(os, name, ending(getattr(os, name)))
            act()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@given(st.integers(0, 20), st.none() | st.integers(0, 20))
def test_the_rule(found: int, known: int | None) -> None:
    """A file is trusted where its generation is the known one or the next, or where neither was ever counted."""
    reason = rolled_back("kafka", found, known, "the store", "the list")
    assert (reason == "") == (found in (known, (known if known is not None else -1) + 1) if known is not None else found == 0)
    assert not reason or ACCEPT in reason
