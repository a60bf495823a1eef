import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as some

from producers.segments import Segment
from producers.spill import Spill
from tests.examples import examples
from topology.secrets.envelope import DataKey

Message = tuple[bytes, bytes]


def some_messages(count: int, size: int = 100) -> list[Message]:
    """Return messages that can be told apart."""
    return [(b"key%d" % (number % 3), b"%06d" % number + b"x" * size) for number in range(count)]


def drain(spill: Spill) -> list[Message]:
    """Read everything, as if it were delivered at once."""
    found: list[Message] = []
    while batch := spill.read():
        for segment, key, value in batch:
            found.append((key, value))
            spill.delivered(segment)
        spill.tidy()
    return found


def test_first_in_first_out(tmp_path: Path) -> None:
    """Messages come back whole and in order over many segments, also while more are appended; then no file is left."""
    spill = Spill(tmp_path, "a", 1_000_000, segment_bytes=1000)
    messages = some_messages(200)
    for message in messages[:100]:
        spill.append([message])
    first = spill.read()
    for message in messages[100:]:
        spill.append([message])
    for segment, _, _ in first:
        spill.delivered(segment)
    assert [(key, value) for _, key, value in first] + drain(spill) == messages
    assert not spill.unread
    assert spill.bytes == 0
    spill.close()
    assert list(tmp_path.iterdir()) == []


def test_a_segment_stays_until_all_of_it_is_delivered(tmp_path: Path) -> None:
    """What is read and not acknowledged is still on disk for the next start."""
    spill = Spill(tmp_path, "a", 1_000_000)
    messages = some_messages(10)
    spill.append(messages)
    batch = spill.read()
    for segment, _, _ in batch[:9]:
        spill.delivered(segment)
    spill.close()
    assert drain(Spill(tmp_path, "b", 1_000_000)) == messages


def test_the_bound_is_kept(tmp_path: Path) -> None:
    """What would pass the bound is refused whole, and there is room again once segments are delivered."""
    spill = Spill(tmp_path, "a", 1000, segment_bytes=300)
    taken = [message for message in some_messages(20) if spill.append([message]) is not None]
    assert 0 < len(taken) < 20
    assert spill.bytes <= 1000
    assert drain(spill) == taken
    assert spill.append(some_messages(1)) is not None


def test_a_killed_producers_files_are_read_first(tmp_path: Path) -> None:
    """Files whose lock nobody holds come before our own, in the order of their names."""
    messages = some_messages(30)
    for name, part in (("1", messages[:10]), ("2", messages[10:20])):
        dead = Spill(tmp_path / name, name, 1_000_000, segment_bytes=500)
        for message in part:
            dead.append([message])
        dead.close()
        (tmp_path / name / name).rename(tmp_path / f"{name}-dead")
        (tmp_path / name).rmdir()
    heir = Spill(tmp_path, "3", 1_000_000)
    heir.append(messages[20:])
    assert drain(heir) == messages
    heir.close()
    assert list(tmp_path.iterdir()) == []


def test_a_living_producers_files_are_left_alone(tmp_path: Path) -> None:
    """Two producers of one venue may share a state directory."""
    living = Spill(tmp_path, "a", 1_000_000)
    living.append(some_messages(3))
    other = Spill(tmp_path, "b", 1_000_000)
    assert not other.unread
    assert drain(living) == some_messages(3)


def test_a_torn_end_is_cut(tmp_path: Path) -> None:
    """A record that a kill left half written is cut off, and everything before it is read."""
    spill = Spill(tmp_path, "a", 1_000_000)
    messages = some_messages(5)
    spill.append(messages)
    spill.close()
    (path,) = (tmp_path / "a").glob("*.spill")
    os.truncate(path, path.stat().st_size - 3)
    heir = Spill(tmp_path, "b", 1_000_000)
    assert drain(heir) == messages[:4]
    assert heir.bytes == 0


@pytest.mark.parametrize("key", [None, DataKey(b"wrapped", b"k" * 32)], ids=["plain", "sealed"])
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.tuples(some.binary(max_size=20), some.binary(max_size=200)), max_size=30), some.data())
def test_any_cut_leaves_a_sound_beginning(
    tmp_path_factory: pytest.TempPathFactory, key: DataKey | None, messages: list[Message], data: some.DataObject
) -> None:
    """Wherever a file is cut, what is read is the longest run of whole records from its start; plain or sealed."""
    path = tmp_path_factory.mktemp("segment") / "one"
    written = Segment(path, create=True, key=key)
    ends = []
    for message in messages:
        written.append([message])
        ends.append(written.size)
    written.close()
    length = data.draw(some.integers(0, path.stat().st_size))
    os.truncate(path, length)
    segment = Segment(path, create=False)
    if key is not None:
        segment.unlock(key.plain)
    found: list[Message] = []
    while not segment.exhausted:
        found += segment.read(data.draw(some.integers(1, 400)))
    assert found == messages[: sum(end <= length for end in ends)]
    segment.remove()


def test_a_message_larger_than_a_read_comes_back_whole(tmp_path: Path) -> None:
    """A snapshot of many megabytes is one message on disk too."""
    spill = Spill(tmp_path, "a", 100_000_000, segment_bytes=1_000_000)
    messages = [(b"key", b"x" * 6_000_000), (b"key", b"y")]
    for message in messages:
        spill.append([message])
    assert drain(spill) == messages


def test_a_flipped_byte_ends_a_file(tmp_path: Path) -> None:
    """Nothing behind a record whose checksum is wrong is believed."""
    spill = Spill(tmp_path, "a", 1_000_000)
    messages = some_messages(5)
    spill.append(messages)
    spill.close()
    (path,) = (tmp_path / "a").glob("*.spill")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert drain(Spill(tmp_path, "b", 1_000_000)) == messages[:2]
