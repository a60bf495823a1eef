"""Secrets in a Vault: the KV engine, version 2, through hvac.

Who wrote a version and what its validation said stand in the secret's custom metadata, a key for each version (`v3`), because
Vault keeps custom metadata by secret. Limits, from developer.hashicorp.com/vault/docs/secrets/kv/kv-v2: 64 keys, 512 bytes a value.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any

import hvac
import hvac.exceptions
from pydantic import ValidationError

from topology.secrets.credential import Metadata, Validation, VersionMetadata
from topology.secrets.errors import Conflict, Missing
from topology.secrets.paths import checked, checked_fields
from topology.secrets.store import Author, Document, Provider, conflict, missing
from topology.secrets.vault_answers import words
from topology.secrets.vault_session import Session

NOTED_VERSIONS = 60
MOST_NOTE_BYTES = 512
MOST_NAME = 60


class VaultStore:
    """Secrets of one KV mount."""

    provider: Provider = "vault"

    def __init__(self, session: Session, mount: str) -> None:
        self._session = session
        self._mount = mount

    @property
    def place(self) -> str:
        """Address and mount."""
        return f"the Vault {self._session.address}, mount {self._mount}/"

    def read(self, path: str, version: int | None = None) -> Document:
        """Return a version. Raises Missing and what a Session raises."""
        checked(path)

        def ask(client: hvac.Client) -> Document:
            try:
                answer = client.secrets.kv.v2.read_secret_version(path, version, self._mount, raise_on_deleted_version=True)
            except hvac.exceptions.InvalidPath:
                raise Missing(missing(path, self.place, version)) from None
            return Document(path, answer["data"]["metadata"]["version"], answer["data"]["data"])

        return self._session.call(path, ask)

    def metadata(self, path: str) -> Metadata:
        """Return what is known without opening it."""
        return described(path, self._raw_metadata(path))

    def names(self, prefix: str = "") -> list[str]:
        """Return the paths of all secrets below a prefix; one request a folder."""
        found: list[str] = []
        folders = [prefix.rstrip("/") + "/" if prefix else ""]
        while folders:
            folder = folders.pop()
            for name in self._listed(folder):
                (folders if name.endswith("/") else found).append(folder + name)
        return sorted(found)

    def put(self, path: str, fields: Mapping[str, Any], expected: int, author: Author) -> int:
        """Write a new version; Conflict where `expected` is not the newest, Reject where a field can't be kept."""
        checked(path)
        kept = checked_fields(path, fields)

        def ask(client: hvac.Client) -> int:
            try:
                answer = client.secrets.kv.v2.create_or_update_secret(path, kept, cas=expected, mount_point=self._mount)
            except hvac.exceptions.InvalidRequest as error:
                if "check-and-set" in words(error):
                    raise Conflict(conflict(path, expected, None)) from None
                raise
            return int(answer["data"]["version"])

        version = self._session.call(path, ask)
        self._note(path, version, {"by": author.name[:MOST_NAME], "host": author.host[:MOST_NAME]})
        return version

    def revoke(self, path: str, version: int) -> None:
        """Destroy a version's value for ever."""
        if self.metadata(path).version(version) is None:
            raise Missing(missing(path, self.place, version))
        self._session.call(path, lambda client: client.secrets.kv.v2.destroy_secret_versions(path, [version], self._mount))

    def annotate(self, path: str, version: int, validation: Validation) -> None:
        """Keep a validation beside a version."""
        raw = self._raw_metadata(path)
        if str(version) not in raw["versions"]:
            raise Missing(missing(path, self.place, version))
        known = _note((raw.get("custom_metadata") or {}).get(f"v{version}", "{}"))
        self._note(path, version, known | {"at": validation.at, "ok": validation.ok, "detail": validation.detail})

    def _raw_metadata(self, path: str) -> dict[str, Any]:
        checked(path)

        def ask(client: hvac.Client) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = client.secrets.kv.v2.read_secret_metadata(path, self._mount)["data"]
            except hvac.exceptions.InvalidPath:
                raise Missing(missing(path, self.place)) from None
            return answer

        return self._session.call(path, ask)

    def _listed(self, folder: str) -> list[str]:
        def ask(client: hvac.Client) -> list[str]:
            try:
                found: list[str] = client.secrets.kv.v2.list_secrets(folder, self._mount)["data"]["keys"]
            except hvac.exceptions.InvalidPath:
                return []
            return found

        return self._session.call(folder or self._mount, ask)

    def _note(self, path: str, version: int, note: Mapping[str, Any]) -> None:
        """Merge one version's note into the custom metadata: a patch, so that two writers of two versions don't meet."""
        custom: dict[str, str | None] = {f"v{version}": _short(note)}
        if version > NOTED_VERSIONS:
            custom[f"v{version - NOTED_VERSIONS}"] = None
        self._session.call(
            path,
            lambda client: client.adapter.request(
                "patch",
                f"/v1/{self._mount}/metadata/{path}",
                headers={"Content-Type": "application/merge-patch+json"},
                json={"custom_metadata": custom},
            ),
        )


def described(path: str, raw: Mapping[str, Any]) -> Metadata:
    """Return Vault's metadata in our form."""
    custom = raw.get("custom_metadata") or {}
    versions = sorted((int(number), one) for number, one in raw["versions"].items())
    return Metadata(
        path=path,
        current=raw["current_version"],
        versions=tuple(_version(number, one, _note(custom.get(f"v{number}", "{}"))) for number, one in versions),
    )


def _version(number: int, one: Mapping[str, Any], note: Mapping[str, Any]) -> VersionMetadata:
    try:
        validation = Validation(at=note["at"], ok=note["ok"], detail=note.get("detail", "")) if "at" in note else None
    except (KeyError, ValidationError):
        validation = None  # written by another hand
    return VersionMetadata(
        version=number,
        created_at=microseconds(one["created_time"]),
        created_by=str(note.get("by", "")),
        host=str(note.get("host", "")),
        revoked=bool(one["destroyed"] or one["deletion_time"]),
        validation=validation,
    )


def microseconds(text: str) -> int:
    """Return Vault's time (RFC 3339, up to nanoseconds, UTC) in microseconds since 1970 UTC."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    begin = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    return int(begin.timestamp()) * 1_000_000 + int(fraction.ljust(6, "0")[:6] or 0)


def _note(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}  # written by another hand
    return found if isinstance(found, dict) else {}


def _short(note: Mapping[str, Any]) -> str:
    """Return a note as JSON of at most 512 bytes; the detail is what gets shorter."""
    kept = dict(note)
    while len(text := json.dumps(kept, ensure_ascii=False, separators=(",", ":"))) and len(text.encode()) > MOST_NOTE_BYTES:
        kept["detail"] = str(kept.get("detail", ""))[:-20]
    return text
