"""Files at rest get their data keys wrapped by the newest version of the wrapping key, so that its old versions can be ended.

Only a file's header changes; the data key and every record stay. A file is put in place whole, so a kill leaves the old or the new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from topology.errors import Fatal
from topology.secrets import files
from topology.secrets.envelope import Wrapping
from topology.secrets.errors import Damaged, Malformed
from topology.secrets.sealed_file import HEADER_BYTES, MOST_HEADER, Header, header_of, is_sealed

LOCK = "lock"


@dataclass(slots=True)
class Rewrapped:
    """What was done under one directory, by path."""

    done: list[Path] = field(default_factory=list)
    """Files whose header is new."""
    plain: list[Path] = field(default_factory=list)
    """Files that are not sealed."""
    running: list[Path] = field(default_factory=list)
    """Directories left alone, because a producer that runs has their lock."""
    failed: dict[Path, str] = field(default_factory=dict)
    """Files left as they are, and why."""


def rewrap(directory: Path, wrapping: Wrapping) -> Rewrapped:
    """Rewrap the sealed files of one producer's spill, `<directory>/<started>/*.spill`; with no such directory there is nothing.

    Raises Retry where the Vault is away, Fatal where it denies; what is done by then is done, and doing it again does no harm.
    """
    found = Rewrapped()
    if not directory.is_dir():
        return found
    known: dict[bytes, bytes] = {}
    # The Vault is asked first, so that a producer that starts now does not wait for it, but for the disk at most.
    for path in sorted(directory.glob("[!.]*/*.spill")):
        _learn(path, wrapping, known)
    with files.exclusive_folder(directory):
        for folder in sorted(path for path in directory.iterdir() if path.is_dir() and path.name[0] != "."):
            with _locked(folder) as ours:
                if ours:
                    for path in sorted(folder.glob("*.spill")):
                        _rewrap(path, wrapping, known, found)
                else:
                    found.running.append(folder)
    return found


def _learn(path: Path, wrapping: Wrapping, known: dict[bytes, bytes]) -> None:
    try:
        header = _header(path)
        if header is not None and header.wrapped not in known:
            known[header.wrapped] = wrapping.rewrap(header.wrapped)
    except (FileNotFoundError, Malformed, Damaged):
        return  # delivered meanwhile; or it is told when its turn comes


def _rewrap(path: Path, wrapping: Wrapping, known: dict[bytes, bytes], found: Rewrapped) -> None:
    try:
        header = _header(path)
        if header is None:
            found.plain.append(path)
            return
        if header.wrapped not in known:
            known[header.wrapped] = wrapping.rewrap(header.wrapped)
    except (Malformed, Damaged) as error:
        found.failed[path] = str(error)
        return
    fresh = Header(header.file_id, known[header.wrapped])
    try:
        files.replace(path, fresh.encode() + path.read_bytes()[HEADER_BYTES + len(header.wrapped) :])
    except OSError as error:
        raise Fatal(f"{path} can't be written ({error.strerror}): free the disk or its permissions; the file is as it was") from error
    found.done.append(path)


def _header(path: Path) -> Header | None:
    """Return a file's header; None where it is not sealed, or a kill left not even the whole header. Raises Damaged."""
    with path.open("rb") as file:
        beginning = file.read(MOST_HEADER)
    return header_of(beginning) if is_sealed(beginning) else None


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of one producer's directory; False where somebody has it, or removes the directory now."""
    # Its owner deletes the files first, then the lock: where files are left without one, a person has put them there.
    lock = folder / LOCK
    by_hand = not lock.exists() and any(folder.glob("*.spill"))
    with files.exclusive_or_none(lock, create=by_hand) as ours:
        yield ours
