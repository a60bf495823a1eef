"""Files and folders that only their owner may open: 0600 and 0700. What is kept between runs is made here, or under `keep`."""

import os
from io import BufferedWriter, FileIO
from pathlib import Path

FOLDER = 0o700
FILE = 0o600
UMASK = 0o077
"""Takes from whatever a process makes what others might do with it."""


def keep() -> None:
    """Let whatever this process and its children make from now on be their owner's alone: libraries and servers make files too."""
    os.umask(UMASK)


def folder(path: Path) -> Path:
    """Make a folder that only its owner may open, with those above it that are missing; return it. The mode of one that is there stays."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    return path


def write(path: Path, text: str) -> None:
    """Write a file as a whole, into a folder that is made where it is missing: who looks meanwhile sees the old text or the new."""
    folder(path.parent)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # what another made, or a link that it put there, is not written through
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def appending(path: Path) -> BufferedWriter:
    """Open a file to add to its end, in a folder that is made where it is missing; an older file is closed to others."""
    folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, FILE)
    os.fchmod(descriptor, FILE)
    return BufferedWriter(FileIO(descriptor, "ab"))
