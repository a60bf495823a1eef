"""Who reads and writes what: gathered from the `STAGE` each stage package declares, never from a list kept by hand."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

from schemas.catalogue import event, events, stored_events

ROOMS = ("producers", "processors", "sinks")
STATEFUL = "processors"
"""The room whose stages keep a state in Kafka."""
BY_ALL = ("dead_letter", "credential_audit")
"""What every stage may write: what it could not use, and which secrets it has read."""


def changelog_of(stage: str) -> str:
    """Return the topic in which a processor's state is kept, as Faust names it."""
    return f"tidewire.{stage}-state-changelog"


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage as its package's `__init__` declares it. `reads` and `writes` are names of events (schemas/avro)."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    outside: str = ""
    """What it speaks to that is not Kafka, as the drawing calls it."""
    group: str = ""
    """Its consumer group, with `{venue}` where each venue's process has one of its own; empty: `tidewire.<name>`."""
    per_venue: bool = False
    """Each venue by itself; a process carries those that are its arguments."""
    shares: str = ""
    """The group, with `{venue}`, in which those share a venue's symbols that are set to (`producer.shared`)."""
    background: bool = False
    """Nobody waits for its work by the millisecond: it reads in larger batches, and on one machine the others go first."""
    package: str = ""
    """Where it was found; filled in by `stages`."""

    @property
    def consumer_group(self) -> str:
        """The consumer group of a stage that serves all venues; see `group_of`."""
        return self.group_of()

    def group_of(self, venue: str = "") -> str:
        """Return the consumer group whose lag is this stage's, of one venue where it is per venue."""
        return (self.group or f"tidewire.{self.name}").format(venue=venue)

    def sharing_group_of(self, venue: str) -> str:
        """Return the group in which several of a venue share its symbols."""
        return self.shares.format(venue=venue)

    @property
    def changelog(self) -> str:
        """The topic of its state; empty where it keeps none in Kafka."""
        return changelog_of(self.name) if self.package.partition(".")[0] == STATEFUL else ""

    def child(self, venue: str = "") -> str:
        """Return what its work is called, everywhere: of a venue where it runs once a venue (`producers-kraken`), else its own name."""
        return f"{self.name}-{venue}" if self.per_venue else self.name

    @property
    def runs(self) -> bool:
        """Whether it can be started: `python -m <package>` exists."""
        return importlib.util.find_spec(f"{self.package}.__main__") is not None


@cache
def stages() -> Mapping[str, Stage]:
    """Return every stage by name in the order of the flow: what is read is written before, producers come first."""
    found = [stage for room in ROOMS for stage in _declared(room)]
    return MappingProxyType({stage.name: stage for stage in in_order(found)})


def _declared(package: str) -> list[Stage]:
    """Return the stages declared in a package and the packages inside it."""
    if importlib.util.find_spec(package) is None:
        return []
    module = importlib.import_module(package)
    declared = getattr(module, "STAGE", None)
    found = [_placed(declared, package)] if isinstance(declared, Stage) else []
    for inner in pkgutil.iter_modules(module.__path__):
        if inner.ispkg:
            found += _declared(f"{package}.{inner.name}")
    return found


def _placed(stage: Stage, package: str) -> Stage:
    for name in (*stage.reads, *stage.writes):
        event(name)  # a name that no schema has is an error here
    return replace(stage, package=package)


def in_order(found: Iterable[Stage]) -> list[Stage]:
    """Order stages so that each comes after those that write what it reads, as far as the flow has no circle.

    A circle (gaps go back to the producers, which fill them) is cut at the stage that stands in it first by room.
    """
    waiting, done = list(found), list[Stage]()
    while waiting:
        for stage in waiting:
            others = [other for other in waiting if other is not stage]
            if not any(set(other.writes) & set(stage.reads) - {"dead_letter"} for other in others):
                break
        else:
            stage = waiting[0]
        waiting.remove(stage)
        done.append(stage)
    return done


def orphans(found: Iterable[Stage]) -> list[str]:
    """Return what is wrong with the flow, in words: events nobody writes, and events nobody reads that are not public.

    A stage that reads every event that is stored keeps them; it makes nothing of one, so an event that it alone reads is read by nobody.
    """
    declared = list(found)
    written = {name for stage in declared for name in stage.writes}
    read = {name for stage in declared if not set(stage.reads) >= set(stored_events()) for name in stage.reads}
    wrong = [f"{name} is written by no stage" for name in events() if name not in written]
    return wrong + [f"{name} is read by no stage and not public" for name, one in events().items() if not one.public and name not in read]
