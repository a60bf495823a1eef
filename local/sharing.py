"""Which process does whose work: venues, and stages of the background, share processes as the settings and the machine's cores have it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from local.stage_process import StageProcess
from topology.flow import STATEFUL, Stage
from topology.settings import Settings

CORES_A_PROCESS = 4
"""A venue's feed is a few per cent of a core at most times; an interpreter of its own costs more memory."""
CORES_OF_THE_BACKGROUND = 2
"""The same of stages of the background, which a backlog can fill a core with each."""


class Shared(NamedTuple):
    """A process to be: `python -m package arguments`, which does the work of `children`, by the name of each."""

    name: str
    package: str
    arguments: tuple[str, ...]
    children: dict[str, Stage]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_of(chosen: Sequence[Stage], venues: Iterable[str], settings: Settings, available: int) -> list[Shared]:
    """Return the processes that do the work of the stages, in the order of these; a shared one stands where its first stage does."""
    found: list[Shared] = []
    carried = tuple(venues)
    background = [stage.name for stage in chosen if _is_of_the_background(stage)]
    hosts = {names[0]: names for names in shared_out(background, settings.processors.processes, available, CORES_OF_THE_BACKGROUND)}
    for stage in chosen:
        if stage.per_venue:
            shares = shared_out(carried, settings.producer.processes, available)
            for number, own in enumerate(shares, 1):
                children = {stage.child(venue): stage for venue in own}
                found.append(Shared(process_name(stage.name, list(children), number, len(shares)), stage.package, own, children))
        elif stage.name not in background or len(hosts.get(stage.name, ())) == 1:
            found.append(Shared(stage.name, stage.package, (), {stage.name: stage}))
        elif stage.name in hosts:
            names = hosts[stage.name]
            name = process_name(STATEFUL, names, list(hosts).index(stage.name) + 1, len(hosts))
            found.append(Shared(name, STATEFUL, names, {one.name: one for one in chosen if one.name in names}))
    return found


def _is_of_the_background(stage: Stage) -> bool:
    """Whether it can share a process with its like (processors/engine/hosting.py), and nobody waits for it by the millisecond."""
    return stage.background and bool(stage.changelog)


def shared_out(those: Iterable[str], processes: int, available: int, cores_each: int = CORES_A_PROCESS) -> list[tuple[str, ...]]:
    """Return whose work each process does: as many processes as asked for, or by the cores where that is 0; at most one each."""
    everyone = tuple(those)
    count = min(len(everyone), processes or max(1, available // cores_each))
    return [everyone[first::count] for first in range(count)]


def by_process(processes: Mapping[str, StageProcess]) -> dict[StageProcess, list[str]]:
    """Return the names of those that each process does the work of; each process once, in order."""
    found: dict[StageProcess, list[str]] = {}
    for name, process in processes.items():
        found.setdefault(process, []).append(name)
    return found


def process_name(together: str, children: Sequence[str], number: int, processes: int) -> str:
    """Return what the process of one or several is called: as the one, as all `together`, or as one of several of those."""
    if len(children) == 1:
        return children[0]
    return together if processes == 1 else f"{together}-{number}"
