"""Events by name → messages on their topics, encoded and keyed as their schemas say: for every stage that makes any."""

from collections.abc import Iterable, Mapping
from itertools import repeat
from operator import length_hint
from typing import Any, NamedTuple

from prometheus_client import Counter

from schemas.catalogue import event as event_of
from schemas.codec import Codec
from topology import metrics
from topology.errors import Reject
from topology.kafka import Delivered, Publisher
from topology.registry import Registry


class Route(NamedTuple):
    """How the events of one name go out."""

    topic: str
    codec: Codec
    key: tuple[str, ...]
    """The fields that the message key is made of."""
    counter: Counter


class EventPublisher:
    """Publish a stage's events. A name's schema is asked of the registry the first time, or before by `know`; not for several threads."""

    def __init__(self, publisher: Publisher, registry: Registry, stage: str) -> None:
        self._publisher = publisher
        self._registry = registry
        self._stage = stage
        self._routes: dict[str, Route] = {}
        self._keys: dict[tuple[Any, ...], bytes] = {}

    def know(self, names: Iterable[str]) -> None:
        """Ask the registry for the schemas of events by name, so that nothing is asked when they are published. Raises as the registry."""
        for name in names:
            self._routes.get(name) or self._route(name)

    def _route(self, name: str) -> Route:
        event = event_of(name)
        topic = event.topic.of()
        codec = self._registry.codec(topic, event)
        self._routes[name] = Route(topic, codec, event.topic.key, metrics.events_out.labels(self._stage, topic))
        return self._routes[name]

    def publish(self, name: str, record: Mapping[str, Any], delivered: Delivered | None = None) -> None:
        """Queue one event by its name; InvalidDatum where the record does not fit its schema, Reject where Kafka can't take it."""
        topic, codec, key, count = self._routes.get(name) or self._route(name)
        self._publisher.publish(topic, self._key(key, record), codec.encode(record), delivered)
        count.inc()

    def publish_block(self, name: str, columns: Mapping[str, Any], count: int, delivered: Delivered | None = None) -> list[tuple[int, str]]:
        """Queue `count` events of one name given as columns (schemas.block_encoder), in order.

        Returns the rows Kafka can't take, and why. InvalidDatum where a value does not fit its schema: then none is queued.
        """
        topic, codec, names, counter = self._routes.get(name) or self._route(name)
        values = codec.encode_block(columns, count)
        parts = [columns[one] if isinstance(columns[one], list) else [columns[one]] * count for one in names]
        known = self._keys
        keys = [known.get(one) or self._encoded(one) for one in zip(*parts, strict=True)]
        refused: list[tuple[int, str]] = []
        unsent = iter(values)
        rest = zip(repeat(topic), keys, unsent, strict=False)
        while True:
            try:
                self._publisher.publish_many(rest, delivered)
            except Reject as error:
                refused.append((count - length_hint(unsent) - 1, str(error)))
            else:
                break
        counter.inc(count - len(refused))
        return refused

    def _encoded(self, parts: tuple[str, ...]) -> bytes:
        self._keys[parts] = "|".join(parts).encode()
        return self._keys[parts]

    def _key(self, names: tuple[str, ...], record: Mapping[str, Any]) -> bytes:
        parts = tuple([record[name] for name in names])
        return self._keys.get(parts) or self._encoded(parts)
