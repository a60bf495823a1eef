"""What Tidewire keeps in its state folder: each name that stands there, once, and the mark by which the folder is known as its own."""

from pathlib import Path

from topology.folders import make

STAGES = "stages"
ALIVE = "alive"
SPILL = "spill"
FAUST = "faust"
LOGS = "logs"
KAFKA = "kafka"
REGISTRY = "registry"
CLICKHOUSE = "clickhouse"
ADDRESSES = "addresses.json"
PORTS = "ports.json"
UP_LOCK = "up.lock"
STACK_LOCK = "stack.lock"
MARK = ".tidewire"
"""An empty file: Tidewire found nothing in this folder when it began to use it, or made it."""

BEGUN_ANEW = frozenset({STAGES, ALIVE, SPILL, FAUST, LOGS, KAFKA, REGISTRY, CLICKHOUSE, ADDRESSES, PORTS, "addresses.new", "ports.new"})
"""What `tidewire up --fresh` deletes; `.new` is left of a write that was cut short (topology/private.py)."""
LOCKS = frozenset({UP_LOCK, STACK_LOCK})
PLACED = ("cache", "secrets", "credential_audit.jsonl")
"""How the names begin that folders.placed() puts here where there is no home folder: none of them is deleted."""


def take_up(folder: Path) -> Path:
    """Make the state folder where it is missing, and mark it where it is Tidewire's own; return it. The mode of one that is there stays.

    Raises Fatal where it can't be made or written to.
    """
    make(folder, "state_dir")
    if not strangers(folder):
        (folder / MARK).touch(mode=0o600)
    return folder


def strangers(folder: Path) -> list[str]:
    """Return the names for which a folder can't be taken for Tidewire's own; none where it has the mark, or is empty.

    A folder of a version that set no mark is known by a lock file, with nothing beside it that Tidewire does not make.
    """
    names = {path.name for path in folder.iterdir()}
    if MARK in names or not names:
        return []
    foreign = {name for name in names - BEGUN_ANEW - LOCKS if not name.startswith(PLACED)}
    return sorted(foreign or (set() if names & LOCKS else names))
