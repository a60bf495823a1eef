"""What each stage must be allowed at the brokers, and nothing else: drawn from the flow, never typed. Pure.

Read and Write mean Describe too (Kafka's own rule), and idempotent producing needs no right of its own since Kafka 3.0 (KIP-679).
No stage writes in transactions, so none needs a transactional id.
"""

import shlex
from typing import Literal, NamedTuple

from dialects.catalogue import all_dialects
from schemas.catalogue import event
from topology.flow import BY_ALL, Stage, stages
from topology.topics import all_topics

Kind = Literal["topic", "group"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]
Manage = Literal["create", "verify", "off"]
MANAGING: tuple[Operation, ...] = ("Create", "DescribeConfigs", "AlterConfigs")


class Grant(NamedTuple):
    """One thing that somebody may do."""

    kind: Kind
    name: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.operation} {self.kind} {self.name}"


class Role(NamedTuple):
    """Somebody who logs in."""

    name: str
    """As a user may be called: `normalise`, `producers-kraken`."""
    stage: str
    venue: str
    grants: tuple[Grant, ...]


def grants(stage: Stage, venue: str = "", manage: Manage = "verify", *, shared: bool = False) -> tuple[Grant, ...]:
    """Return what a stage needs, of one venue where it is per venue.

    More where it manages its topics itself (`kafka.manage_topics`), and where several share a venue's symbols (`producer.shared`).
    """
    reads = [name for one in stage.reads for name in _topics(one)]
    others = _others(venue) if stage.per_venue else frozenset[str]()
    writes = [name for one in dict.fromkeys((*stage.writes, *BY_ALL)) if one not in others for name in _topics(one, venue)]
    if stage.changelog:
        reads.append(stage.changelog)
        writes.append(stage.changelog)
    found = [Grant("topic", name, "Read") for name in reads] + [Grant("topic", name, "Write") for name in writes]
    if stage.reads:
        found.append(Grant("group", stage.group_of(venue), "Read"))
    if shared and stage.shares:
        found.append(Grant("group", stage.sharing_group_of(venue), "Read"))
    if manage == "create":
        found += [Grant("topic", name, operation) for name in dict.fromkeys(reads + writes) for operation in MANAGING]
    return tuple(sorted(set(found)))


def _others(venue: str) -> frozenset[str]:
    """Return the events that other venues' frames become, and this venue's never."""
    dialects = all_dialects()
    known = dialects.get(venue)
    return frozenset() if known is None else frozenset(name for one in dialects.values() for name in one.events()) - known.events()


def makes_topics() -> tuple[Grant, ...]:
    """Return what whoever makes all topics needs (`tidewire topics --create`)."""
    names = (*all_topics(), *(stage.changelog for stage in stages().values() if stage.changelog))
    return tuple(sorted(Grant("topic", name, operation) for name in names for operation in (*MANAGING, "Describe")))


def looks_on() -> tuple[Grant, ...]:
    """Return what whoever only looks needs: how much there is, and how far each group has read (lag)."""
    groups = [stage.group_of(venue) for stage in stages().values() if stage.reads for venue in _venues(stage)]
    found = [Grant("topic", name, "Describe") for name in all_topics()] + [Grant("group", name, "Describe") for name in groups]
    return tuple(sorted(found))


def roles(manage: Manage = "verify", *, shared: bool = False) -> list[Role]:
    """Return everybody: a role for each process of each stage, then who makes the topics, and who looks on."""
    found = [
        Role("-".join(filter(None, (stage.name, venue))), stage.name, venue, grants(stage, venue, manage, shared=shared))
        for stage in stages().values()
        for venue in _venues(stage)
    ]
    return [*found, Role("topics", "", "", makes_topics()), Role("onlooker", "", "", looks_on())]


def commands(role: Role, user: str = "") -> list[str]:
    """Return the commands of Kafka's own tool that grant a role what it needs."""
    principal = shlex.quote(f"User:{user or role.name}")
    by_resource: dict[tuple[str, str], list[str]] = {}
    for one in role.grants:
        by_resource.setdefault((one.kind, one.name), []).append(f"--operation {one.operation}")
    return [
        f'kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$ADMIN" --add --allow-principal {principal} '
        f"{' '.join(operations)} --{kind} {shlex.quote(name)}"
        for (kind, name), operations in by_resource.items()
    ]


def _venues(stage: Stage) -> tuple[str, ...]:
    return tuple(all_dialects()) if stage.per_venue else ("",)


def _topics(name: str, venue: str = "") -> list[str]:
    """Return the topics of an event: of one venue, or of all."""
    if venue and name == "frame":
        return [event(name).topic.of(venue)]
    return [topic for topic, one in all_topics().items() if one.name == name]
