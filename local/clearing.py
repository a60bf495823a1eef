"""A state folder is begun anew: what Tidewire keeps there is deleted, and nothing else, once nothing runs in it."""

import shutil
from contextlib import ExitStack
from pathlib import Path

from topology import state_folder
from topology.errors import Fatal
from topology.running import running
from topology.secrets.files import exclusive_or_none

MOST_NAMED = 3


def clear(folder: Path) -> None:
    """Delete what Tidewire keeps in its state folder; its lock files stay, and a link is deleted as a link.

    Raises Fatal, with nothing deleted, where the folder is not known as Tidewire's own or something runs in it.
    """
    if not folder.is_dir():
        return
    if names := state_folder.strangers(folder):
        some = ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")
        raise Fatal(
            f"{folder} holds {some}, and no mark ({state_folder.MARK}) that it is Tidewire's own: nothing was deleted. "
            "Set state_dir (TIDEWIRE_STATE_DIR) to a folder of its own, or delete by hand what may go"
        )
    with ExitStack() as held:
        _lock(folder / state_folder.UP_LOCK, f"another `tidewire up` runs in {folder}", held)
        _lock(folder / state_folder.STACK_LOCK, f"a stack runs in {folder}", held)
        for one in running(folder):
            file = folder / state_folder.STAGES / f"{one['stage']}-{one['pid']}.json"
            raise Fatal(
                f"{one['stage']} (process {one['pid']}) runs in {folder}: stop it first; nothing was deleted. "
                f"If that process is another program, delete {file}"
            )
        for lock in sorted((folder / state_folder.SPILL).glob("*/*/lock")):
            if lock.is_file():
                _lock(lock, f"a producer runs in {folder} and holds {lock.parent}", held)
        for path in sorted(folder.iterdir()):
            if path.name in state_folder.BEGUN_ANEW:
                _delete(path)


def _lock(path: Path, otherwise: str, held: ExitStack) -> None:
    if not held.enter_context(exclusive_or_none(path)):
        raise Fatal(f"{otherwise}: stop it first; nothing was deleted")


def _delete(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise Fatal(f"{error.filename or path} can't be deleted ({error.strerror}): delete {path} by hand, then start again") from error
