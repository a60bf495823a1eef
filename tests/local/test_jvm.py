"""The archive of classes is kept only when it was written to its end."""

import signal
from pathlib import Path

import pytest

from local.java import Java
from local.jvm import ClassArchive


@pytest.mark.parametrize(("exit_code", "is_kept"), [(143, True), (0, True), (-signal.SIGKILL, False)])
def test_an_archive_of_a_killed_process_is_dropped(tmp_path: Path, exit_code: int, is_kept: bool) -> None:
    """An orderly end leaves an archive that the next start maps; a kill may leave half of one."""
    archive = ClassArchive(tmp_path, "kafka", Java("java", "17.0.15"))
    written = Path(next(flag for flag in archive.flags() if "ArchiveClassesAtExit" in flag).split("=")[1])
    written.write_bytes(b"classes")
    archive.keep(exit_code)
    assert archive.path.exists() is is_kept
    assert not written.exists()
    assert (f"-XX:SharedArchiveFile={archive.path}" in archive.flags()) is is_kept
