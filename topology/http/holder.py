"""Who listens on a port that we want, where the system tells: Linux, of processes whose files we may look at."""

from collections.abc import Iterator
from pathlib import Path

from topology.terminal import printable

LISTENING = "0A"
PROCESSES = Path("/proc")


def holder(port: int) -> str:
    """Return who listens on a TCP port, as the end of a sentence; empty where it can't be known."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    if not wanted:
        return ""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            if any(str(one.readlink()) in wanted for one in (process / "fd").iterdir()):
                name = (process / "comm").read_bytes().decode(errors="replace").strip()
                return f"; process {process.name} ({printable(name)}) listens there"
        except OSError:  # another user's, or one that has just ended
            continue
    return ""


def _inodes(port: int) -> Iterator[str]:
    """Columns 2, 4 and 10 of proc_net_tcp(5): local address in hexadecimal, state, inode."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROCESSES / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]
