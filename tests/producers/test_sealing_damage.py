"""Sealed spill files that were cut, altered or shuffled: what is sound is read, the rest is kept aside and never taken for a frame."""

from pathlib import Path

import pytest

from producers.segments import RECORD, Segment
from producers.spill import Spill
from tests.producers.sealed import DATA_KEY, MOST, drain, leave, sealing, some_messages, wait
from topology.secrets.sealed_file import HEADER_BYTES


def test_a_sealed_file_cut_anywhere_is_read_up_to_there(tmp_path: Path) -> None:
    """At every byte, the header's included, a cut leaves the whole records before it and nothing else."""
    messages = some_messages(3)
    whole = Segment(tmp_path / "whole", create=True, key=DATA_KEY)
    ends = []
    for message in messages:
        whole.append([message])
        ends.append(whole.size)
    content = (tmp_path / "whole").read_bytes()
    whole.close()
    for length in range(len(content) + 1):
        (tmp_path / "cut").write_bytes(content[:length])
        cut = Segment(tmp_path / "cut", create=False)
        cut.unlock(DATA_KEY.plain)
        found = cut.read(10_000) if not cut.exhausted else []
        assert (found, cut.unreadable) == (messages[: sum(end <= length for end in ends)], "")
        assert cut.exhausted
        cut.remove()


def records(content: bytes, start: int) -> list[bytes]:
    """Return the records of a file's bytes, with length and checksum."""
    found = []
    while start < len(content):
        end = start + RECORD.size + RECORD.unpack_from(content, start)[0]
        found.append(content[start:end])
        start = end
    return found


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 1), (0, 2, 1), (1, 2, 0)])
def test_records_in_another_place_do_not_open(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Swapped, repeated or left out, with sound checksums: what stands before is read, and nothing from there on."""
    segment = Segment(tmp_path / "one", create=True, key=DATA_KEY)
    messages = some_messages(3)
    segment.append(messages)
    segment.close()
    content = (tmp_path / "one").read_bytes()
    start = HEADER_BYTES + len(DATA_KEY.wrapped)
    there = records(content, start)
    (tmp_path / "one").write_bytes(content[:start] + b"".join(there[number] for number in order))
    again = Segment(tmp_path / "one", create=False)
    again.unlock(DATA_KEY.plain)
    sound = next(place for place, number in enumerate(order) if place != number)
    assert again.read(10_000) == messages[:sound]
    assert "moved from another place" in again.unreadable
    assert again.left() == 3 - sound
    again.close()


def test_a_record_of_another_file_does_not_open(tmp_path: Path) -> None:
    """Two files under one data key: the first record of one is none of the other."""
    paths = [tmp_path / "one", tmp_path / "two"]
    for path in paths:
        segment = Segment(path, create=True, key=DATA_KEY)
        segment.append(some_messages(1))
        segment.close()
    start = HEADER_BYTES + len(DATA_KEY.wrapped)
    paths[0].write_bytes(paths[0].read_bytes()[:start] + paths[1].read_bytes()[start:])
    mixed = Segment(paths[0], create=False)
    mixed.unlock(DATA_KEY.plain)
    assert mixed.read(10_000) == []
    assert mixed.unreadable
    mixed.close()


def test_an_altered_file_is_kept_with_what_was_delivered_of_it(tmp_path: Path) -> None:
    """A record that was altered, its checksum too, ends its file: those before it are delivered, the file is set aside only then."""
    [path] = leave(tmp_path, "1", some_messages(3)).glob("*.spill")
    segment = Segment(path, create=False)
    header = segment.header
    assert header is not None
    start = HEADER_BYTES + len(header.wrapped)
    segment.close()
    content = path.read_bytes()
    there = records(content, start)
    path.write_bytes(content[:start] + there[0] + there[2] + there[1])
    keys = sealing()
    heir = Spill(tmp_path, "2", MOST, sealing=keys)
    assert heir.read() == []
    wait(lambda: keys.unwrapped(header.wrapped))
    batch = heir.read()
    assert [(key, value) for _, key, value in batch] == some_messages(1)
    heir.tidy()
    assert path.exists()
    heir.delivered(batch[0][0])
    heir.tidy()
    assert not path.exists()
    assert heir.unreadable() == 2
    assert len(list(tmp_path.glob("*.unreadable"))) == 1


@pytest.mark.parametrize("at", [4, 10, 22, 30])
def test_a_damaged_header_is_kept_aside(tmp_path: Path, at: int) -> None:
    """A version, id, length or wrapped key that was altered is told as damage; the file is kept, and its frames are counted."""
    [path] = leave(tmp_path, "1", some_messages(2)).glob("*.spill")
    content = bytearray(path.read_bytes())
    content[at - (at == 22)] ^= 0x80
    path.write_bytes(content)
    heir = Spill(tmp_path, "2", MOST, sealing=sealing())
    assert drain(heir) == []
    assert heir.unreadable() == 2
    heir.close()
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [content]
