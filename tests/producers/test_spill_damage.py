"""What another does to files of a spill stays with those files: it is told and counted, and all else goes on."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as some
from structlog.testing import capture_logs

from producers.segments import RECORD, Segment
from producers.spill import Spill
from tests.examples import examples
from tests.producers.test_spill import Message, drain, some_messages
from topology.secrets.envelope import DataKey

MOST = 1_000_000


def left_behind(root: Path, count: int = 5) -> Path:
    """Leave messages as a producer that ended; return their directory."""
    spill = Spill(root, "1", MOST)
    spill.append(some_messages(count))
    spill.close()
    return root / "1"


@pytest.mark.parametrize("key", [None, DataKey(b"wrapped", b"k" * 32)], ids=["plain", "sealed"])
@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.binary(max_size=60), min_size=1, max_size=12), some.data())
def test_a_flipped_bit_loses_nothing_unsaid(
    tmp_path_factory: pytest.TempPathFactory, key: DataKey | None, values: list[bytes], data: some.DataObject
) -> None:
    """Those before it are read; it and all behind it are counted. Only a last record that then asks for more than is there is torn."""
    path = tmp_path_factory.mktemp("segment") / "one"
    written = Segment(path, create=True, key=key)
    begins = []
    for value in values:
        begins.append(written.size)
        written.append([(b"key", value)])
    written.close()
    content = bytearray(path.read_bytes())
    at, bit = data.draw(some.integers(begins[0], len(content) - 1)), data.draw(some.integers(0, 7))
    content[at] ^= 1 << bit
    path.write_bytes(content)
    broken = sum(begin <= at for begin in begins) - 1
    segment = Segment(path, create=False)
    if key is not None:
        segment.unlock(key.plain)
    found: list[Message] = []
    while not segment.exhausted:
        found += segment.read(data.draw(some.integers(1, 400)))
    assert found == [(b"key", value) for value in values[:broken]]
    length = RECORD.unpack_from(content, begins[-1])[0]
    torn = broken == len(values) - 1 and begins[-1] + RECORD.size + length > len(content)
    assert (segment.unreadable == "", segment.torn > 0) == (torn, torn)
    assert segment.left() == (0 if torn else len(values) - broken)
    segment.close()


def test_zeros_at_the_end_are_torn(tmp_path: Path) -> None:
    """A power cut may leave room at the end of which nothing was written yet: no record was there."""
    [path] = left_behind(tmp_path).glob("*.spill")
    with path.open("ab") as file:
        file.write(bytes(10_000))
    heir = Spill(tmp_path, "2", MOST)
    assert drain(heir) == some_messages(5)
    assert (heir.unreadable(), heir.bytes) == (0, 0)


@pytest.mark.parametrize("own", [True, False], ids=["own", "another's"])
@pytest.mark.parametrize("length", [0, 1, 113, 300, 500])
def test_a_file_that_gets_shorter_while_it_is_open(tmp_path: Path, length: int, own: bool) -> None:
    """What is whole is read, the rest is counted as lost, and what comes then is in a file of its own."""
    spill = Spill(tmp_path, "1", MOST)
    spill.append(some_messages(5))
    if not own:
        spill.close()
        spill = Spill(tmp_path, "2", MOST)
    [path] = (tmp_path / "1").glob("*.spill")
    size = path.stat().st_size // 5
    os.truncate(path, length)
    later = [(b"later", b"frame")]
    assert spill.append(later) is not None
    assert drain(spill) == some_messages(5)[: length // size] + later
    assert spill.unreadable() == (5 - length // size if own else 1)
    assert (spill.bytes, spill.unread) == (0, False)
    spill.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_gets_shorter_than_what_was_read_is_not_filled_up(tmp_path: Path) -> None:
    """It ends where it was read to; no zeros are written in place of what another took."""
    spill = Spill(tmp_path, "1", MOST)
    spill.append(some_messages(2, 200_000))
    assert len(spill.read()) == 1
    [path] = (tmp_path / "1").glob("*.spill")
    os.truncate(path, 10)
    assert spill.read() == []
    assert (spill.unread, spill.unreadable(), path.stat().st_size) == (False, 1, 10)


def stray(directory: Path) -> None:
    (directory / ".DS_Store").touch()


def part(directory: Path) -> None:
    (directory / "one.part").mkdir()


def folder(directory: Path) -> None:
    (directory / "0000000000.spill").mkdir()


def dangling(directory: Path) -> None:
    (directory / "0000000000.spill").symlink_to(directory / "nowhere")


def pipe(directory: Path) -> None:
    os.mkfifo(directory / "0000000000.spill")


@pytest.mark.parametrize("make", [stray, part, folder, dangling, pipe])
def test_what_is_not_ours_stays_in_its_folder(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Frames beside it are read; it stays where it is, and that is told once at each start."""
    directory = left_behind(tmp_path)
    make(directory)
    there = {path.name for path in directory.iterdir()} - {"lock", "0000000001.spill"}
    with capture_logs() as lines:
        heir = Spill(tmp_path, "2", MOST)
        assert heir.append([(b"key", b"new")]) is not None
        assert drain(heir) == [*some_messages(5), (b"key", b"new")]
        heir.close()
    assert [line["folder"] for line in lines if line["log_level"] == "error"] == [str(directory)]
    assert {path.name for path in directory.iterdir()} == there
    with capture_logs() as lines:
        Spill(tmp_path, "3", MOST).close()
    assert [line["folder"] for line in lines if line["log_level"] == "error"] == [str(directory)]
    assert {path.name for path in directory.iterdir()} == there


