"""Spill files sealed: nothing of a frame is readable on disk, everything is read again in order, whatever the Vault does meanwhile."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as some
from structlog.testing import capture_logs

from producers import sealing as module
from producers.segments import Segment
from producers.spill import Spill
from tests.examples import examples
from tests.producers.sealed import (
    CANARY,
    DATA_KEY,
    KEY,
    MOST,
    Message,
    Switched,
    drain,
    keyed,
    leave,
    sealing,
    some_messages,
    wait,
    written,
)
from topology.secrets.envelope import LocalWrapping
from topology.secrets.errors import WrongKey
from topology.secrets.local_key import Key


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a Vault that is away again at once."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)


def test_nothing_of_a_frame_is_on_disk(tmp_path: Path) -> None:
    """Keys and values come back in order over many files, and no word of them stands in any file; then no file is left."""
    messages = some_messages(200)
    leave(tmp_path, "1", messages)
    assert len(list(tmp_path.glob("1/*.spill"))) > 3
    assert CANARY not in written(tmp_path)
    heir = Spill(tmp_path, "2", MOST, sealing=sealing())
    assert drain(heir) == messages
    heir.close()
    assert list(tmp_path.iterdir()) == []


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.lists(some.lists(some.tuples(some.binary(max_size=20), some.binary(max_size=300)), max_size=5), max_size=20), some.data())
def test_what_is_sealed_opens_again(tmp_path_factory: pytest.TempPathFactory, batches: list[list[Message]], data: some.DataObject) -> None:
    """Any messages, appended in any batches and read in any steps, also while more are appended, come back as they were."""
    segment = Segment(tmp_path_factory.mktemp("segment") / "one", create=True, key=DATA_KEY)
    found: list[Message] = []
    for batch in batches:
        segment.append(batch)
        if data.draw(some.booleans()):
            found += segment.read(data.draw(some.integers(1, 400)))
    while not segment.exhausted:
        found += segment.read(data.draw(some.integers(1, 400)))
    assert found == [message for batch in batches for message in batch]
    segment.remove()


def test_plain_then_sealed_then_plain(tmp_path: Path) -> None:
    """Files written before sealing was switched on, with it, and after it was switched off again are read in that order."""
    plain = Spill(tmp_path, "1", MOST)
    plain.append(some_messages(10))
    plain.close()
    leave(tmp_path / "own", "2", some_messages(10, 10))
    (tmp_path / "own" / "2").rename(tmp_path / "2")
    (tmp_path / "own").rmdir()
    heir = Spill(tmp_path, "3", MOST, sealing=sealing(seals=False))
    heir.append(some_messages(10, 20))
    assert CANARY in written(tmp_path / "3")
    assert drain(heir) == some_messages(30)
    heir.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_waits_for_its_key_and_holds_up_what_follows(tmp_path: Path) -> None:
    """While the Vault is away nothing is read, overtaken or lost, and the reason is told; when it is back all comes in order."""
    leave(tmp_path, "1", some_messages(50))
    wrapping = Switched(away=True)
    with sealing(wrapping, seals=False) as keys:
        heir = Spill(tmp_path, "2", MOST, sealing=keys)
        heir.append(some_messages(5, 50))
        assert heir.read() == []
        wait(lambda: "no Vault answers" in keys.status())
        assert heir.read() == []
        assert heir.unread
        heir.tidy()
        wrapping.away = False
        assert drain(heir) == some_messages(55)
        wait(lambda: keys.status() == "")


def test_nothing_is_written_before_the_first_key(tmp_path: Path) -> None:
    """Without a data key a message is refused and no file made, and the reason is told; with the first key it is taken."""
    wrapping = Switched(away=True)
    with sealing(wrapping) as keys:
        spill = Spill(tmp_path, "1", MOST, sealing=keys)
        assert not spill.ready
        assert spill.append(some_messages(1)) is None
        assert list(tmp_path.rglob("*.spill")) == []
        wait(lambda: "no Vault answers" in keys.status())
        assert "no data key yet" in keys.status()
        wrapping.away = False
        wait(lambda: spill.ready)
        assert keys.status() == ""
        assert spill.append(some_messages(1)) is not None
        spill.close()
    assert CANARY not in written(tmp_path)


def test_a_key_serves_on_while_the_vault_is_away(tmp_path: Path) -> None:
    """An hour-old key is replaced when the Vault answers; until then files are sealed with it, and files under both keys open."""
    wrapping, seconds = Switched(), [0.0]
    keys = module.Sealing("venue", lambda: wrapping, seals=True, clock=lambda: seconds[0])
    with keys:
        wait(lambda: keys.key is not None)
        first = keys.key
        wrapping.away = True
        seconds[0] = module.KEY_SECONDS + 1
        keys._wake.set()
        wait(lambda: keys._trouble)
        assert keys.key == first
        assert keys.status() == ""
        spill = Spill(tmp_path, "1", MOST, segment_bytes=1, sealing=keys)
        spill.append(some_messages(1))
        wrapping.away = False
        wait(lambda: keys.key != first)
        assert wrapping.made == 2
        spill.append(some_messages(1, 1))
        assert drain(spill) == some_messages(2)
        spill.close()


def test_a_file_of_another_key_is_kept_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    """What can't be unwrapped ever is counted, named with its cure, kept; moved back under the right key, it is read."""
    other = LocalWrapping(Key("another", b"2" * 32))
    leave(tmp_path, "1", some_messages(3), other)
    leave(tmp_path, "2", some_messages(3, 3))
    heir = Spill(tmp_path, "3", MOST, sealing=sealing())
    with capture_logs() as said:
        assert drain(heir) == some_messages(3, 3)
    assert (heir.unreadable(), heir.unreadable()) == (3, 0)
    assert heir.bytes == 0
    heir.close()
    [kept] = tmp_path.iterdir()
    assert kept.name == "1-0000000001.unreadable"
    assert str(kept) in str(said)
    assert "give the key it was written with" in str(said)
    (tmp_path / "again").mkdir()
    kept.rename(tmp_path / "again" / "0000000001.spill")
    mended = Spill(tmp_path, "4", MOST, sealing=sealing(other))
    assert drain(mended) == some_messages(3)


