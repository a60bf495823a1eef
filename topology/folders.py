"""Where things are kept that no setting places: under the home folder, or under state_dir where there is no such folder to write to."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from topology.errors import Fatal

NO_HOME = "there is no home folder (HOME is not set, and the system knows none of this user's)"


def state_folder() -> Path:
    """Return the default of state_dir; Fatal where there is no home folder."""
    return _home() / ".local" / "state" / "tidewire"


def cache_folder() -> Path:
    """Return the default of cache_dir; Fatal where there is no home folder."""
    return _home() / ".cache" / "tidewire"


def config_folder() -> Path:
    """Return where the local store of secrets and the queue of audit events are by default; Fatal where there is no home folder."""
    given = os.environ.get("XDG_CONFIG_HOME")
    return (Path(given) if given else _home() / ".config") / "tidewire"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a container's user without a name
        raise Fatal(f"{NO_HOME}: set state_dir (TIDEWIRE_STATE_DIR) to a folder of this user's, which then holds everything") from error


def placed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, before they are validated, with what the home folder can't hold put under `state_dir`, where that is set.

    What is written (cache, audit events) goes there where the home folder is not to be written to; what is read too (the local store of
    secrets) only where there is no home folder, for a read-only one may hold it.
    """
    found = dict(values)
    state, secrets = found.get("state_dir"), found.get("secrets", {})
    if not state or not isinstance(secrets, Mapping):
        return found
    folder = Path(str(state))
    if not is_writable(_or_nowhere(cache_folder)):
        found.setdefault("cache_dir", folder / "cache")
    config = _or_nowhere(config_folder)
    kept: dict[str, Path] = {}
    if config is None:
        kept |= {"folder": folder / "secrets", "key_file": folder / "secrets.key"}
    if not is_writable(config):
        kept["audit_queue"] = folder / "credential_audit.jsonl"
    if kept:
        found["secrets"] = kept | dict(secrets)
    return found


def _or_nowhere(default: Callable[[], Path]) -> Path | None:
    try:
        return default()
    except Fatal:
        return None


def is_writable(path: Path | None) -> bool:
    """Whether a folder can be written to, or made where it is not there."""
    if path is None:
        return False
    try:
        nearest = next(one for one in (path, *path.parents) if one.exists())
    except (OSError, StopIteration):
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def make(path: Path, setting: str) -> Path:
    """Make a folder and those above it; Fatal, naming the setting that places it, where that can't be or nothing can be written there."""
    variable = "TIDEWIRE_" + setting.upper().replace(".", "__")
    cure = f"set {setting} ({variable}) to a folder that can be written to"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(f"the folder {path} can't be made: {error.strerror}; {cure}") from error
    if not is_writable(path):
        raise Fatal(f"the folder {path} can't be written to; {cure}")
    return path
