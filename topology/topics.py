"""Create the topics and register the schemas: idempotent, and never less than what is there. Or see that somebody else has."""

import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from dialects.catalogue import all_dialects
from schemas.catalogue import Event, topics
from topology.errors import Fatal, Retry
from topology.login import NOT_ALLOWED, connection, made, refusal
from topology.registry import Registry
from topology.settings import Kafka

DAY_MS = 86_400_000
SECONDS_TO_BE_LISTED = 30.0
SECONDS_FOR_CONTROLLER = 3.0
"""What a controller may take to say what topics are."""
STAMPED = {"message.timestamp.type": "LogAppendTime"}
"""By the broker, as it appends. By a client's clock, a record of one that is more than an hour ahead would be refused
(message.timestamp.after.max.ms), and what one sent that is behind would be deleted before its time."""
CHANGELOG = STAMPED | {
    "segment.ms": "60000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
    "max.message.bytes": "16000000",
}
"""Configuration of a state's topic: compacted within minutes, so that recovery reads little more than one value per key."""


def all_topics(venues: Iterable[str] | None = None) -> Mapping[str, Event]:
    """Return every topic with its event, for the given venues or every dialect there is."""
    return topics(venues if venues is not None else tuple(all_dialects()))


def durability(kafka: Kafka) -> dict[str, str]:
    """Return what is said of each topic about how many replicas must have a record: nothing where that is left to the brokers."""
    wanted = kafka.min_insync_replicas or (kafka.replication_factor // 2 + 1 if kafka.replication_factor > 1 else 0)
    return {"min.insync.replicas": str(wanted)} if wanted else {}


def config_of(event: Event, kafka: Kafka) -> dict[str, str]:
    """Return the broker-side settings of an event's topic."""
    return (
        STAMPED
        | durability(kafka)
        | {
            "retention.ms": str(event.topic.retention_days * DAY_MS),
            "max.message.bytes": str(kafka.message_max_bytes),
            "compression.type": "producer",
            "cleanup.policy": "delete",
            "segment.bytes": "268435456",
        }
    )


def create(kafka: Kafka, wanted: Mapping[str, Event]) -> list[str]:
    """Create what is missing and alter what differs; return what was changed, in words.

    The partitions of a schema are those a topic is created with; the count of one that is there is the truth, and is never changed:
    a key's records would lie in two partitions, and the state of the stages is kept by partition. Fatal where
    `kafka.partitions` is set and a topic has another count.
    """
    admin = made(AdminClient, connection(kafka))
    try:
        there = admin.list_topics(timeout=15).topics
    except KafkaException as error:
        raise Fatal(f"no Kafka broker answers at {kafka.brokers!r} (kafka.brokers): {error.args[0].str()}") from error
    changes: list[str] = []
    new = [
        NewTopic(name, kafka.partitions or event.topic.partitions, kafka.replication_factor, config=config_of(event, kafka))
        for name, event in wanted.items()
        if name not in there
    ]
    if new:
        for name, future in admin.create_topics(new, request_timeout=30).items():
            try:
                future.result()
                changes.append(f"created {name}")
            except KafkaException as error:
                if error.args[0].code() in NOT_ALLOWED:
                    raise Fatal(_unmanaged(error, kafka, f"Create topic {name}")) from error
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise Fatal(f"topic {name} could not be created: {error.args[0].str()}") from error
        _await(admin, {one.topic for one in new})
    changes += _alter(admin, kafka, {name: event for name, event in wanted.items() if name in there})
    for name, event in wanted.items():
        count = kafka.partitions or event.topic.partitions
        found = len(there[name].partitions) if name in there else count
        if found != count and kafka.partitions:
            raise Fatal(
                f"{name} has {found} partitions and is to have {count}: set kafka.partitions (TIDEWIRE_KAFKA__PARTITIONS) to {found}, "
                "or begin anew with `tidewire up --fresh`"
            )
    return changes


class Described(NamedTuple):
    """What a topic is at the broker now."""

    topic_id: str
    """Given anew whenever a topic of that name is created (KIP-516); empty where the broker gives none."""
    partitions: int


class Descriptions:
    """Asks the broker what topics are; one connection to each, for any thread. `timeout` in seconds.

    librdkafka asks the controller, which it takes to be the one it last heard of, and never asks anew while that is away: so it gets
    three seconds, and then any broker is asked which it is now.
    """

    def __init__(self, kafka: Kafka, timeout: float = 10.0) -> None:
        self._kafka = kafka
        self._timeout = timeout
        # Where it connects only as needed, it tries a controller that is away thousands of times a second: half a core for each who asks.
        own = {"log_level": 2, "reconnect.backoff.max.ms": 1_000, "enable.sparse.connections": False}
        self._admin = made(AdminClient, connection(kafka) | own)

    def of(self, names: Iterable[str]) -> dict[str, Described]:
        """Return what each topic is, those that are not there left out; Retry where the broker does not say."""
        asked, until = list(names), time.monotonic() + self._timeout
        while (found := self._ask(asked)) is None:
            if time.monotonic() >= until:
                raise self._silent("what topics are", "its controller does not answer")
            self._find_controller()
        return found

    def _ask(self, names: list[str]) -> dict[str, Described] | None:
        """Ask whom we take for the controller; None where it does not answer."""
        found: dict[str, Described] = {}
        seconds = min(self._timeout, SECONDS_FOR_CONTROLLER)
        for name, future in self._admin.describe_topics(TopicCollection(names), request_timeout=seconds).items():
            try:
                one = future.result()
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError._TIMED_OUT:  # noqa: SLF001 - librdkafka's own codes are named so
                    return None
                if code != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._silent(f"what {name} is", refusal(error.args[0], self._kafka, f"Describe topic {name}")) from error
            else:
                given = one.topic_id.get_most_significant_bits() or one.topic_id.get_least_significant_bits()
                found[name] = Described(str(one.topic_id) if given else "", len(one.partitions))
        return found

    def _find_controller(self) -> None:
        """Learn from any broker that answers which of them is the controller now."""
        try:
            self._admin.list_topics(timeout=self._timeout)
        except KafkaException as error:
            raise self._silent("which of them is the controller", refusal(error.args[0], self._kafka)) from error

    def _silent(self, what: str, reason: str) -> Retry:
        return Retry(f"the broker at {self._kafka.brokers} (kafka.brokers) did not say {what}: {reason}")


def agreed_partitions(stage: str, sources: Mapping[str, int], changelog: str, kept: int | None) -> int:
    """Return how many partitions each topic of a stage has, and so its state.

    `sources`: partitions by topic; `kept`: those of its changelog, None where there is none. A stage's state moves between its workers
    together with the partition of the same number, so that all must have the same count. Fatal where they have not.
    """
    counts = set(sources.values())
    if len(counts) != 1:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(sources.items()))
        raise Fatal(
            f"the topics that {stage} reads must have the same number of partitions, and {listed}: make those that differ anew with the "
            "same count (kafka.partitions is what topics are created with; `tidewire up --fresh` makes all anew)"
        )
    (count,) = counts
    if kept is not None and kept != count:
        raise Fatal(
            f"{stage} keeps its state in {kept} partitions ({changelog}), and its topics ({', '.join(sorted(sources))}) have {count}: "
            f"the records of a key now lie in two of them, where no state can follow. Make the topics anew with {kept} partitions, or "
            f"make them anew with {count} and delete {changelog} (`tidewire up --fresh` does it for all)"
        )
    return count


