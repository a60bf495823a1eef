"""The key of the local store: where it comes from, and what is derived from it.

In this order: the environment's TIDEWIRE_SECRETS_KEY (base64 of 32 bytes), a key file that only its owner can read, the
operating system's keyring where the package `keyring` is installed and has a backend.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from topology.contents import content
from topology.secrets import keyring
from topology.secrets.errors import WrongKey

VARIABLE = "TIDEWIRE_SECRETS_KEY"
KEY_BYTES = 32
MOST_KEY_FILE = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it gives: one for encryption, one for integrity, and an id that says which key it is."""

    source: str
    """Where it came from, for people."""
    _master: bytes = field(repr=False)

    @property
    def encryption(self) -> bytes:
        """The AES-256 key of the values."""
        return self._derived(b"values")

    @property
    def wrapping(self) -> bytes:
        """The AES-256 key that wraps the data keys of files on disk."""
        return self._derived(b"data keys")

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits that tell keys apart and say nothing about one."""
        return self._derived(b"id").hex()[:16]

    def seal(self, text: bytes) -> str:
        """Return the code that shows whether a document was altered."""
        code = hmac.HMAC(self._derived(b"documents"), hashes.SHA256())
        code.update(text)
        return code.finalize().hex()

    def _derived(self, purpose: bytes) -> bytes:
        return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"tidewire local secrets: " + purpose).derive(self._master)


def find_key(key_file: Path, environment: Mapping[str, str] = os.environ) -> Key:
    """Return the key. Raises WrongKey where there is none, it is malformed, or its file is open to others."""
    if text := environment.get(VARIABLE):
        return Key(f"the environment's {VARIABLE}", decoded(text, VARIABLE))
    if (found := _from_file(key_file)) is not None:
        return Key(str(key_file), found)
    if text := _from_keyring():
        return Key(keyring.SOURCE, decoded(text, "the keyring's entry"))
    raise WrongKey(
        f"no key for the local secrets: neither {VARIABLE} nor {key_file} nor an entry in a keyring. "
        "`tidewire secrets init` makes a key file; or set secrets.address to use a Vault"
    )


def create_key_file(key_file: Path) -> bool:
    """Write a new random key, readable by its owner only; False, with nothing changed, where the file is there. Raises WrongKey."""
    try:
        key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise WrongKey(f"the key file {key_file} can't be made ({error.strerror}): name another by secrets.key_file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def decoded(text: str, source: str) -> bytes:
    """Return a key's bytes from its base64 form."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise WrongKey(f"{source} is no key: base64 of {KEY_BYTES} random bytes is wanted (`openssl rand -base64 32`)")
    return key


def _from_file(path: Path) -> bytes | None:
    try:
        text = content(path, MOST_KEY_FILE)
        mode = stat.S_IMODE(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WrongKey(f"the key file {path} can't be read ({error.strerror}): mend it, or name another by secrets.key_file") from error
    if mode & 0o077:
        raise WrongKey(f"{path} can be read or written by others (mode {mode:04o}): `chmod 600 {path}`, and think of the key as known")
    return decoded(text.decode(errors="replace"), str(path))


def _from_keyring() -> str | None:
    """Return the keyring's entry; None where the package or a backend is lacking."""
    try:
        return keyring.entry(keyring.KEY)
    except OSError:
        return None  # headless: no backend, so no key in it either
