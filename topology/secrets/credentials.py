"""Credentials and passwords as the rest of Tidewire asks for them: typed, from whichever store, every act in the audit."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from topology.errors import Fatal, Reject, TidewireError
from topology.secrets.audit import Action, Audit
from topology.secrets.credential import FOLDER, Credential, Identity, Metadata, Validation
from topology.secrets.errors import Malformed, Missing
from topology.secrets.store import Store


@dataclass(frozen=True, slots=True)
class CredentialVersion:
    """One version of a credential."""

    version: int
    credential: Credential


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A credential that is there and can't be read, and why."""

    path: str
    reason: str


class Credentials:
    """One store, and the audit of what is done with it."""

    def __init__(self, store: Store, audit: Audit) -> None:
        self.store = store
        self.audit = audit

    def read(self, identity: Identity, version: int | None = None) -> CredentialVersion:
        """Return a credential, the newest where no version is named. Raises Missing, Malformed and what the store raises."""
        with self.audit.watching(identity.path, "read", version) as noted:
            document = self.store.read(identity.path, version)
            noted.version = document.version
            return CredentialVersion(document.version, Credential.of(identity.path, document.fields))

    def field(self, path: str, name: str) -> SecretStr:
        """Return one field of any secret: a password of a setting. Raises Missing, and Malformed where there is no such text field."""
        with self.audit.watching(path, "read") as noted:
            document = self.store.read(path)
            noted.version = document.version
            if name not in document.fields:
                raise Malformed(f"{path} has no field {name!r}: it has {', '.join(sorted(document.fields)) or 'none'}")
            value = document.fields[name]
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise Malformed(f"{path}: field {name!r} is no text or number but {type(value).__name__}")
            return SecretStr(str(value))

    def put(self, credential: Credential, expected: int | None = None, action: Action = "write") -> int:
        """Write a new version and return its number; `expected` as the store's, null: whatever is the newest now."""
        path = credential.identity.path
        with self.audit.watching(path, action) as noted:
            newest = self.newest(path) if expected is None else expected
            noted.version = self.store.put(path, credential.fields(), newest, self.audit.author)
            return noted.version

    def newest(self, path: str) -> int:
        """Return the newest version's number, 0 where there is none."""
        try:
            return self.store.metadata(path).current
        except Missing:
            return 0

    def revoke(self, identity: Identity, version: int) -> None:
        """Destroy a version's value for ever."""
        with self.audit.watching(identity.path, "revoke", version):
            self.store.revoke(identity.path, version)

    def validate(self, candidate: CredentialVersion, check: Callable[[Credential], Validation]) -> Validation:
        """Let `check` ask the exchange, and keep its answer beside the version; an answer of no is a failure in the audit.

        Raises Retry where the exchange or the store does not answer.
        """
        path = candidate.credential.identity.path
        try:
            found = check(candidate.credential)
            self.store.annotate(path, candidate.version, found)
        except TidewireError as error:
            self.audit.say(path, "validate", candidate.version, f"{type(error).__name__}: {error}")
            raise
        self.audit.say(path, "validate", candidate.version, "" if found.ok else found.detail or "refused")
        return found

    def all(self) -> Iterator[Metadata | Unreadable]:
        """Return what is known of every credential, without opening one, or why nothing is; Retry where the store does not answer."""
        for path in self.store.names(FOLDER):
            try:
                yield self.store.metadata(path)
            except (Fatal, Reject) as error:
                yield Unreadable(path, str(error))
