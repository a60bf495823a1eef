"""The local store: an encrypted file for each secret, with versions and check-and-set as a Vault has them.

<folder>/<path>.json holds the versions (local_document.py), each value in AES-256-GCM with `path:version` as associated data, so that no
ciphertext passes for another path's or version's; the whole document carries a code (HMAC-SHA256) that shows a change, and a
generation that shows an older file in its place (generations.py). Writers take turns by a lock, and put files in place whole. Readers
need no lock.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from topology.contents import content
from topology.errors import Reject
from topology.secrets import files
from topology.secrets.credential import MOST_DETAIL, Metadata, Validation, VersionMetadata
from topology.secrets.errors import Conflict, Damaged, Denied, Missing, RolledBack, WrongKey
from topology.secrets.generations import Generations, rolled_back
from topology.secrets.local_document import FORMAT, MOST_BYTES, UNREADABLE, Content, Entry, Validated, decoded, encoded
from topology.secrets.local_key import Key
from topology.secrets.paths import checked, checked_fields, is_path
from topology.secrets.store import Author, Document, Provider, conflict, missing
from topology.terminal import printable

NONCE_BYTES = 12
KEPT_VERSIONS = 100
"""Older values are dropped, so that a secret that is rotated daily does not grow for ever."""
MOST_VALUE = 256 * 1024
"""Bytes of the largest version, as JSON."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A secret whose file is not the one that was kept last."""

    path: str
    found: int
    """Generation of its file, 0 where none was counted; -1 where the file can't be read."""
    known: int | None
    """Generation that is known of it; null where none is."""
    detail: str
    """What the file holds, or why it can't be read."""


