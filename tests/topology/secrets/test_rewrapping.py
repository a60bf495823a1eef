"""Files at rest rewrapped: by a real Vault after its key was rotated, by the local key, amid kills, beside a running producer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import hvac
import pytest

from producers.spill import Spill
from tests.producers.sealed import KEY, Switched, drain, keyed, sealing, some_messages
from tests.topology.secrets.transit_made import NAME, transit
from topology.secrets.envelope import LocalWrapping, Transit, Wrapping
from topology.secrets.errors import Unavailable
from topology.secrets.local_key import Key
from topology.secrets.rewrapping import rewrap
from topology.secrets.sealed_file import header_of, is_sealed
from topology.secrets.settings import Secrets

__all__ = ["transit"]
MOST = 10_000_000


def leave(root: Path, name: str, first: int, wrapping: Wrapping | None = None) -> None:
    """Leave files of a producer that ended: ten messages, sealed."""
    with keyed(wrapping) as keys:
        spill = Spill(root / "own" / name, name, MOST, segment_bytes=500, sealing=keys)
        for message in some_messages(10, first):
            spill.append([message])
        spill.close()
    (root / "own" / name / name).rename(root / name)
    (root / "own" / name).rmdir()
    (root / "own").rmdir()


def wrapped_keys(root: Path) -> set[bytes]:
    """Return the wrapped keys of all files."""
    contents = [path.read_bytes() for path in root.glob("*/*.spill")]
    headers = [header_of(content) for content in contents if is_sealed(content)]
    return {header.wrapped for header in headers if header is not None}


def test_files_outlive_the_end_of_an_old_version(tmp_path: Path, transit: Transit, mounted: Secrets, operator: hvac.Client) -> None:
    """After rotate and rewrap the old version may be ended: rewrapped files are read, one that was left out is kept aside."""
    leave(tmp_path, "1", 0, transit)
    leave(tmp_path, "2", 10, transit)
    (tmp_path / "2").rename(tmp_path / ".hidden")
    operator.secrets.transit.rotate_key(NAME, mount_point=mounted.transit_mount)
    found = rewrap(tmp_path, transit)
    assert len(found.done) > 2
    assert (found.plain, found.running, found.failed) == ([], [], {})
    (tmp_path / ".hidden").rename(tmp_path / "2")
    newest = int(transit.new().wrapped.split(b":")[1].removeprefix(b"v"))
    operator.secrets.transit.update_key_configuration(NAME, min_decryption_version=newest, mount_point=mounted.transit_mount)
    heir = Spill(tmp_path, "3", MOST, sealing=sealing(transit, seals=False))
    assert drain(heir) == some_messages(10)
    assert heir.unreadable() == 10
    heir.close()


def test_plain_torn_and_foreign_files_stay_as_they_are(tmp_path: Path) -> None:
    """A plain file needs nothing, one torn in its header holds nothing, one of another key is told; all others are rewrapped."""
    plain = Spill(tmp_path, "0", MOST)
    plain.append(some_messages(1))
    plain.close()
    leave(tmp_path, "1", 0)
    leave(tmp_path, "2", 10, LocalWrapping(Key("another", b"2" * 32)))
    torn = max(tmp_path.glob("1/*.spill"))
    os.truncate(torn, 20)
    foreign = {path: path.read_bytes() for path in tmp_path.glob("2/*.spill")}
    before = wrapped_keys(tmp_path)
    found = rewrap(tmp_path, LocalWrapping(KEY))
    assert [*found.plain] == [tmp_path / "0" / "0000000001.spill", torn]
    assert found.done == sorted(tmp_path.glob("1/*.spill"))[:-1]
    assert found.failed.keys() == foreign.keys()
    assert {path: path.read_bytes() for path in foreign} == foreign
    assert len(wrapped_keys(tmp_path) & before) == 1
    assert rewrap(tmp_path / "none", LocalWrapping(KEY)).done == []


def test_a_running_producers_files_are_left_alone(tmp_path: Path) -> None:
    """A directory whose lock is held is told, and not touched; what a person put there without a lock is rewrapped."""
    leave(tmp_path, "by hand", 0)
    (tmp_path / "by hand" / "lock").unlink()
    with keyed() as keys:
        running = Spill(tmp_path / "venue", "1", MOST, sealing=keys)
        running.append(some_messages(1))
        (tmp_path / "by hand").rename(tmp_path / "venue" / "by hand")
        found = rewrap(tmp_path / "venue", LocalWrapping(KEY))
        assert found.running == [tmp_path / "venue" / "1"]
        assert {path.parent.name for path in found.done} == {"by hand"}
        assert drain(running) == some_messages(1)
        running.close()


def test_with_the_vault_away_everything_stays(tmp_path: Path) -> None:
    """A Vault that is away is told, and no file is touched."""
    leave(tmp_path, "1", 0)
    before = {path: path.read_bytes() for path in tmp_path.glob("1/*")}
    with pytest.raises(Unavailable):
        rewrap(tmp_path, Switched(away=True))
    assert {path: path.read_bytes() for path in tmp_path.glob("1/*")} == before


CHILD = """
import sys
from pathlib import Path
from tests.producers.sealed import KEY
from topology.secrets.envelope import LocalWrapping
from topology.secrets.rewrapping import rewrap

print("ready", flush=True)
while True:
    rewrap(Path(sys.argv[1]), LocalWrapping(KEY))
    print("done", flush=True)
"""


def test_a_killed_rewrap_leaves_whole_files(tmp_path: Path) -> None:
    """Killed again and again at any moment, every file is the old or the new one, and all of it is read afterwards."""
    leave(tmp_path, "1", 0)
    for rounds in range(3):
        with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(2 + rounds):
                assert child.stdout.readline()
            os.kill(child.pid, signal.SIGKILL)
        assert all(header_of(path.read_bytes()) is not None for path in tmp_path.glob("1/*.spill"))
    (tmp_path / "1" / "0000000001.spill.part").write_bytes(b"TWSF of a rewrap that was killed")
    heir = Spill(tmp_path, "2", MOST, sealing=sealing(seals=False))
    assert drain(heir) == some_messages(10)
    heir.close()
    assert list(tmp_path.iterdir()) == []
