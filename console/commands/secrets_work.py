"""What `tidewire secrets …` does, and says: every line names what was done and where; no line holds a value."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from console.commands.show import answer
from topology.clock import now
from topology.errors import Fatal, Reject, TidewireError
from topology.secrets.credential import Credential, Environment, Identity, Metadata, Validation, last_four
from topology.secrets.credentials import Credentials, CredentialVersion, Unreadable
from topology.secrets.opening import open_credentials, open_local_store, provider
from topology.secrets.paths import checked, checked_fields, unfit
from topology.secrets.validation import check
from topology.settings import Settings, settings
from topology.state_folder import SPILL
from topology.terminal import printable

PARTS = ("api_key", "api_secret", "passphrase")
MOST_INPUT = 1_048_576
"""Bytes of the longest input that is read."""


@dataclass
class CommandContext:
    """What one command works with: settings, the form of its output, and the store of secrets."""

    settings: Settings
    as_json: bool
    _opened: list[Credentials] = field(default_factory=list)

    @property
    def credentials(self) -> Credentials:
        """The store, opened when first needed: `init` makes what it needs."""
        if not self._opened:
            self._opened.append(open_credentials(self.settings.secrets))
        return self._opened[0]

    def say(self, what: str, **facts: Any) -> None:
        """Print what was done, and where."""
        print(printable(json.dumps({"done": what, **facts}, ensure_ascii=False) if self.as_json else what, lines=True), flush=True)

    def check(self, found: Credential) -> Validation:
        """Ask the exchange, at the address the settings give for it."""
        venue = self.settings.venues.get(found.exchange)
        return check(found, now, venue.rest if venue else "")


@contextmanager
def command_context(as_json: bool) -> Iterator[CommandContext]:
    """Give a command what it works with, and send its audit events to Kafka where one is known; else they wait on this machine."""
    at = CommandContext(settings(), as_json)
    try:
        yield at
    finally:
        _ship(at.settings)


def initialise(at: CommandContext, audit_file: str) -> None:
    """Prepare the store."""
    secrets = at.settings.secrets
    if provider(secrets) == "local":
        from topology.secrets.local_key import create_key_file, find_key

        made = create_key_file(secrets.key_file)
        find_key(secrets.key_file)  # one that can't be used is told now
        word = "made the key file" if made else "nothing to do: there is a key file"
        at.say(f"{word} {secrets.key_file}; secrets are kept in {secrets.folder}", changes=int(made))
        return
    from dialects.catalogue import all_dialects
    from topology.flow import stages
    from topology.secrets.policies import roles
    from topology.secrets.vault_session import Session
    from topology.secrets.vault_setup import Setup

    wanted = roles(all_dialects(), [stage.name for stage in stages().values() if not stage.per_venue])
    changes = Setup(Session(secrets), secrets).run(wanted, audit_file)
    for change in changes:
        at.say(change)
    at.say(f"{len(changes)} changes at the Vault {secrets.address}" if changes else f"nothing to do at the Vault {secrets.address}")


def credential(exchange: str, environment: Environment, permissions: str, *, from_stdin: bool) -> Credential:
    """Return a credential from what is typed or piped; Reject names what is wrong with it, never a value."""
    given = _from_stdin() if from_stdin else {name: _asked(name) for name in PARTS}
    wanted = [one.strip() for one in permissions.split(",") if one.strip()]
    fields = {"permissions": wanted} | given | {"exchange": exchange, "environment": environment}
    try:
        found = Credential.model_validate(fields)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False))
        raise Reject(f"that is no credential: {wrong}. Nothing was written") from None
    _fit_for_exchange(found)
    return found


def write(at: CommandContext, found: Credential) -> None:
    """Write a new version."""
    version = at.credentials.put(found)
    at.say(_written(at, found.identity, version), path=found.identity.path, version=version)


def set_one(at: CommandContext, path: str, name: str, *, from_stdin: bool) -> None:
    """Write one field of a secret, the others as they are."""
    checked_fields(checked(path), {name: None})
    value = _text(path, name, _from_stdin().get(name, "")) if from_stdin else _asked(name)
    if not value:
        raise Reject(f"{path}#{name}: nothing was given, nothing was written")
    checked_fields(path, {name: value})
    store, audit = at.credentials.store, at.credentials.audit
    newest = at.credentials.newest(path)
    with audit.watching(path, "write") as noted:
        fields = dict(store.read(path).fields) if newest else {}
        noted.version = store.put(path, fields | {name: value}, newest, audit.author)
    at.say(f"wrote version {noted.version} of {path} in {store.place}; a setting takes it by vault:{path}#{name}", version=noted.version)


def listed(at: CommandContext) -> bool:
    """List what is known of every credential; return whether each can be read."""
    columns = ("credential", "version", "kept", "written", "by", "on", "validated", "usable", "said")
    found = list(at.credentials.all())
    answer(columns, [_row(one) for one in found], as_json=at.as_json)
    return not any(isinstance(one, Unreadable) for one in found)


def shown(at: CommandContext, exchange: str, environment: Environment) -> None:
    """Show one credential, masked."""
    held = at.credentials.read(Identity(exchange, environment))
    found = held.credential
    known = at.credentials.store.metadata(found.identity.path)
    parts: dict[str, Any] = {name: last_four(getattr(found, name)) for name in PARTS}
    facts = {"credential": found.identity.label, "kept_in": at.credentials.store.place, "version": held.version, **parts}
    facts |= {"permissions": " ".join(found.permissions)}
    answer(list(facts), [list(facts.values())], as_json=at.as_json)
    columns = ("version", "written", "by", "on", "revoked", "validated", "usable", "said")
    rows = [
        (one.version, _time(one.created_at), one.created_by, one.host, one.revoked, *_validation(one.validation))
        for one in reversed(known.versions)
    ]
    answer(columns, rows, as_json=at.as_json)


def validated(at: CommandContext, exchange: str, environment: Environment) -> bool:
    """Validate the newest version; return whether it may be used."""
    held = at.credentials.read(Identity(exchange, environment))
    found = at.credentials.validate(held, at.check)
    label = held.credential.identity.label
    word = "may be used" if found.ok else "must not be used"
    at.say(f"version {held.version} of {label} {word}: {found.detail}", version=held.version, ok=found.ok)
    return found.ok


def rotated(at: CommandContext, exchange: str, environment: Environment, permissions: str, *, from_stdin: bool) -> bool:
    """Write a new version that the exchange was asked about; return whether it was written."""
    identity = Identity(exchange, environment)
    old = at.credentials.read(identity)
    new = credential(exchange, environment, permissions or ",".join(old.credential.permissions), from_stdin=from_stdin)
    found = at.check(new)
    if not found.ok:
        at.credentials.audit.say(identity.path, "refuse", None, found.detail)
        at.say(
            f"nothing was written, version {old.version} stays: the new key of {identity.label} must not be used: {found.detail}", ok=False
        )
        return False
    version = at.credentials.put(new, old.version)
    at.credentials.validate(CredentialVersion(version, new), lambda _credential: found)
    at.say(
        f"{_written(at, identity, version)}: {found.detail}. Version {old.version} stays readable until it is revoked",
        path=identity.path, version=version, ok=True,
    )  # fmt: skip
    return True


def told(at: CommandContext, exchange: str, environment: Environment | None, limit: int) -> None:
    """Print the audit."""
    from console.commands.secrets_history import rows

    path = Identity(exchange, environment).path if exchange and environment else f"credentials/{exchange}" if exchange else ""
    columns, found, note = rows(at.settings, path, limit)
    answer(columns, found, as_json=at.as_json)
    if note:
        print(printable(note), file=sys.stderr)


def revoked(at: CommandContext, exchange: str, environment: Environment, version: int) -> None:
    """Destroy one version."""
    identity = Identity(exchange, environment)
    at.credentials.revoke(identity, version)
    at.say(f"version {version} of {identity.label} is destroyed in {at.credentials.store.place}", path=identity.path, version=version)


def accepted(at: CommandContext, agree: Callable[[str], None]) -> bool:
    """Take the local store as it is now, once a person has agreed to what that means; return whether every file can be read."""
    if provider(at.settings.secrets) == "vault":
        raise Fatal("only the local store keeps generations: a Vault's own storage is for its operator to restore")
    store = open_local_store(at.settings.secrets)
    found = store.differences()
    for one in found:
        known = "none is known of it" if one.known is None else f"change {one.known} is known of it"
        kept = "can't be read and stays as it is" if one.found < 0 else f"its file is of change {one.found}, {known}"
        at.say(f"{one.path}: {kept}; {one.detail}", path=one.path, found=one.found, known=one.known)
    readable = [one for one in found if one.found >= 0]
    if readable:
        agree(
            f"Take {len(readable)} files of {store.place} as they are? Values that were revoked after they were written come back; "
            "end those keys at their exchange first."
        )
    store.accept()
    for one in readable:
        at.credentials.audit.say(one.path, "other")
    at.say(f"took {len(readable)} files as they are; older ones, put back from now on, are refused", accepted=len(readable))
    return len(readable) == len(found)


def delivered(at: CommandContext, role: str, out: Path, *, withdraw_first: bool) -> None:
    """Deliver a wrapped secret_id."""
    from topology.secrets.vault_session import Session
    from topology.secrets.vault_setup import deliver, withdraw

    secrets = at.settings.secrets
    if provider(secrets) != "vault":
        raise Fatal("roles are a Vault's: set secrets.address or VAULT_ADDR")
    session = Session(secrets)
    if withdraw_first:
        at.say(f"destroyed {withdraw(session, secrets, role)} secret_ids of {role}")
    role_id = deliver(session, secrets, role, out)
    at.say(
        f"a wrapping token of {role}, good once and for 7 days, is in {out}; secrets.role_id is {role_id}", role_id=role_id, out=str(out)
    )


def rewrapped(at: CommandContext) -> bool:
    """Rewrap the headers of every producer's spill files; return whether none failed."""
    from topology.secrets.opening import open_wrapping
    from topology.secrets.rewrapping import rewrap

    good = True
    folders = sorted(path for path in at.settings.state_dir.glob(f"{SPILL}/*") if path.is_dir())
    if not folders:
        at.say(f"nothing to do: no producer keeps files under {at.settings.state_dir}")
    for folder in folders:
        venue = folder.name
        found = rewrap(folder, open_wrapping(at.settings.secrets, venue))
        at.say(f"{venue}: {len(found.done)} files rewrapped, {len(found.plain)} are not sealed", venue=venue, rewrapped=len(found.done))
        for directory in found.running:
            at.say(f"{venue}: {directory} is a running producer's and was left alone", venue=venue, running=str(directory))
        for path, reason in found.failed.items():
            at.say(f"{venue}: {path} stays as it was: {reason}", venue=venue, failed=str(path), ok=False)
        good = good and not found.failed
    return good


