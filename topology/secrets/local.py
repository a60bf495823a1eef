"""The local store: an encrypted file for each secret, with versions and check-and-set as a Vault has them.

<folder>/<path>.json holds the versions, each value in AES-256-GCM with `path:version` as associated data, so that no
ciphertext passes for another path's or version's; the whole document carries a code (HMAC-SHA256) that shows a change.
Writers take turns by a lock, and put files in place whole. Readers need no lock.
"""

import base64
import binascii
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from topology.secrets import files
from topology.secrets.credential import Metadata, Validation, VersionMetadata
from topology.secrets.errors import Conflict, Damaged, Denied, Missing, WrongKey
from topology.secrets.local_key import Key
from topology.secrets.paths import checked
from topology.secrets.store import Author, Document, Provider, conflict, missing

FORMAT = 1
NONCE_BYTES = 12
KEPT_VERSIONS = 100
"""Older values are dropped, so that a secret that is rotated daily does not grow for ever."""


class LocalStore:
    """Secrets in a folder of this machine. `now` gives microseconds since 1970 UTC, `randomness` that many random bytes."""

    provider: Provider = "local"

    def __init__(self, folder: Path, key: Key, now: Callable[[], int], randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._folder = folder
        self._key = key
        self._cipher = AESGCM(key.encryption)
        self._now = now
        self._randomness = randomness

    @property
    def place(self) -> str:
        """The folder."""
        return f"the local store {self._folder}"

    def read(self, path: str, version: int | None = None) -> Document:
        """Return a version, opened. Raises Missing, Damaged or WrongKey."""
        document = self._document(path)
        number = document["current"] if version is None else version
        entry = self._entry(path, document, number)
        if entry["value"] is None:
            raise Missing(f"version {number} of {path} was revoked: `tidewire secrets put` or `rotate` writes a new one")
        return Document(path, number, self._opened(path, number, entry["value"]))

    def metadata(self, path: str) -> Metadata:
        """Return what is known without decrypting. Raises Missing, Damaged or WrongKey."""
        document = self._document(path)
        return Metadata(path=path, current=document["current"], versions=tuple(map(_described, document["versions"])))

    def names(self, prefix: str = "") -> list[str]:
        """Return the paths of all secrets below a prefix."""
        found = sorted(str(file.relative_to(self._folder).with_suffix("")) for file in self._folder.rglob("*.json"))
        return [name for name in found if not prefix or name.startswith(prefix.rstrip("/") + "/")]

    def put(self, path: str, fields: Mapping[str, Any], expected: int, author: Author) -> int:
        """Write a new version; Conflict where `expected` is not the newest."""
        with self._changing(path, new=True) as document:
            if document["current"] != expected:
                raise Conflict(conflict(path, expected, document["current"]))
            version = expected + 1
            document["versions"].append({
                "version": version,
                "created_at": self._now(),
                "created_by": author.name,
                "host": author.host,
                "validation": None,
                "value": self._closed(path, version, fields),
            })  # fmt: skip
            document["versions"] = document["versions"][-KEPT_VERSIONS:]
            document["current"] = version
        return version

    def revoke(self, path: str, version: int) -> None:
        """Overwrite one version's value with nothing. What the disk itself still holds of it is encrypted."""
        with self._changing(path) as document:
            self._entry(path, document, version)["value"] = None

    def annotate(self, path: str, version: int, validation: Validation) -> None:
        """Keep a validation beside a version."""
        with self._changing(path) as document:
            self._entry(path, document, version)["validation"] = validation.model_dump()

    def _file(self, path: str) -> Path:
        return self._folder / f"{checked(path)}.json"

    @contextmanager
    def _changing(self, path: str, *, new: bool = False) -> Iterator[dict[str, Any]]:
        """Hold the lock, give the document, and put it back changed unless the block raises."""
        file = self._file(path)
        try:
            with files.exclusive(self._folder / ".lock"):
                if new and not file.exists():
                    document: dict[str, Any] = {"format": FORMAT, "path": path, "key": self._key.id, "current": 0, "versions": []}
                else:
                    document = self._document(path)
                yield document
                files.replace(file, json.dumps({"document": document, "seal": self._seal(document)}).encode())
        except OSError as error:
            raise Denied(f"{path} can't be written in {self.place} ({error.strerror}): free the disk or its permissions") from error

    def _document(self, path: str) -> dict[str, Any]:
        file = self._file(path)
        try:
            content = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(missing(path, self.place)) from None
        except OSError as error:
            raise Denied(f"{path} can't be read in {self.place} ({error.strerror}): mend the file's permissions") from error
        cure = f"restore {file} from a backup, or remove it and `tidewire secrets put` it again"
        try:
            whole = json.loads(content)
            document: dict[str, Any] = whole["document"]
            key, seal, kind = document["key"], whole["seal"], document["format"]
        except (ValueError, KeyError, TypeError):
            raise Damaged(f"{path}: its file is truncated or no document of ours ({len(content)} bytes): {cure}") from None
        if kind != FORMAT:
            raise Damaged(f"{path}: its file has format {kind!r}, and this version reads {FORMAT}: use the version that wrote it")
        if key != self._key.id:
            raise WrongKey(f"{path} was encrypted with key {key}, and {self._key.source} is key {self._key.id}: give the right key")
        if not hmac.compare_digest(str(seal), self._seal(document)) or document["path"] != path:
            raise Damaged(f"{path}: its file was altered or took damage: {cure}")
        return document

    def _entry(self, path: str, document: dict[str, Any], version: int) -> dict[str, Any]:
        for entry in document["versions"]:
            if entry["version"] == version:
                found: dict[str, Any] = entry
                return found
        raise Missing(missing(path, self.place, version))

    def _seal(self, document: dict[str, Any]) -> str:
        return self._key.seal(json.dumps(document, sort_keys=True).encode())

    def _closed(self, path: str, version: int, fields: Mapping[str, Any]) -> str:
        nonce = self._randomness(NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, json.dumps(dict(fields)).encode(), _bound(path, version))).decode()

    def _opened(self, path: str, version: int, value: str) -> dict[str, Any]:
        try:
            content = base64.b64decode(value, validate=True)
            plain = self._cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], _bound(path, version))
        except (InvalidTag, binascii.Error, ValueError):
            raise Damaged(f"version {version} of {path} can't be decrypted: it is another path's or version's, or damaged") from None
        fields: dict[str, Any] = json.loads(plain)
        return fields


def _bound(path: str, version: int) -> bytes:
    return f"{path}:{version}".encode()


def _described(entry: Mapping[str, Any]) -> VersionMetadata:
    known = {name: entry[name] for name in ("version", "created_at", "created_by", "host", "validation")}
    return VersionMetadata(**known, revoked=entry["value"] is None)
