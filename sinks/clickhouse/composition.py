"""Put the sink together from its settings."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from schemas.catalogue import Event, event
from schemas.events import Gap
from sinks.clickhouse import STAGE as DECLARED
from sinks.clickhouse.reader import group_consumer
from sinks.clickhouse.stage import STAGE, Outlets, Stage
from sinks.clickhouse.writer import Writer
from topology import clock
from topology.damage import readable_now
from topology.dead_letters import DeadLetters
from topology.faults import Faults
from topology.kafka import GATHER_BYTES, Publisher
from topology.registry import Registry
from topology.settings import Settings
from topology.topics import Descriptions


def outlets_of(settings: Settings, registry: Registry, stop: threading.Event, stage: str = STAGE) -> Outlets:
    """Return what publishes dead letters and gaps; Retry where the registry is away."""
    publisher = Publisher(settings.kafka)
    letters = partial(DeadLetters, publisher, registry, stage, clock.now, settings.sink.reject_share)
    gap = event("gap")
    try:
        letters()  # the registry is asked here, where it may be waited for
        codec = registry.codec(gap.topic.of(), gap)
    except BaseException:  # Ctrl-C too: no thread of the publisher is left
        publisher.close()
        raise

    def publish_gap(record: Gap) -> None:
        publisher.publish(gap.topic.of(), gap.topic.key_of(record), codec.encode(record))

    return Outlets(publisher, letters, publish_gap, stop)


def compose(
    settings: Settings,
    writer: Writer,
    outlets: Outlets,
    topics: Mapping[str, Event],
    stop: threading.Event,
    faults: Faults,
    unprepared: Mapping[str, Exception],
    group: str = DECLARED.consumer_group,
    around: Callable[[Any], Any] = lambda consumer: consumer,
    beat: Callable[[], None] = lambda: None,
) -> Stage:
    """Return the sink of a group; `around` wraps its consumer, for tests."""
    reader = group_consumer(settings.kafka, group, fetch_min_bytes=GATHER_BYTES, fetch_wait_max_ms=settings.sink.gather_ms)
    describe, readable_from = Descriptions(settings.kafka).of, partial(readable_now, settings.kafka)
    return Stage(around(reader), writer, outlets, topics, describe, readable_from, settings.sink, stop, faults, unprepared, beat)