def test_a_folder_that_cannot_be_locked_is_left(tmp_path: Path) -> None:
    """Whose it is can't be known, so its frames stay where they are, which is told; others' are read."""
    directory = left_behind(tmp_path)
    (directory / "lock").unlink()
    (directory / "lock").mkdir()
    with capture_logs() as lines:
        heir = Spill(tmp_path, "2", MOST)
    assert [line["reasons"] for line in lines] == [{"lock": "Is a directory"}]
    assert heir.append([(b"key", b"new")]) is not None
    assert drain(heir) == [(b"key", b"new")]
    heir.close()
    assert {path.name for path in directory.iterdir()} == {"lock", "0000000001.spill"}


@pytest.mark.parametrize("own", [True, False], ids=["own", "another's"])
def test_files_that_a_person_deletes_are_read_all_the_same(tmp_path: Path, own: bool) -> None:
    """They are open; when they are delivered nothing is left to delete, and what comes then goes to disk."""
    spill = Spill(tmp_path, "1", MOST)
    spill.append(some_messages(5))
    if not own:
        spill.close()
        spill = Spill(tmp_path, "2", MOST)
    for path in (tmp_path / "1").iterdir():
        path.unlink()
    (tmp_path / "1").rmdir()
    assert drain(spill) == some_messages(5)
    assert spill.append(some_messages(2)) is not None
    spill.close()
    assert drain(Spill(tmp_path, "3", MOST)) == some_messages(2)


def test_frames_of_a_deleted_file_that_go_nowhere_are_told(tmp_path: Path) -> None:
    """What comes after it was deleted is in another file and is there at the next start; what was in it is lost, and that is said."""
    spill = Spill(tmp_path, "1", MOST)
    spill.append(some_messages(5))
    for path in (tmp_path / "1").iterdir():
        path.unlink()
    (tmp_path / "1").rmdir()
    assert spill.append(some_messages(2)) is not None
    with capture_logs() as lines:
        spill.close()
    assert [line["frames"] for line in lines if line["log_level"] == "error"] == [5]
    assert drain(Spill(tmp_path, "2", MOST)) == some_messages(2)


def test_a_damaged_file_that_a_person_deletes_is_told(tmp_path: Path) -> None:
    """It was to be kept aside; its frames are counted as lost."""
    [path] = left_behind(tmp_path).glob("*.spill")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    heir = Spill(tmp_path, "2", MOST)
    batch = heir.read()
    assert len(batch) == 4
    path.unlink()
    for segment, _, _ in batch:
        heir.delivered(segment)
    with capture_logs() as lines:
        heir.tidy()
    assert [line["file"] for line in lines] == [str(path)]
    assert heir.unreadable() == 1
    assert not heir.unread
