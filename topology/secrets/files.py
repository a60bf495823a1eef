"""Files that are whole or not there: written aside, synced, renamed; and a lock between processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put a file in place of another, readable by its owner only: a crash at any moment leaves the old or the new one whole.

    For one writer at a time (`exclusive`): what an interrupted one left aside is overwritten by the next.
    """
    write_aside(path, content)
    put_in_place(path)


def write_aside(path: Path, content: bytes) -> None:
    """Write what `put_in_place` is to put there: all that can fail for want of room or rights fails here, with the old one untouched."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(_aside(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(path: Path) -> None:
    """Put what was written aside in the file's place, for good."""
    _aside(path).rename(path)
    sync_folder(path.parent)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in this folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of this file; other processes and threads wait for it. The system frees it when its holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that is there, with no file made for it; else as `exclusive`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exclusive_or_none(path: Path, *, create: bool = True) -> Iterator[bool]:
    """Hold the lock of this file, as `exclusive`, or give False at once where another has it, or it is not there and not to be made."""
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        if create:
            raise
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
