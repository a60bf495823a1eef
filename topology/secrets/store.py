"""The one interface of both providers, the Vault and the local store.

A secret is a document of named fields under a path, in numbered versions. What the fields mean (a credential, a password) is
not a store's concern. Every error is of topology/secrets/errors.py and names the path and the cure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from topology.secrets.credential import Metadata, Validation

Provider = Literal["vault", "local"]


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts, and where: for the metadata and the audit."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a secret, opened. Its repr names the fields and shows none."""

    path: str
    version: int
    fields: Mapping[str, Any] = field(repr=False)


class Store(Protocol):
    """Where secrets are kept."""

    @property
    def provider(self) -> Provider:
        """Which of the two it is."""

    @property
    def place(self) -> str:
        """Where it is, for people: an address and mount, or a folder."""

    def read(self, path: str, version: int | None = None) -> Document:
        """Return a version, the newest where none is named. Raises Missing, also for a revoked one."""

    def metadata(self, path: str) -> Metadata:
        """Return what is known without opening it. Raises Missing where there never was such a secret."""

    def names(self, prefix: str = "") -> list[str]:
        """Return the paths of all secrets below a prefix (`credentials`), in order."""

    def put(self, path: str, fields: Mapping[str, Any], expected: int, author: Author) -> int:
        """Write a new version and return its number. `expected` is the newest there must be now, 0 for none.

        Raises Conflict, with nothing written, where another version is the newest, and Reject where a field's name or value can't be kept.
        """

    def revoke(self, path: str, version: int) -> None:
        """Destroy one version's value for ever; its metadata stays. Raises Missing."""

    def annotate(self, path: str, version: int, validation: Validation) -> None:
        """Keep a validation beside a version. Raises Missing."""


def missing(path: str, place: str, version: int | None = None) -> str:
    """Return the words of a Missing error."""
    which = path if version is None else f"version {version} of {path}"
    return f"there is no {which} in {place}: `tidewire secrets list` shows what there is, `tidewire secrets put` writes one"


def conflict(path: str, expected: int, current: int | None) -> str:
    """Return the words of a Conflict error."""
    found = "it is not" if current is None else f"version {current} is"
    return f"{path}: version {expected} was to be the newest, and {found}: another writer was first. Look at it, then write again"
