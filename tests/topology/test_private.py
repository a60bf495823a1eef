"""What is kept between runs is its owner's alone."""

import stat
from pathlib import Path

from topology import private


def mode(path: Path) -> int:
    """Return the permissions of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_and_files_are_closed_to_others(tmp_path: Path) -> None:
    """What is made anew, and a file that was there with other permissions; a folder that was there keeps its own."""
    old = tmp_path / "old"
    old.mkdir()
    old.chmod(0o755)  # whatever a test before it left as the umask
    (old / "log").write_text("before\n")
    (old / "log").chmod(0o644)
    for folder, expected in ((old, 0o755), (tmp_path / "new" / "deep", 0o700)):
        assert mode(private.folder(folder)) == expected
        private.write(folder / "text.json", "{}")
        private.write(folder / "text.json", '{"a": 1}')
        assert mode(folder / "text.json") == 0o600
        assert (folder / "text.json").read_text() == '{"a": 1}'
        with private.appending(folder / "log") as log:
            log.write(b"after\n")
        assert mode(folder / "log") == 0o600
    assert (old / "log").read_text() == "before\nafter\n"
    assert {path.name for path in old.iterdir()} == {"text.json", "log"}


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link that lies where the new file is to be made is replaced, and what it points to stays."""
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "text.new").symlink_to(other)
    private.write(tmp_path / "text.json", "{}")
    assert other.read_text() == "kept"
    assert (tmp_path / "text.json").read_text() == "{}"