class LocalStore:
    """Secrets in a folder of this machine. `now` gives microseconds since 1970 UTC, `randomness` that many random bytes."""

    provider: Provider = "local"

    def __init__(
        self,
        folder: Path,
        key: Key,
        generations: Generations,
        now: Callable[[], int],
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._folder = folder
        self._key = key
        self._generations = generations
        self._cipher = AESGCM(key.encryption)
        self._now = now
        self._randomness = randomness

    @property
    def place(self) -> str:
        """The folder."""
        return f"the local store {self._folder}"

    def read(self, path: str, version: int | None = None) -> Document:
        """Return a version, opened. Raises Missing, Damaged, RolledBack or WrongKey."""
        content = self._content(path)
        number = content.current if version is None else version
        entry = self._entry(path, content, number)
        if entry.value is None:
            raise Missing(f"version {number} of {path} was revoked: `tidewire secrets put` or `rotate` writes a new one")
        return Document(path, number, self._opened(path, number, entry.value))

    def metadata(self, path: str) -> Metadata:
        """Return what is known without decrypting. Raises Missing, Damaged, RolledBack or WrongKey."""
        content = self._content(path)
        return Metadata(path=path, current=content.current, versions=tuple(map(_described, content.versions)))

    def names(self, prefix: str = "") -> list[str]:
        """Return the paths of all secrets below a prefix. A file whose name is no path of a secret is none of ours."""
        found = sorted(str(file.relative_to(self._folder))[: -len(".json")] for file in self._folder.rglob("*.json") if file.is_file())
        return [name for name in found if is_path(name) and (not prefix or name.startswith(prefix.rstrip("/") + "/"))]

    def put(self, path: str, fields: Mapping[str, Any], expected: int, author: Author) -> int:
        """Write a new version; Conflict where `expected` is not the newest, Reject where a field can't be kept."""
        plain = json.dumps(checked_fields(path, fields)).encode()
        if len(plain) > MOST_VALUE:
            raise Reject(f"{path}: its fields have {len(plain)} bytes, and at most {MOST_VALUE} are kept. Nothing was written")
        with self._changing(path, new=True) as content:
            if content.current != expected:
                raise Conflict(conflict(path, expected, content.current))
            version = expected + 1
            value = self._closed(path, version, plain)
            content.versions.append(Entry(version, self._now(), printable(author.name), printable(author.host), None, value))
            content.versions = content.versions[-KEPT_VERSIONS:]
            content.current = version
        return version

    def revoke(self, path: str, version: int) -> None:
        """Overwrite one version's value with nothing. What the disk itself still holds of it is encrypted."""
        with self._changing(path) as content:
            self._entry(path, content, version).value = None

    def annotate(self, path: str, version: int, validation: Validation) -> None:
        """Keep a validation beside a version."""
        with self._changing(path) as content:
            self._entry(path, content, version).validation = Validated(
                validation.at, validation.ok, printable(validation.detail)[:MOST_DETAIL]
            )

    def differences(self) -> list[Difference]:
        """Return the secrets whose files are not those that were kept last, and those that can't be read: what `accept` is for."""
        return self._differences(self._known_or_lost())

    def accept(self) -> None:
        """Take the store's files as they are now: each that differs gets a new generation, so that all older ones and later ones are told.

        A file that can't be read stays as it is. Ended at any moment, what was not yet taken is refused as before.
        """
        with self._writing("the store"):
            known = dict(self._known_or_lost() or {})
            for one in self._differences(known):
                if one.found >= 0:
                    content = self._decoded(one.path)
                    content.generation = known[one.path] = max(one.found, one.known or 0) + 1
                    files.replace(self._file(one.path), encoded(content, self._key))
            for path in self.names():
                known.setdefault(path, 0)
            with self._generations.following(known):
                pass

    def _differences(self, known: Mapping[str, int] | None) -> list[Difference]:
        found = []
        for path in self.names():
            generation = (known or {}).get(path)
            try:
                content = self._decoded(path)
            except (Damaged, Denied, WrongKey) as error:
                found.append(Difference(path, -1, generation, str(error)))
                continue
            if self._rolled_back(path, content, generation):
                held = ", ".join(str(one.version) for one in content.versions if one.value is not None) or "none"
                found.append(Difference(path, content.changes, generation, f"newest version {content.current}; with a value: {held}"))
        return found

    def _file(self, path: str) -> Path:
        return self._folder / f"{checked(path)}.json"

    @contextmanager
    def _changing(self, path: str, *, new: bool = False) -> Iterator[Content]:
        """Hold the lock, give the content, and put it back changed unless the block raises."""
        file = self._file(path)
        with self._writing(path):
            known = dict(self._known() or {})
            if new and not file.exists():
                content, found = Content(FORMAT, path, self._key.id, 0, []), known.get(path, 0)
            else:
                content = self._decoded(path)
                self._refuse_older(path, content, known.get(path))
                found = content.changes
            yield content
            content.generation = found + 1
            text = encoded(content, self._key)
            if known.get(path) != found:
                # The first change, or one that was ended before its last step: from here on only this one's may be outstanding.
                with self._generations.following(known | {path: found}):
                    pass
            with self._generations.following(known | {path: found + 1}):
                files.replace(file, text)

    @contextmanager
    def _writing(self, path: str) -> Iterator[None]:
        try:
            with files.exclusive(self._folder / ".lock"):
                yield
        except OSError as error:
            raise Denied(
                f"{path} can't be written in {self.place} and {self._generations.name} ({error.strerror}): "
                "free the disk or its permissions, then see by `tidewire secrets list` what is there"
            ) from error

    def _content(self, path: str) -> Content:
        """Return a secret's content once it is sure that it is not an older one."""
        self._file(path)
        known = self._known()
        while True:
            content = self._decoded(path)
            before, known = known, self._known()
            # A writer raises the file's generation before the known one: what was known before the file was read is never more.
            if known == before or not self._rolled_back(path, content, (before or {}).get(path)):
                self._refuse_older(path, content, (before or {}).get(path))
                return content

    def _decoded(self, path: str) -> Content:
        file = self._file(path)
        try:
            text = content(file, MOST_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(missing(path, self.place)) from None
        except OSError as error:
            raise Denied(f"{path} can't be read in {self.place} ({error.strerror}): mend the file {file} or its permissions") from error
        return decoded(path, text, self._key, file)

    def _known(self) -> Mapping[str, int] | None:
        try:
            return self._generations.read()
        except OSError as error:
            raise Denied(f"{self._generations.name} can't be read ({error.strerror}): mend it or its permissions") from error

    def _known_or_lost(self) -> Mapping[str, int] | None:
        try:
            return self._known()
        except Damaged:
            return None  # every secret of which something should be known is then a difference

    def _rolled_back(self, path: str, content: Content, known: int | None) -> str:
        return rolled_back(path, content.changes, known, self.place, self._generations.name)

    def _refuse_older(self, path: str, content: Content, known: int | None) -> None:
        if reason := self._rolled_back(path, content, known):
            raise RolledBack(reason)

    def _entry(self, path: str, content: Content, version: int) -> Entry:
        for entry in content.versions:
            if entry.version == version:
                return entry
        raise Missing(missing(path, self.place, version))

    def _closed(self, path: str, version: int, plain: bytes) -> str:
        nonce = self._randomness(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, _bound(path, version))).decode()

    def _opened(self, path: str, version: int, value: str) -> dict[str, Any]:
        try:
            closed = base64.b64decode(value, validate=True)
            plain = self._cipher.decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], _bound(path, version))
        except (InvalidTag, binascii.Error, ValueError):
            raise Damaged(f"version {version} of {path} can't be decrypted: it is another path's or version's, or damaged") from None
        try:
            fields = json.loads(plain)
        except UNREADABLE:
            fields = None
        if not isinstance(fields, dict):
            raise Damaged(f"version {version} of {path} holds no fields: `tidewire secrets put` it again")
        return fields


def _bound(path: str, version: int) -> bytes:
    return f"{path}:{version}".encode()


def _described(entry: Entry) -> VersionMetadata:
    said = entry.validation
    return VersionMetadata(
        version=entry.version,
        created_at=entry.created_at,
        created_by=entry.created_by,
        host=entry.host,
        revoked=entry.value is None,
        validation=None if said is None else Validation(at=said.at, ok=said.ok, detail=said.detail),
    )
