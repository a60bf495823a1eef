"""What lies in the local store's place, or is given to be kept, may be anything: one clear error each, and nothing half done."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.hollow import hollow
from tests.topology.secrets.secrets_made import AUTHOR, acts
from topology.errors import Fatal, Reject, TidewireError
from topology.secrets.audit import Queue
from topology.secrets.errors import Damaged, Denied, WrongKey
from topology.secrets.local import LocalStore
from topology.secrets.local_document import decoded
from topology.secrets.local_key import Key, find_key
from topology.secrets.paths import checked, checked_fields, is_path
from topology.secrets.store import Author, Store

DEPTH = 100_000
DEEP = b"[" * DEPTH + b"]" * DEPTH
TEXTS = {
    "empty": b"",
    "nested lists": DEEP,
    "nested objects": b'{"document":' * DEPTH,
    "deep in the document": b'{"document": {"format": 1, "key": "k", "versions": ' + DEEP + b'}, "seal": ""}',
    "deep beside it": b'{"other": ' + DEEP + b', "document": {"format": 1, "key": "k"}, "seal": ""}',
    "a list": b"[]",
    "a number": b"1",
    "a number of many digits": b"1" * 10_000,
    "null": b"null",
    "text": b'"document"',
    "no UTF-8": b'{"document": "\xff\xfe"}',
    "half a character": b'{"document": "\\ud800"}',
    "NUL": b"\0" * 100,
    "a document that is a list": b'{"document": [], "seal": ""}',
    "a format that is text": b'{"document": {"format": "1", "key": "k"}, "seal": ""}',
    "a format that is deep": b'{"document": {"format": ' + DEEP + b', "key": "k"}, "seal": ""}',
}


@pytest.fixture
def file(local_store: LocalStore, tmp_path: Path) -> Path:
    """Write one secret; its file."""
    local_store.put("kafka", {"password": "first"}, 0, AUTHOR)
    return tmp_path / "secrets" / "kafka.json"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_file_that_is_anything_is_one_error(local_store: LocalStore, file: Path, text: bytes) -> None:
    """No text in a secret's place is a riddle: it is named with the cure, and left as it is."""
    file.write_bytes(text)
    for act in acts(local_store):
        with pytest.raises(Damaged, match=r"kafka: its file is truncated or no document of ours .*restore .*put"):
            act()
    assert file.read_bytes() == text


@pytest.mark.parametrize(
    "at", [("document",), ("document", "path"), ("document", "versions"), ("document", "versions", 0), ("document", "versions", 0, "value"),
           ("document", "current"), ("document", "generation"), ("document", "versions", 0, "validation"), ("seal",)],
)  # fmt: skip
@pytest.mark.parametrize("other", [None, True, -1, 1.5, "", [], {}, ["x"], {"x": 1}])
def test_wrong_types_at_any_level_are_one_error(file: Path, local_store: LocalStore, at: tuple[str | int, ...], other: object) -> None:
    """A value of another type at any level is told as damage, whatever stands there."""
    whole = json.loads(file.read_bytes())
    inner = whole
    for step in at[:-1]:
        inner = inner[step]
    if inner[at[-1]] == other:
        return
    inner[at[-1]] = other
    file.write_text(json.dumps(whole))
    with pytest.raises(Damaged, match="kafka: its file"):
        local_store.read("kafka")


@given(text=st.binary(max_size=300))
@examples()
def test_any_bytes_are_one_error(text: bytes) -> None:
    """Whatever bytes stand in a file, reading them raises an error of ours."""
    key = Key("the test", b"\x01" * 32)
    with pytest.raises((Damaged, WrongKey)):
        decoded("kafka", text, key, Path("kafka.json"))