def _await(admin: AdminClient, names: set[str]) -> None:
    """Wait until the broker lists the topics it has made: it answers before it does, and who subscribes in between gets nothing."""
    deadline = time.monotonic() + SECONDS_TO_BE_LISTED
    while missing := names - {name for name, topic in admin.list_topics(timeout=15).topics.items() if topic.partitions}:
        if time.monotonic() > deadline:
            raise Retry(f"topics were created and are not there after {SECONDS_TO_BE_LISTED:.0f} s: {', '.join(sorted(missing))}")
        time.sleep(0.05)


def _alter(admin: AdminClient, kafka: Kafka, wanted: Mapping[str, Event]) -> list[str]:
    if not wanted:
        return []
    resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in wanted}
    try:
        current = {resource.name: future.result() for resource, future in admin.describe_configs(list(resources.values())).items()}
    except KafkaException as error:
        if error.args[0].code() in NOT_ALLOWED:
            raise Fatal(_unmanaged(error, kafka, "DescribeConfigs")) from error
        raise Retry(f"the broker did not say how its topics are set (kafka.brokers): {error.args[0].str()}") from error
    changes: list[str] = []
    alterations: list[ConfigResource] = []
    for name, event in wanted.items():
        differing = {
            key: value for key, value in config_of(event, kafka).items() if key in current[name] and current[name][key].value != value
        }
        if differing:
            entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in differing.items()]
            alterations.append(ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries))
            changes += [f"{name}: {key} {current[name][key].value} → {value}" for key, value in differing.items()]
    if alterations:
        for resource, future in admin.incremental_alter_configs(alterations).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() in NOT_ALLOWED:
                    raise Fatal(_unmanaged(error, kafka, f"AlterConfigs topic {resource.name}")) from error
                raise Fatal(f"topic {resource.name} could not be altered: {error.args[0].str()}") from error
    return changes


