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


def tree(root: int) -> list[int]:
    """Return the numbers of a process and of all that descend from it now."""
    children: dict[int, list[int]] = defaultdict(list)
    for found in Path("/proc").iterdir():
        if found.name.isdigit():
            with suppress(OSError):
                children[int((found / "stat").read_text().rpartition(")")[2].split()[1])].append(int(found.name))
    numbers, waiting = [], [root]
    while waiting:
        numbers.append(waiting.pop())
        waiting += children[numbers[-1]]
    return numbers


def used(root: int) -> dict[str, Used]:
    """Return what each process of a tree has used, by its name; those of one name together."""
    ticks = os.sysconf("SC_CLK_TCK")
    found: dict[str, Used] = {}
    for number in tree(root):
        folder = Path(f"/proc/{number}")
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            pages = (folder / "smaps_rollup").read_text()
            memory = next(int(line.split()[1]) for line in pages.splitlines() if line.startswith("Pss:")) / KILOBYTES_IN_MEGABYTE
            name = _name((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            before = found.get(name, Used(0.0, 0.0))
            found[name] = Used(before.cpu + (int(fields[11]) + int(fields[12])) / ticks, before.memory + memory)
    return found


def _name(command: str) -> str:
    """Return what a command line is: the module that Python runs, or the server that Java does."""
    words = command.split()
    if "-m" in words[:-1]:
        return " ".join(words[words.index("-m") + 1 :][:2])
    if "java" in command:
        return "broker" if "kafka" in command.lower().split("registry")[0] and "registry" not in command.lower() else "registry"
    return words[0] if words else "?"
