"""Which store it is: the Vault where an address is set, the local one where none is, and local beside an address only by its name."""

import uuid
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from schemas.events import CredentialAudit
from topology.clock import now
from topology.errors import Fatal
from topology.secrets.audit import Audit, Queue, this_author
from topology.secrets.credentials import Credentials
from topology.secrets.envelope import LocalWrapping, Transit, Wrapping
from topology.secrets.generations import beside
from topology.secrets.local import LocalStore
from topology.secrets.local_key import find_key
from topology.secrets.policies import spill_key
from topology.secrets.settings import Secrets
from topology.secrets.store import Provider, Store

if TYPE_CHECKING:
    from topology.secrets.vault_session import Session


def provider(secrets: Secrets) -> Provider:
    """Return the provider the settings choose. Raises Fatal where they choose a Vault and name none."""
    if secrets.provider == "vault" and not secrets.address:
        raise Fatal("secrets.provider is vault, and no address is set: set secrets.address or VAULT_ADDR")
    return secrets.provider or ("vault" if secrets.address else "local")


@cache
def open_session(secrets: Secrets) -> "Session":
    """Return the session at the Vault, one for this process: a second login would want a second secret_id. Nothing is asked yet."""
    from topology.secrets.vault_session import Session

    return Session(secrets)


@cache
def open_store(secrets: Secrets) -> Store:
    """Return the store, one for this process. A Vault is asked for nothing yet; the local store's key is read."""
    if provider(secrets) == "vault":
        from topology.secrets.vault import VaultStore

        return VaultStore(open_session(secrets), secrets.mount)
    return open_local_store(secrets)


def open_local_store(secrets: Secrets) -> LocalStore:
    """Return the local store; its key is read, and no secret. Raises WrongKey."""
    key = find_key(secrets.key_file)
    return LocalStore(secrets.folder, key, beside(key, secrets.key_file, secrets.folder), now)


def open_wrapping(secrets: Secrets, exchange: str) -> Wrapping:
    """Return what wraps the data keys of the files that an exchange's producer keeps on disk. Asks and reads as `open_store` does."""
    if provider(secrets) == "vault":
        return Transit(open_session(secrets), secrets.transit_mount, spill_key(secrets, exchange))
    return LocalWrapping(find_key(secrets.key_file))


def open_credentials(secrets: Secrets, stage: str = "", record: Callable[[CredentialAudit], None] | None = None) -> Credentials:
    """Return the credentials of this process; audit events wait in the queue file unless `record` takes them."""
    store = open_store(secrets)
    audit = Audit(this_author(stage), store.provider, record or Queue(secrets.audit_queue).append, now, lambda: uuid.uuid4().hex)
    return Credentials(store, audit)
