"""What a processor needs of the broker before it starts: the right to do what it does, and its topics, all cut alike."""

from topology.access import ensure_allowed
from topology.errors import Fatal
from topology.flow import BY_ALL, changelog_of, stages
from topology.grants import grants
from topology.settings import Kafka
from topology.topics import Descriptions, agreed_partitions, all_topics, prepare


def prepared(kafka: Kafka, name: str, topics: tuple[str, ...]) -> int:
    """See that we may do what the flow says of a stage, and that its topics are there (`kafka.manage_topics`); see `partitions_of`."""
    wanted = all_topics()
    if (declared := stages().get(name)) is not None:
        ensure_allowed(kafka, grants(declared, manage=kafka.manage_topics), name)
        own = {*declared.reads, *declared.writes, *BY_ALL}
        wanted = {topic: event for topic, event in wanted.items() if event.name in own}
    prepare(kafka, wanted)
    return partitions_of(kafka, name, topics)


def partitions_of(kafka: Kafka, name: str, topics: tuple[str, ...]) -> int:
    """Return how many partitions the topics of a stage have, all alike; Fatal with the cure where they or its changelog differ."""
    changelog = changelog_of(name)
    found = Descriptions(kafka).of((*topics, changelog))
    if missing := [topic for topic in topics if topic not in found]:
        raise Fatal(
            f"{name} reads topics that are not there: {', '.join(missing)} (`tidewire up` or any stage creates those of the schemas)"
        )
    kept = found.pop(changelog, None)
    if kept is None and kafka.manage_topics != "create":
        raise Fatal(
            f"{name} keeps its state in {changelog}, which is not there: make it (`tidewire topics --create`; compacted, with as many "
            "partitions as the topics that it reads), or set kafka.manage_topics to create"
        )
    return agreed_partitions(name, {topic: one.partitions for topic, one in found.items()}, changelog, kept and kept.partitions)
