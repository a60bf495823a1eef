"""The generations of the local store's secrets, kept apart from the store: an older file of it, put back, is noticed by them.

Each change of a secret (a version, a revocation, a validation) raises its generation by one, in the secret's own file and here: in the
operating system's keyring where the store's key is, else in a file beside the key's. A writer first makes the two equal, then puts
the secret's file in place, then the generation. So at any moment, however a writer ended, the file's is this one or the next: one that
is older was put back, and so were these generations where the file's is further on or unknown here.
"""

import errno
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from topology.contents import content
from topology.secrets import files, keyring
from topology.secrets.errors import Damaged, WrongKey
from topology.secrets.local_document import UNREADABLE
from topology.secrets.local_key import Key

MOST_BYTES = 4 * 1024 * 1024
ACCEPT = "`tidewire secrets accept` says what it is and takes the store as it is now"


class Place(Protocol):
    """Where the generations' text is kept."""

    @property
    def name(self) -> str:
        """Where, for people."""

    def text(self) -> bytes | None:
        """Return the text, null where there is none. Raises OSError where it can't be read."""

    @contextmanager
    def placing(self, text: bytes) -> Iterator[None]:
        """Put a text in place when the block has ended without an error. What can fail before, fails before the block is entered."""


class FilePlace:
    """A file beside the key's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The file."""
        return str(self._path)

    def text(self) -> bytes | None:
        """Return what is in it."""
        try:
            return content(self._path, MOST_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def placing(self, text: bytes) -> Iterator[None]:
        """Write it aside first: a disk that is full or closed to us is known before anything is changed."""
        files.write_aside(self._path, text)
        yield
        files.put_in_place(self._path)


class KeyringPlace:
    """The operating system's keyring."""

    def __init__(self, store: str) -> None:
        self._entry = f"{keyring.GENERATIONS}-{store}"

    @property
    def name(self) -> str:
        """The entry."""
        return f"the keyring's entry {self._entry}"

    def text(self) -> bytes | None:
        """Return the entry."""
        found = keyring.entry(self._entry)
        return None if found is None else found.encode(errors="replace")

    @contextmanager
    def placing(self, text: bytes) -> Iterator[None]:
        """Write the entry afterwards: a keyring knows no rename."""
        yield
        keyring.keep(self._entry, text.decode())


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    generations: dict[str, int]
    seal: str


class Generations:
    """Generations by path, under a code that shows a change."""

    def __init__(self, place: Place, key: Key) -> None:
        self._place = place
        self._key = key

    @property
    def name(self) -> str:
        """Where they are kept, for people."""
        return self._place.name

    def read(self) -> Mapping[str, int] | None:
        """Return them, null where there are none. Raises OSError where they can't be read, Damaged, WrongKey."""
        text = self._place.text()
        if text is None:
            return None
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except UNREADABLE:
            raise Damaged(f"{self.name} is truncated or no list of generations of ours ({len(text)} bytes): {ACCEPT}") from None
        if kept.key != self._key.id:
            raise WrongKey(
                f"{self.name} was written with key {kept.key[:16]}, and {self._key.source} is key {self._key.id}: give the right key"
            )
        if not hmac.compare_digest(kept.seal.encode(), self._seal(kept.generations).encode()):
            raise Damaged(f"{self.name} was altered or took damage: {ACCEPT}")
        return kept.generations

    @contextmanager
    def following(self, generations: Mapping[str, int]) -> Iterator[None]:
        """Keep these once the block, which changes the store, has ended without an error. Raises OSError."""
        text = json.dumps({"key": self._key.id, "generations": dict(generations), "seal": self._seal(generations)}).encode()
        if len(text) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"{self.name} would have more than {MOST_BYTES} bytes")
        with self._place.placing(text):
            yield

    def _seal(self, generations: Mapping[str, int]) -> str:
        return self._key.seal(b"generations" + json.dumps(dict(generations), sort_keys=True).encode())


def beside(key: Key, key_file: Path, folder: Path) -> Generations:
    """Return the generations of the store in a folder, kept where its key is; stores of several folders may share a key."""
    store = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()[:8]
    in_keyring = key.source == keyring.SOURCE
    return Generations(KeyringPlace(store) if in_keyring else FilePlace(key_file.with_name(f"{key_file.name}.{store}.generations")), key)


def rolled_back(path: str, found: int, known: int | None, place: str, name: str) -> str:
    """Return why a secret's file is not to be trusted beside its known generation; empty where it is. 0: none was counted."""
    if found == (known or 0) or (known is not None and found == known + 1):
        return ""
    if known is not None and found < known:
        return (
            f"{path}: its file in {place} is an older one that was put back (change {found or 'of before they were counted'}, and {name} "
            f"knows {known}): a version that was revoked since would be there again. Put the newest file in its place; or, "
            f"where a backup is meant, {ACCEPT}"
        )
    return (
        f"{path}: its file in {place} is of change {found}, and {name} {f'knows {known}' if known else 'does not know it'}: "
        f"that was put back or lost, so that an older file can't be told from the newest. Put it back as it was; or {ACCEPT}"
    )
