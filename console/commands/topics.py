"""`tidewire topics`: every topic, what it carries, who writes and reads it, and how much is in it."""

from collections import Counter
from typing import Any

from schemas.catalogue import Event
from topology.flow import stages
from topology.lag import Offsets
from topology.registry import Registry
from topology.settings import Settings
from topology.topics import all_topics, create_changelogs, register
from topology.topics import create as create_topics


def described(name: str, event: Event) -> dict[str, Any]:
    """Return what is known of a topic without asking a broker."""
    return {
        "topic": name,
        "event": event.name,
        "key": "|".join(event.topic.key),
        "partitions": event.topic.partitions,
        "retention_days": event.topic.retention_days,
        "written_by": [stage.name for stage in stages().values() if event.name in stage.writes],
        "read_by": [stage.name for stage in stages().values() if event.name in stage.reads],
        "meaning": event.schema["doc"],
    }


def create(settings: Settings) -> list[str]:
    """Make every topic and the state of every processor that is not there, and register the schemas; return what was done, in words."""
    wanted = all_topics()
    done = create_topics(settings.kafka, wanted)
    states = {
        stage.changelog: [topic for topic, event in wanted.items() if event.name in stage.reads]
        for stage in stages().values()
        if stage.changelog
    }
    done += create_changelogs(settings.kafka, states)
    registry = Registry(settings.registry.model_copy(update={"schemas": "register"}))
    return [*done, f"{len(register(registry, wanted))} schemas registered"]


def topics(settings: Settings) -> list[dict[str, Any]]:
    """Return every topic; `messages` is what the broker holds now, null where the topic is not there or no broker is known.

    `partitions` are those at the broker, where it has the topic; else those it would be created with.
    """
    found = [described(name, event) for name, event in all_topics().items()]
    if settings.kafka.partitions:
        found = [one | {"partitions": settings.kafka.partitions} for one in found]
    counts: dict[str, int] = {}
    partitions: Counter[str] = Counter()
    if settings.kafka.brokers:
        offsets = Offsets(settings.kafka)
        places = offsets.partitions(one["topic"] for one in found)
        partitions.update(topic for topic, _ in places)
        begins = offsets.begins(places)
        for place, end in offsets.ends(places).items():
            counts[place[0]] = counts.get(place[0], 0) + end - begins[place]
        offsets.close()
    return [one | {"partitions": partitions[one["topic"]] or one["partitions"], "messages": counts.get(one["topic"])} for one in found]