def _written(at: CommandContext, identity: Identity, version: int) -> str:
    return f"wrote version {version} of {identity.label} in {at.credentials.store.place}"


def _row(known: Metadata | Unreadable) -> tuple[Any, ...]:
    if isinstance(known, Unreadable):
        return known.path.partition("/")[2], None, None, "", "", "", "", "NO", known.reason
    newest = known.version(known.current)
    kept = sum(not one.revoked for one in known.versions)
    label = known.path.partition("/")[2]
    if newest is None:
        return label, known.current, kept, "", "", "", "", "", ""
    return label, known.current, kept, _time(newest.created_at), newest.created_by, newest.host, *_validation(newest.validation)


def _validation(found: Validation | None) -> tuple[str, str, str]:
    return (_time(found.at), "yes" if found.ok else "NO", found.detail) if found else ("never", "", "")


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        raise Reject("there is no terminal to ask at: pipe one JSON object of the fields and add --stdin")
    optional = " (empty where the exchange has none)" if name == "passphrase" else ""
    return getpass.getpass(f"{name}{optional}: ").strip()


def _from_stdin() -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(sys.stdin.buffer.read(MOST_INPUT), type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Reject('standard input is no JSON object: {"api_key": …, "api_secret": …} is wanted') from None
    return found


def _text(path: str, name: str, value: Any) -> str:
    """Return a field's value as text; Reject where it is neither text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Reject(f"{path}#{name}: text or a number is wanted, and {type(value).__name__} was given. Nothing was written")
    return str(value)


def _fit_for_exchange(found: Credential) -> None:
    """Reject a key that no exchange gives: parts are sent in headers and signed as bytes, so they are of ASCII (RFC 9110, 5.5)."""
    for part in PARTS:
        value = getattr(found, part).get_secret_value()
        reason = unfit(value)
        if not reason and not value.isascii():
            reason = "holds a letter beyond ASCII, perhaps one that looks like another: copy it from the exchange again"
        elif not reason and part == "api_key" and len(value.split()) != 1:
            reason = "holds a space or a line end: copy it alone"
        if reason:
            raise Reject(f"that is no credential: {part} {reason}. Nothing was written")


def _ship(of: Settings) -> None:
    """Send what waits in the audit queue; it keeps what can't be sent."""
    from topology.secrets.shipping import ship

    try:
        ship(of)
    except (TidewireError, OSError) as error:
        print(printable(f"tidewire: audit events wait in {of.secrets.audit_queue}: {error}"), file=sys.stderr)
