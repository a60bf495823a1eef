"""What runs under a state folder, by the files that health pages write. For those who only look: it imports next to nothing."""

import contextlib
import json
import os
from pathlib import Path

from topology.state_folder import STAGES


def running(state_dir: Path) -> list[dict[str, str | int]]:
    """Return what runs under a state directory: stage, pid, url of each process that is alive; stale and torn files are removed."""
    found: list[dict[str, str | int]] = []
    for path in sorted((state_dir / STAGES).glob("*.json")):
        try:
            text, owner = path.read_text(), path.stat().st_uid
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            text, owner = "", os.geteuid()
        one = _stage_of(text)
        if one is not None and _is_alive(int(one["pid"]), owner):
            found.append(one)
        else:
            with contextlib.suppress(OSError):  # where the folder is another user's, it is theirs to clear
                path.unlink()
    return found


def _stage_of(text: str) -> dict[str, str | int] | None:
    try:
        one = json.loads(text)
        return {"stage": str(one["stage"]), "pid": int(one["pid"]), "url": str(one["url"])}
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def _is_alive(pid: int, owner: int) -> bool:
    """Whether a process runs that a user has started; a number that another user's process has now is not it."""
    if pid <= 0:  # to the system this means whole groups of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return owner != os.geteuid()
    return True
