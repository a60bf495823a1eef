"""What a tree of processes has used: CPU seconds and memory, by what each is."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KILOBYTES_IN_MEGABYTE = 1024


class Used(NamedTuple):
    """CPU seconds from the start; memory in MB, of which what several processes share counts in parts (proportional set size)."""

    cpu: float
    memory: float


def stat(number: int) -> list[str]:
    """Return /proc/<number>/stat from the state on (0: state, 1: parent, 11 to 14: CPU of itself and of children it has waited for).

    Nothing where there is no such process any more.
    """
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root: int) -> list[int]:
    """Return the numbers of a process and of all that descend from it now, itself first."""
    children: dict[int, list[int]] = defaultdict(list)
    for found in Path("/proc").iterdir():
        if found.name.isdecimal() and (fields := stat(int(found.name))):
            children[int(fields[1])].append(int(found.name))
    numbers = [root]
    for number in numbers:
        numbers += children[number]
    return numbers


def used(root: int) -> dict[str, Used]:
    """Return what each process of a tree has used, by its name; those of one name together."""
    ticks = os.sysconf("SC_CLK_TCK")
    found: dict[str, Used] = {}
    for number in tree(root):
        folder = Path(f"/proc/{number}")
        with suppress(OSError):
            pages = (folder / "smaps_rollup").read_text()
            memory = next(int(line.split()[1]) for line in pages.splitlines() if line.startswith("Pss:")) / KILOBYTES_IN_MEGABYTE
            name = _name((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            before = found.get(name, Used(0.0, 0.0))
            found[name] = Used(before.cpu + sum(map(int, stat(number)[11:13])) / ticks, before.memory + memory)
    return found


def _name(command: str) -> str:
    """Return what a command line is: the module or the file that Python runs, or the server that Java does; never where it lies."""
    words = command.split()
    if "-m" in words[:-1]:
        return " ".join(words[words.index("-m") + 1 :][:2])
    if "java" in command:
        return "registry" if "registry" in command else "broker"
    return Path(next((word for word in words[1:] if word.endswith(".py")), words[0])).name if words else "?"