def _unmanaged(error: KafkaException, kafka: Kafka, what: str) -> str:
    return f"{refusal(error.args[0], kafka, what)}; where somebody else makes the topics, set kafka.manage_topics to verify"


def prepare(kafka: Kafka, wanted: Mapping[str, Event]) -> list[str]:
    """Do what `kafka.manage_topics` says for topics: create them, see that they are there (Fatal where not), or nothing.

    Returns what was changed, in words.
    """
    if kafka.manage_topics == "create":
        return create(kafka, wanted)
    if kafka.manage_topics == "verify":
        verify(kafka, wanted)
    return []


def verify(kafka: Kafka, wanted: Mapping[str, Event]) -> None:
    """Raise Fatal where a topic is not there, or has another count of partitions than `kafka.partitions` says where that is set."""
    there = Descriptions(kafka).of(wanted)
    if missing := [name for name in wanted if name not in there]:
        raise Fatal(
            f"topics that are not there, or that {kafka.sasl_username or 'this client'} may not describe: {', '.join(missing)}: "
            "make them (`tidewire topics --create`), or set kafka.manage_topics to create"
        )
    for name, one in there.items():
        if kafka.partitions and one.partitions != kafka.partitions:
            raise Fatal(
                f"{name} has {one.partitions} partitions and is to have {kafka.partitions}: set kafka.partitions "
                f"(TIDEWIRE_KAFKA__PARTITIONS) to {one.partitions}, or to 0 for what is there"
            )


def create_changelogs(kafka: Kafka, wanted: Mapping[str, Iterable[str]]) -> list[str]:
    """Create the topics of states that are not there, by name with the topics that the stage reads; return what was created, in words.

    Each has as many partitions as those: Fatal where they differ (see `agreed_partitions`).
    """
    described = Descriptions(kafka).of({topic for sources in wanted.values() for topic in sources} | set(wanted))
    admin, new = made(AdminClient, connection(kafka)), list[NewTopic]()
    for changelog, sources in wanted.items():
        counts = {topic: described[topic].partitions for topic in sources if topic in described}
        kept = described[changelog].partitions if changelog in described else None
        count = agreed_partitions(changelog, counts, changelog, kept)
        if kept is None:
            config = CHANGELOG | durability(kafka) | {"cleanup.policy": "compact"}
            new.append(NewTopic(changelog, count, kafka.replication_factor, config=config))
    for name, future in admin.create_topics(new, request_timeout=30).items() if new else ():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise Fatal(f"topic {name} could not be created: {refusal(error.args[0], kafka, f'Create topic {name}')}") from error
    return [f"created {one.topic}" for one in new]


def register(registry: Registry, wanted: Mapping[str, Event]) -> dict[str, int]:
    """Register every topic's schema, or look them up where the settings say so; return the schema id by topic."""
    if registry.registers:
        registry.set_compatibility("BACKWARD_TRANSITIVE")
    return {name: registry.register(name, event) for name, event in wanted.items()}
