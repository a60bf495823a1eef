"""The state folder is known as Tidewire's own by its mark; the mode of a folder that another made stays."""

import stat
from pathlib import Path

import pytest

from topology import state_folder
from topology.errors import Fatal
from topology.state_folder import MARK, strangers, take_up


def mode(path: Path) -> int:
    """Return the permissions of a folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_is_made_is_marked_and_closed(tmp_path: Path) -> None:
    """Where it is missing it is made, for its owner alone; begun again, nothing changes."""
    folder = tmp_path / "deep" / "state"
    assert take_up(take_up(folder)) == folder
    assert [path.name for path in folder.iterdir()] == [MARK]
    assert (mode(folder), mode(folder / MARK)) == (0o700, 0o600)


@pytest.mark.parametrize(("there", "marked"), [([], True), (["thesis"], False), (["kafka", "thesis"], False), (["kafka", "up.lock"], True)])
def test_a_folder_of_another_keeps_its_mode(tmp_path: Path, there: list[str], marked: bool) -> None:
    """An empty one is marked, and one of a version that set no mark; one with what Tidewire does not make is not. None is closed."""
    for name in there:
        (tmp_path / name).mkdir()
    tmp_path.chmod(0o755)
    take_up(tmp_path)
    assert (tmp_path / MARK).exists() == marked
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], []),
        (["kafka", "spill"], ["kafka", "spill"]),
        (["kafka", "stack.lock"], []),
        (["kafka", "stack.lock", "photo.jpg"], ["photo.jpg"]),
        (["photo.jpg", MARK], []),
        (["secrets", "secrets.key", "cache", "up.lock", "credential_audit.jsonl.lock"], []),
    ],
)
def test_what_makes_a_folder_a_strangers(tmp_path: Path, there: list[str], expected: list[str]) -> None:
    """Names alone prove nothing; a lock file does where all else is Tidewire's, and the mark does whatever lies beside it."""
    for name in there:
        (tmp_path / name).touch()
    assert strangers(tmp_path) == expected


def test_a_file_where_the_folder_must_be_is_told(tmp_path: Path) -> None:
    """It can't be made, and the setting that places it is named."""
    (tmp_path / "state").touch()
    with pytest.raises(Fatal, match="state_dir"):
        state_folder.take_up(tmp_path / "state")
