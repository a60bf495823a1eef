"""`tidewire run STAGE`: one stage as this very process, which is what compose and Kubernetes start."""

import runpy
import sys
from collections.abc import Sequence

from dialects.catalogue import all_dialects
from topology.addresses import export, located
from topology.errors import Fatal
from topology.flow import Stage, stages
from topology.settings import Settings
from topology.settings import settings as read


def find(name: str) -> Stage:
    """Return the stage of a name; Fatal names those there are."""
    try:
        return stages()[name]
    except KeyError:
        raise Fatal(f"no stage is called {name!r}; there are {', '.join(stages())}") from None


def run(settings: Settings, name: str, venues: Sequence[str]) -> None:
    """Become the stage: this returns when it has stopped, or ends the process with its exit code. Raises Fatal."""
    stage = find(name)
    if stage.per_venue and (not venues or set(venues) - set(all_dialects())):
        raise Fatal(f"{name} carries venues: tidewire run {name} VENUE …, of {', '.join(all_dialects())}")
    if venues and not stage.per_venue:
        raise Fatal(f"{name} serves all venues: leave {' '.join(venues)} out")
    if not stage.runs:
        raise Fatal(f"{stage.package} has no __main__ to run")
    export(located(settings))
    read.cache_clear()  # the stage reads them anew, with the addresses in the environment
    sys.argv = [stage.package, *venues]
    runpy.run_module(stage.package, run_name="__main__", alter_sys=True)
