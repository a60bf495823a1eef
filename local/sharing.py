"""Which process does whose work: stages that run once a venue share processes, as the settings and the machine's cores have it."""

import os
from collections.abc import Iterable, Mapping, Sequence

from local.stage_process import StageProcess

CORES_A_PROCESS = 4
"""A venue's feed is a few per cent of a core at most times; an interpreter of its own costs more memory than the feed."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_out(venues: Iterable[str], processes: int, available: int) -> list[tuple[str, ...]]:
    """Return the venues of each process: as many processes as asked for, or by the cores where that is 0; at most one a venue."""
    everyone = tuple(venues)
    count = min(len(everyone), processes or max(1, available // CORES_A_PROCESS))
    return [everyone[first::count] for first in range(count)]


def by_process(processes: Mapping[str, StageProcess]) -> dict[StageProcess, list[str]]:
    """Return the names of those that each process does the work of; each process once, in order."""
    found: dict[StageProcess, list[str]] = {}
    for name, process in processes.items():
        found.setdefault(process, []).append(name)
    return found


def process_name(stage: str, children: Sequence[str], number: int, processes: int) -> str:
    """Return what the process of one or several of a stage's children is called: as the one, as the stage, or as one of several."""
    if len(children) == 1:
        return children[0]
    return stage if processes == 1 else f"{stage}-{number}"
