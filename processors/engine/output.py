"""Where a processor's work goes: events to their topics, refused messages to dead_letters."""

from collections.abc import Iterable, Mapping
from itertools import repeat
from operator import length_hint
from time import monotonic
from typing import Any, Final, NamedTuple

from prometheus_client import Counter

from processors.engine.isolation import Isolation
from processors.engine.transport import Batch
from schemas.catalogue import event as event_of
from schemas.codec import Codec
from topology import metrics
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Reject
from topology.faults import Faults
from topology.kafka import Publisher
from topology.losses import venue_of
from topology.registry import Registry
from topology.settings import Settings

CHECK_SECONDS: Final = 0.05
"""Between two looks at what could not be delivered: each lets go of the interpreter, which small batches would pay for."""


class Route(NamedTuple):
    """How the events of one name go out."""

    topic: str
    codec: Codec
    key: tuple[str, ...]
    """The fields that the message key is made of."""
    counter: Counter


class Output:
    """Where a stage's work goes: events to their topics, refused messages to dead_letters. Nothing is delivered before `flush`.

    `fault` and `isolated` keep a bug with the messages that met it: see isolation.py.
    """

    def __init__(self, settings: Settings, registry: Registry, stage: str, faults: Faults | None = None) -> None:
        self.stage = stage
        self._faults = faults or Faults(stage)
        self._isolation = Isolation(self._faults, self.refuse)
        self.fault = self._isolation.fault
        self.isolated = self._isolation.isolated
        self._registry = registry
        self._publisher = Publisher(settings.kafka)
        self._letters = DeadLetters(self._publisher, registry, stage, now, settings.processors.reject_share)
        self._routes: dict[str, Route] = {}
        self._keys: dict[tuple[Any, ...], bytes] = {}
        self._check_at = 0.0

    def _route(self, name: str) -> Route:
        event = event_of(name)
        topic = event.topic.of()
        codec = self._registry.codec(topic, event)
        self._routes[name] = Route(topic, codec, event.topic.key, metrics.events_out.labels(self.stage, topic))
        return self._routes[name]

    def publish(self, name: str, record: Mapping[str, Any]) -> None:
        """Queue one event by its name; InvalidDatum where the record does not fit its schema, Reject where Kafka can't take it."""
        topic, codec, key, count = self._routes.get(name) or self._route(name)
        self._publisher.publish(topic, self._key(key, record), codec.encode(record))
        count.inc()

    def publish_many(self, made: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Queue events given as (name, record), in order; raises as `publish` does, with those before it queued."""
        for name, record in made:
            self.publish(name, record)

    def publish_block(self, name: str, columns: Mapping[str, Any], count: int) -> list[tuple[int, str]]:
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
                self._publisher.publish_many(rest)
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

    def refuse(self, batch: Batch, offset: int, reason: str, *, suspect: bool = True) -> None:
        """Send one message of a batch to dead_letters; `suspect`: too many of them would mean that the stage reads wrongly."""
        record = batch[offset - batch.first]
        if record.offset != offset:
            record = next(one for one in batch if one.offset == offset)
        self._letters.send(batch.topic, batch.partition, offset, record.key, record.value, reason, suspect=suspect)

    def watch(self, read: int, topic: str) -> None:
        """Count messages read of a topic; a fault of its venue where too large a share of them was refused, which stops nothing."""
        if words := self._letters.watch(read, topic):
            self._faults.tell(Reject(words), venue=venue_of(topic))
        if (at := monotonic()) >= self._check_at:
            self._check_at = at + CHECK_SECONDS
            self._publisher.check()

    def flush(self) -> None:
        """Wait until all that was queued is delivered; Retry where it is not."""
        self._publisher.flush()

    def __len__(self) -> int:
        """How many messages wait for delivery."""
        return len(self._publisher)

    def close(self) -> None:
        """End the publisher's threads, at once; what was not flushed is given up. Whoever makes an output closes it."""
        self._publisher.close()
