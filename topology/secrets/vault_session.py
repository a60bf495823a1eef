"""One process's session at the Vault: logged in when first needed, renewed before it ends, and begun anew where it was ended."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import hvac
import hvac.exceptions

from topology.secrets.errors import Unavailable, Untrusted
from topology.secrets.settings import Secrets
from topology.secrets.vault_answers import no_vault, translated
from topology.secrets.vault_login import Login, Token, login_of

T = TypeVar("T")
RENEW_AT = 2 / 3
"""Share of a lease after which it is renewed."""


class Session:
    """Calls to the Vault as somebody. Threads may share it. `clock` counts seconds, evenly."""

    def __init__(self, secrets: Secrets, login: Login | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets = secrets
        self._login = login or login_of(secrets)
        self._clock = clock
        self._lock = threading.RLock()
        self._client: hvac.Client | None = None
        self._token: Token | None = None
        self._renew_at = 0.0
        self.logins = 0
        """How often it logged in."""
        self.renewals = 0
        """How often it renewed."""

    @property
    def address(self) -> str:
        """The Vault's."""
        return self._secrets.address

    @property
    def who(self) -> str:
        """The role's or the token's name, once logged in."""
        return self._token.who if self._token else ""

    def call(self, path: str, ask: Callable[[hvac.Client], T]) -> T:
        """Return what `ask` gets from the Vault; errors speak of `path`.

        A token that was revoked is found by its refusal: then log in anew, once, and ask again.
        """
        with translated(path, self.address):
            client = self._ready()
            try:
                return ask(client)
            except hvac.exceptions.Forbidden:
                if self._alive(client):
                    raise
            with self._lock:
                if client is self._client:
                    self._begin()
                client = self._ready()
            return ask(client)

    def token(self) -> str:
        """Return the token in use, for what hvac can't ask: a websocket. Raises as `call` does."""
        with translated("auth/token/lookup-self", self.address):
            token: str = self._ready().token
            return token

    def renew(self) -> None:
        """Renew now if it is time; for a process that makes no calls for long. Raises as `call` does."""
        with translated("auth/token/renew-self", self.address):
            self._ready()

    def close(self) -> None:
        """Forget the token, and revoke it where the Vault can be reached and a login of ours made it."""
        with self._lock:
            client, token = self._client, self._token
            self._client = self._token = None
            if client is None or token is None or not self._secrets.role_id:
                return
            try:
                with translated("auth/token/revoke-self", self.address):
                    client.auth.token.revoke_self()
            except (Unavailable, Untrusted):
                return  # it ends by itself with its lease
            finally:
                client.adapter.close()

    def _ready(self) -> hvac.Client:
        with self._lock:
            if self._client is None:
                self._begin()
            elif self._clock() >= self._renew_at:
                self._extend(self._client)
            if self._client is None:
                raise RuntimeError("a login that did not fail left no client")
            return self._client

    def _begin(self) -> None:
        client = self._new_client()
        token = self._login.log_in(client)
        client.token = token.value.get_secret_value()
        self._client, self._token = client, token
        self.logins += 1
        self._plan(token.seconds)

    def _extend(self, client: hvac.Client) -> None:
        token = self._token
        if token is None or not token.renewable:
            self._begin()
            return
        try:
            lease = client.auth.token.renew_self()["auth"]["lease_duration"]
        except (hvac.exceptions.Forbidden, hvac.exceptions.InvalidRequest):
            self._begin()
            return
        self.renewals += 1
        if lease < token.seconds / 2:
            self._begin()  # its longest life is near: no renewal helps
        else:
            self._plan(lease)

    def _plan(self, seconds: float) -> None:
        self._renew_at = self._clock() + seconds * RENEW_AT if seconds else float("inf")

    def _alive(self, client: hvac.Client) -> bool:
        try:
            client.auth.token.lookup_self()
        except hvac.exceptions.Forbidden:
            return False
        return True

    def _new_client(self) -> hvac.Client:
        client = hvac.Client(
            url=self.address,
            namespace=self._secrets.namespace or None,
            verify=self._secrets.ca or True,
            timeout=self._secrets.timeout_seconds,
            token="",
        )
        health = client.sys.read_health_status(method="GET")
        document = health if isinstance(health, dict) else health.json()
        if not isinstance(document, dict) or "sealed" not in document:
            raise no_vault("sys/health", self.address)
        return client
