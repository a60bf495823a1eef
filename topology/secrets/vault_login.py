"""How a process becomes somebody at the Vault: by AppRole with a wrapped secret_id, or with an operator's token.

Kept on disk: the role_id, and a wrapping token that is good for one use. The secret_id it stands for lives in memory only.
A wrapping token that was spent by somebody else is found, because then our own use fails: that is its purpose.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import hvac
import hvac.exceptions
from pydantic import SecretStr

from topology.secrets import files
from topology.secrets.errors import Unauthenticated
from topology.secrets.settings import Secrets
from topology.secrets.vault_answers import words

WRAP_SECONDS = 7 * 86_400
"""How long a wrapping token that is kept for the next start stays good."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its lease. `seconds` is 0 for one that never expires."""

    value: SecretStr
    seconds: float
    renewable: bool
    who: str
    fields: dict[str, Any] = field(default_factory=dict, repr=False)


class Login(Protocol):
    """A way to log in."""

    def log_in(self, client: hvac.Client) -> Token:
        """Return a new token. Raises Unauthenticated, or what hvac raises where the Vault is away."""


def login_of(secrets: Secrets) -> Login:
    """Return the way the settings name: a role, or a token. Raises Unauthenticated where they name neither."""
    if secrets.role_id:
        return AppRole(secrets)
    if secrets.token.get_secret_value():
        return Given(secrets)
    raise Unauthenticated(
        f"nobody to be at the Vault {secrets.address}: set secrets.role_id and secrets.wrapped_secret_id_file (a stage), "
        "or secrets.token or VAULT_TOKEN (an operator)"
    )


class Given:
    """An operator's token, used as it is."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def log_in(self, client: hvac.Client) -> Token:
        """Look the token up."""
        client.token = self._secrets.token.get_secret_value()
        try:
            known = client.auth.token.lookup_self()["data"]
        except hvac.exceptions.Forbidden:
            raise Unauthenticated(
                f"the Vault {self._secrets.address} does not take the token of secrets.token (or VAULT_TOKEN): it expired, was revoked, "
                "or is another Vault's. Log in again"
            ) from None
        return Token(self._secrets.token, known["ttl"], bool(known.get("renewable")), str(known["display_name"]))


class AppRole:
    """A role and the secret_id behind a wrapping token, unwrapped once and kept in memory for the next login."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._secret_id: SecretStr | None = None

    def log_in(self, client: hvac.Client) -> Token:
        """Log in with the secret_id in memory; with a newly delivered one where there is none, or the Vault takes it no more."""
        if self._secret_id is not None:
            try:
                return self._with(client, self._secret_id)
            except hvac.exceptions.InvalidRequest:
                self._secret_id = None  # expired or revoked: only a new delivery helps
        secret_id = self._unwrapped(client)
        try:
            token = self._with(client, secret_id)
        except hvac.exceptions.InvalidRequest as error:
            raise Unauthenticated(
                f"the Vault {self._secrets.address} does not take secrets.role_id with the secret_id that was delivered: {words(error)}. "
                "Deliver one of this role: `tidewire secrets deliver ROLE`"
            ) from None
        self._secret_id = secret_id
        if self._secrets.keep_wrapped:
            self._keep_next(client, token)
        return token

    def _with(self, client: hvac.Client, secret_id: SecretStr) -> Token:
        client.token = None
        answer = client.auth.approle.login(
            self._secrets.role_id, secret_id.get_secret_value(), mount_point=self._secrets.approle_mount, use_token=True
        )["auth"]
        who = answer.get("metadata") or {}
        return Token(
            SecretStr(answer["client_token"]), answer["lease_duration"], bool(answer["renewable"]), str(who.get("role_name", "")), who
        )

    def _unwrapped(self, client: hvac.Client) -> SecretStr:
        path = self._secrets.wrapped_secret_id_file
        cure = "deliver a new one: `tidewire secrets deliver ROLE --out FILE`"
        if not path:
            raise Unauthenticated(f"secrets.role_id is set, and secrets.wrapped_secret_id_file is not: {cure}")
        try:
            wrapping = Path(path).read_text().strip()
        except OSError as error:
            raise Unauthenticated(f"the wrapping token in {path} (secrets.wrapped_secret_id_file): {error.strerror}; {cure}") from None
        try:
            made = client.adapter.post("/v1/sys/wrapping/lookup", json={"token": wrapping})["data"]["creation_path"]
        except (hvac.exceptions.InvalidRequest, hvac.exceptions.Forbidden):
            raise Unauthenticated(
                f"the wrapping token in {path} is spent or expired: if no process of yours spent it, somebody read the secret_id, "
                f"so revoke it (`tidewire secrets deliver` does) and look into Vault's audit log; then {cure}"
            ) from None
        # https://developer.hashicorp.com/vault/docs/concepts/response-wrapping: a token made elsewhere may hold anything.
        if not (made.startswith(f"auth/{self._secrets.approle_mount}/role/") and made.endswith("/secret-id")):
            raise Unauthenticated(f"the wrapping token in {path} wraps no secret_id but {made}: somebody put it there; {cure}")
        client.token = wrapping
        try:
            answer = client.sys.unwrap()
        except (hvac.exceptions.InvalidRequest, hvac.exceptions.Forbidden):
            raise Unauthenticated(f"the wrapping token in {path} was spent a moment ago by another process: {cure}") from None
        finally:
            client.token = None
        return SecretStr(answer["data"]["secret_id"])

    def _keep_next(self, client: hvac.Client, token: Token) -> None:
        """Put a wrapping token for the next start in place of the one that is spent, where the policy lets us."""
        client.token = token.value.get_secret_value()
        try:
            answer = client.auth.approle.generate_secret_id(token.who, mount_point=self._secrets.approle_mount, wrap_ttl=f"{WRAP_SECONDS}s")
        except hvac.exceptions.Forbidden:
            return
        path = Path(self._secrets.wrapped_secret_id_file)
        with files.exclusive(path.with_name(path.name + ".lock")):
            files.replace(path, answer["wrap_info"]["token"].encode())