def test_the_bound_is_kept_with_headers_and_seals(tmp_path: Path) -> None:
    """The bytes on disk never pass the bound, and the queue's own count is theirs."""
    with keyed() as keys:
        spill = Spill(tmp_path, "1", 2_000, segment_bytes=500, sealing=keys)
        taken = [message for message in some_messages(30) if spill.append([message]) is not None]
        assert 0 < len(taken) < 30
        assert spill.bytes == sum(path.stat().st_size for path in tmp_path.glob("1/*.spill")) <= 2_000
        assert drain(spill) == taken
        spill.close()


CHILD = """
import sys
from pathlib import Path
from producers.spill import Spill
from tests.producers.sealed import keyed, some_messages

with keyed() as keys:
    spill = Spill(Path(sys.argv[1]), "1", 100_000_000, segment_bytes=5_000, sealing=keys)
    for number in range(1_000_000):
        spill.append(some_messages(1, number))
        print(number, flush=True)
"""


def test_a_killed_writers_files_are_read(tmp_path: Path) -> None:
    """After kill -9 amid writing, every message whose append returned is read, in order, and nothing was readable on disk."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = 0
        for line in child.stdout:
            acknowledged = int(line) + 1
            if acknowledged == 500:
                os.kill(child.pid, signal.SIGKILL)
    assert CANARY not in written(tmp_path)
    found = drain(Spill(tmp_path, "2", MOST * 10, sealing=sealing()))
    assert len(found) >= acknowledged >= 500
    assert found == some_messages(len(found))


def test_a_login_that_fails_is_waited_for(tmp_path: Path) -> None:
    """No store at all (no key, no login) is not the file's fault: it waits, says why, and goes on once the store opens."""
    leave(tmp_path, "1", some_messages(2))
    opened: list[LocalWrapping] = []

    def store() -> LocalWrapping:
        if not opened:
            raise WrongKey("no key file")
        return opened[0]

    with module.Sealing("venue", store, seals=False, clock=lambda: 0.0) as keys:
        heir = Spill(tmp_path, "2", MOST, sealing=keys)
        assert heir.read() == []
        wait(lambda: "no key file" in keys.status())
        opened.append(LocalWrapping(KEY))
        assert drain(heir) == some_messages(2)


def test_sealing_adds_little(tmp_path: Path) -> None:
    """A record on disk is longer by nonce (12 bytes) and tag (16), a file by a header; nothing else is added."""
    messages = [(b"key", b"x" * size) for size in (0, 1, 300)]
    sizes = []
    for number, key in enumerate((None, DATA_KEY)):
        segment = Segment(tmp_path / str(number), create=True, key=key)
        header = segment.path.stat().st_size
        for message in messages:
            segment.append([message])
        sizes.append(segment.path.stat().st_size - header)
        segment.close()
    assert sizes[1] - sizes[0] == len(messages) * (12 + 16)
