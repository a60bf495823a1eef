"""`python -m processors.normalise`: raw frames of every venue → trades, book deltas, quotes, instruments."""

import time

from dialects.catalogue import all_dialects
from processors.engine.messages import Messages
from processors.engine.stage import NewTask, main
from processors.normalise.work import Normalise
from schemas.catalogue import event
from topology.registry import Registry
from topology.settings import Settings


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the raw topic of every dialect."""
    return tuple(event("frame").topic.of(venue) for venue in all_dialects())


def begin_of(_settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    messages = Messages(event("frame"), registry)
    return lambda _topic, _partition, entries: Normalise(messages, entries, time.monotonic)


if __name__ == "__main__":
    main("normalise", topics_of, begin_of, background=lambda settings: settings.producer.direct_events)
