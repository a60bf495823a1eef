"""Envelope encryption of what stays on disk: data under a data key, the data key under a key that never leaves the Vault.

    b"TWE1" | length of the wrapped key, 2 bytes | wrapped key | nonce, 12 bytes | AES-256-GCM of the data

Everything before the data is its associated data. Each sealed piece opens by itself, so a torn file loses no more than its end.
One data key serves for a while: what is sealed while the Vault is away is sealed with the one in memory.
"""

import base64
import os
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from topology.secrets.errors import Damaged, Malformed, Unavailable
from topology.secrets.local_key import Key
from topology.secrets.vault_session import Session

MAGIC = b"TWE1"
LENGTH = struct.Struct(">H")
NONCE_BYTES = 12
MOST_SEALED = 2**31
"""Pieces under one data key: random nonces of 96 bits may be used 2**32 times (NIST SP 800-38D, 8.3)."""


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
        """Return it wrapped by the newest version of the wrapping key; the data key stays the same."""


class Transit:
    """Data keys wrapped by a key of Vault's transit engine."""

    def __init__(self, session: Session, mount: str, name: str) -> None:
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


class Envelope:
    """Seals and opens pieces of data.

    `clock` counts seconds; `renew` replaces a data key that is older than `seconds`. Sealing itself never waits for the Vault.
    """

    def __init__(
        self, wrapping: Wrapping, clock: Callable[[], float], randomness: Callable[[int], bytes] = os.urandom, seconds: float = 3_600
    ) -> None:
        self._wrapping = wrapping
        self._clock = clock
        self._randomness = randomness
        self._seconds = seconds
        self._lock = threading.Lock()
        self._opened: dict[bytes, AESGCM] = {}
        self._key: DataKey | None = None
        self._since = 0.0
        self._sealed = 0

    def renew(self) -> bool:
        """Take a new data key where there is none or it is old; whether it did. It may wait for the Vault, so call it in a thread.

        Raises Unavailable: where there is a key it goes on, and it is to be asked again.
        """
        with self._lock:
            if self._key is not None and self._clock() - self._since < self._seconds and self._sealed < MOST_SEALED:
                return False
        made = self._wrapping.new()
        with self._lock:
            self._opened[made.wrapped] = AESGCM(made.plain)
            self._key, self._since, self._sealed = made, self._clock(), 0
        return True

    def seal(self, data: bytes) -> bytes:
        """Return data sealed. Raises Unavailable where there is no data key: `renew` has not been called, or failed."""
        with self._lock:
            key = self._key
            self._sealed += 1
        if key is None or self._sealed > 2 * MOST_SEALED:
            raise Unavailable("there is no data key to seal files on disk with: the Vault has not answered yet")
        head = MAGIC + LENGTH.pack(len(key.wrapped)) + key.wrapped
        nonce = self._randomness(NONCE_BYTES)
        return head + nonce + self._opened[key.wrapped].encrypt(nonce, data, head)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed. Raises Damaged where it was altered, Unavailable where the Vault must unwrap its key and is away."""
        head, wrapped = split(sealed)
        nonce = sealed[len(head) : len(head) + NONCE_BYTES]
        try:
            return self._cipher(wrapped).decrypt(nonce, sealed[len(head) + NONCE_BYTES :], head)
        except (InvalidTag, ValueError):
            raise Damaged("a sealed piece on disk was altered or is cut short: it can't be opened") from None

    def rewrap(self, sealed: bytes) -> bytes:
        """Return the same data sealed under a data key that the newest wrapping key wraps; for files that outlive a key's rotation."""
        return self.seal(self.open(sealed))

    def _cipher(self, wrapped: bytes) -> AESGCM:
        with self._lock:
            known = self._opened.get(wrapped)
        if known is None:
            known = AESGCM(self._wrapping.unwrap(wrapped))
            with self._lock:
                self._opened[wrapped] = known
        return known


def is_sealed(data: bytes) -> bool:
    """Whether it looks like a sealed piece; a frame that was written before sealing was switched on does not."""
    return data.startswith(MAGIC)


def split(sealed: bytes) -> tuple[bytes, bytes]:
    """Return a sealed piece's head and the wrapped key in it. Raises Damaged."""
    begin = len(MAGIC) + LENGTH.size
    if not is_sealed(sealed) or len(sealed) < begin:
        raise Damaged("what should be a sealed piece is none")
    (length,) = LENGTH.unpack_from(sealed, len(MAGIC))
    if len(sealed) < begin + length + NONCE_BYTES:
        raise Damaged("a sealed piece on disk is cut short: it can't be opened")
    return sealed[: begin + length], sealed[begin : begin + length]
