"""The operating system's keyring, where the package `keyring` is installed and has a backend (a Secret Service, macOS' Keychain)."""

import errno
import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

SOURCE: Final = "the operating system's keyring"
SERVICE = "tidewire"
KEY = "secrets-key"
GENERATIONS = "secrets-generations"


def entry(name: str) -> str | None:
    """Return an entry, null where there is none. Raises OSError, in words, where the package or its backend is lacking or locked."""
    with _asked() as ring:
        found: str | None = ring.get_password(SERVICE, name)
    return found


def keep(name: str, text: str) -> None:
    """Write an entry. Raises OSError as `entry` does."""
    with _asked() as ring:
        ring.set_password(SERVICE, name, text)


@contextmanager
def _asked() -> Iterator[Any]:
    if importlib.util.find_spec("keyring") is None:
        raise OSError(errno.ENOENT, "the package keyring is not installed")
    errors = importlib.import_module("keyring.errors")
    try:
        yield importlib.import_module("keyring")
    except errors.KeyringError as error:
        raise OSError(errno.EIO, f"the keyring says {type(error).__name__}: is it unlocked, and has it a backend?") from None