OTHER_KINDS: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path, 0o600),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a huge file": hollow,
    "a loop of links": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("make", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_no_regular_file_is_one_error(local_store: LocalStore, file: Path, make: Callable[[Path], object], tmp_path: Path) -> None:
    """What is no regular file, or too large to be one of ours, is neither waited for nor read whole: secret, key, generations."""
    file.unlink()
    make(file)
    with pytest.raises(Denied, match=r"kafka can't be read in .*mend the file"):
        local_store.read("kafka")
    make(tmp_path / "other-key")
    with pytest.raises(WrongKey, match=r"other-key can't be read .*secrets.key_file"):
        find_key(tmp_path / "other-key", {})
    [known] = tmp_path.glob("key.*.generations")
    known.unlink()
    make(known)
    with pytest.raises(Denied, match=r"generations can't be read"):
        local_store.read("kafka")


ODD_PATHS = [
    "kafka\n", "kafka\0", "\x1b[31mkafka", "ka fka", " kafka", "kafka ", "kafka/", "/kafka", "a//b", ".", "..", "../kafka", "a/../b",
    "a\\b", "kafk\u0430", "\uff4bafka", "kafka\u202e", "kafka\ud800", "Kafka", "a" * 101, "/".join("abcdefghi"), "a" * 1_000_000,
    "", "kafka#x", "~", "-rf",
]  # fmt: skip


@pytest.mark.parametrize("path", ODD_PATHS, ids=range(len(ODD_PATHS)))
def test_odd_paths_are_refused(store: Store, path: str) -> None:
    """A path with anything but the letters of one is refused by both stores, in few words that command no terminal."""
    for act in (lambda: store.put(path, {"password": "x"}, 0, AUTHOR), lambda: store.read(path), lambda: store.metadata(path)):
        with pytest.raises(Fatal, match="is no path of a secret: at most 8 parts") as told:
            act()
        assert len(str(told.value)) < 600
        assert str(told.value).isprintable()
    assert store.names() == []


ODD_FIELDS = [
    "",
    " ",
    "pass word",
    "password\n",
    "pass\0word",
    "\x1b[2J",
    "a/b",
    "..",
    "passw\u043erd",
    "p\ud800",
    "p" * 101,
    "p" * 100_000,
    "a#b",
    "-x",
]


@pytest.mark.parametrize("name", ODD_FIELDS, ids=range(len(ODD_FIELDS)))
def test_odd_field_names_are_refused(store: Store, name: str) -> None:
    """A field's name with anything but the letters of one is refused by both stores, and nothing is written."""
    with pytest.raises(Reject, match=r"is no name of a field.*Nothing was written") as told:
        store.put("kafka", {"user": "tidewire", name: "x"}, 0, AUTHOR)
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 400
    assert store.names() == []


@pytest.mark.parametrize("value", ["a\0b", "\x1b[31m", "a\ud800", "a\u202eb", "\x7f", "a" * 65_537, "a\rb", "\ufeffa"])
def test_odd_values_are_refused_unshown(store: Store, value: str) -> None:
    """A value that can't have been meant is refused by the name of its field, and is not shown."""
    with pytest.raises(Reject, match=r"kafka: field password .*Nothing was written") as told:
        store.put("kafka", {"password": value}, 0, AUTHOR)
    assert value not in str(told.value)
    assert store.names() == []


@pytest.mark.parametrize(
    "value", ["ä€😀", "two words", "-----BEGIN KEY-----\nAAA\n", "-----BEGIN KEY-----\r\nAAA\r\n", "\ttab", "\\u0000", "a" * 65_536, ""]
)
def test_what_a_password_may_be_is_kept(store: Store, value: str) -> None:
    """Any letters, spaces, and the lines of a PEM file are kept as they are."""
    store.put("kafka", {"password": value}, 0, AUTHOR)
    assert store.read("kafka").fields == {"password": value}


def test_too_much_is_refused(local_store: LocalStore) -> None:
    """More fields or more bytes than are read again are not written."""
    with pytest.raises(Reject, match="101 fields, and at most 100"):
        local_store.put("kafka", {f"f{number}": "" for number in range(101)}, 0, AUTHOR)
    with pytest.raises(Reject, match="bytes, and at most 262144"):
        local_store.put("kafka", {f"f{number}": "a" * 60_000 for number in range(5)}, 0, AUTHOR)
    assert local_store.names() == []


def test_other_files_are_no_secrets(local_store: LocalStore, file: Path) -> None:
    """A file or folder in the store whose name is no path of a secret is not taken for one."""
    for name in ("Kafka.json", "two words.json", "-x.json", "a\nb.json", ".json", "kafka.json.part"):
        file.with_name(name).write_text("{}")
    file.with_name("registry.json").mkdir()
    assert local_store.names() == ["kafka"]


def test_an_author_of_odd_letters_can_be_read_again(local_store: LocalStore) -> None:
    """Whatever a user or machine is called, what was written in its name is read again."""
    local_store.put("kafka", {"password": "x"}, 0, Author("a\udc80\x1b[31m", "host\0"))
    assert local_store.metadata("kafka").versions[0].created_by == r"a\udc80\u001b[31m"


@given(st.text())
def test_what_is_a_path_is_printable_and_stays_inside(text: str) -> None:
    """Whatever is taken for a path has nothing in it that a terminal, a file system or a shell would obey."""
    if is_path(text):
        assert checked(text) == text
        assert text.isascii()
        assert text.isprintable()
        assert ".." not in text.split("/")
    else:
        with pytest.raises(TidewireError):
            checked(text)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none()))
def test_fields_are_kept_whole_or_refused(fields: dict[str, object]) -> None:
    """Whatever is given, it is returned as it is or refused."""
    try:
        kept = checked_fields("kafka", fields)
    except Reject as error:
        told = str(error)
    else:
        told = ""
        assert kept == fields
    assert told.isprintable()


@pytest.mark.parametrize("make", OTHER_KINDS.values(), ids=OTHER_KINDS)
def test_a_queue_that_is_no_file_is_one_error(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A folder, pipe or device in the place of the queue of audit events is named with its setting, and never waited for."""
    queue = Queue(tmp_path / "audit.jsonl")
    make(queue.path)
    with pytest.raises(TidewireError, match=r"audit.jsonl"):
        queue.waiting()


@pytest.mark.parametrize("line", [b"{}", b"[]", b"1", DEEP, b"\xff", b'{"occurred_at": "x"}'], ids=range(6))
def test_a_line_that_is_no_audit_event_is_told(tmp_path: Path, line: bytes) -> None:
    """The queue of audit events names a line that is none, and drops nothing."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(Damaged, match="no audit event"):
        Queue(path).waiting()
    assert path.read_bytes() == line + b"\n"
