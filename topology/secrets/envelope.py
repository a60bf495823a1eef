"""Envelope encryption of what stays on disk: data under a data key, the data key under a key that never leaves the Vault.

Here are the data keys and what wraps them; how a file is sealed with one is in sealed_file.py.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from topology.secrets.errors import Malformed
from topology.secrets.local_key import Key

if TYPE_CHECKING:
    from topology.secrets.vault_session import Session

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key for data, and its wrapped form, which may stand beside the data."""

    wrapped: bytes
    plain: bytes = field(repr=False)


class Wrapping(Protocol):
    """What makes and unwraps data keys."""

    def new(self) -> DataKey:
        """Return a new data key. Raises Unavailable where the Vault is away."""

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return a data key's bytes. Raises Unavailable, or Malformed where this key did not wrap it."""

    def rewrap(self, wrapped: bytes) -> bytes:
        """Return it wrapped by the newest version of the wrapping key; the data key stays the same. Raises as `unwrap` does."""

    def stay(self) -> None:
        """Stay logged in, where that must be seen to: for whoever lives long and rarely asks. Raises as `new` does."""


class Transit:
    """Data keys wrapped by a key of Vault's transit engine."""

    def __init__(self, session: "Session", mount: str, name: str) -> None:
        self._session = session
        self._mount = mount
        self._name = name

    def new(self) -> DataKey:
        """Let Vault make a key: it keeps none of it."""
        data = self._call("datakey/plaintext", {"bits": 256})
        return DataKey(data["ciphertext"].encode(), base64.b64decode(data["plaintext"]))

    def unwrap(self, wrapped: bytes) -> bytes:
        """Let Vault unwrap a key."""
        return base64.b64decode(self._call("decrypt", {"ciphertext": wrapped.decode(errors="replace")})["plaintext"])

    def rewrap(self, wrapped: bytes) -> bytes:
        """Let Vault wrap it anew; its plain form leaves the Vault at no time."""
        return self._call("rewrap", {"ciphertext": wrapped.decode(errors="replace")})["ciphertext"].encode()

    def stay(self) -> None:
        """Renew the login if it is time."""
        self._session.renew()

    def _call(self, act: str, body: dict[str, object]) -> dict[str, str]:
        path = f"{self._mount}/{act}/{self._name}"
        data: dict[str, str] = self._session.call(path, lambda client: client.adapter.post(f"/v1/{path}", json=body))["data"]
        return data


class LocalWrapping:
    """Data keys wrapped by the local store's key, where there is no Vault."""

    def __init__(self, key: Key, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._cipher = AESGCM(key.wrapping)
        self._randomness = randomness

    def new(self) -> DataKey:
        """Make a key."""
        plain, nonce = self._randomness(32), self._randomness(NONCE_BYTES)
        return DataKey(nonce + self._cipher.encrypt(nonce, plain, b"data key"), plain)

    def unwrap(self, wrapped: bytes) -> bytes:
        """Unwrap a key."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"data key")
        except (InvalidTag, ValueError):
            raise Malformed("a data key on disk was not wrapped by this machine's key: give the key it was written with") from None

    def rewrap(self, wrapped: bytes) -> bytes:
        """Wrap it with another nonce."""
        plain, nonce = self.unwrap(wrapped), self._randomness(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, b"data key")

    def stay(self) -> None:
        """Nothing: there is no login."""
