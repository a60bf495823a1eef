"""Where a processor's work goes: events to their topics, refused messages to dead_letters."""

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any, Final

from processors.engine.isolation import Isolation
from processors.engine.transport import Batch
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Reject
from topology.event_publisher import EventPublisher
from topology.faults import Faults
from topology.kafka import Publisher
from topology.losses import venue_of
from topology.registry import Registry
from topology.settings import Settings

CHECK_SECONDS: Final = 0.05
"""Between two looks at what could not be delivered: each lets go of the interpreter, which small batches would pay for."""


class Output(EventPublisher):
    """Where a stage's work goes: events to their topics, refused messages to dead_letters. Nothing is delivered before `flush`.

    `fault` and `isolated` keep a bug with the messages that met it: see isolation.py.
    """

    def __init__(self, settings: Settings, registry: Registry, stage: str, faults: Faults | None = None) -> None:
        self.stage = stage
        self._faults = faults or Faults(stage)
        self._isolation = Isolation(self._faults, self.refuse)
        self.fault = self._isolation.fault
        self.isolated = self._isolation.isolated
        super().__init__(Publisher(settings.kafka), registry, stage)
        self._letters = DeadLetters(self._publisher, registry, stage, now, settings.processors.reject_share)
        self._check_at = 0.0

    def publish_many(self, made: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Queue events given as (name, record), in order; raises as `publish` does, with those before it queued."""
        for name, record in made:
            self.publish(name, record)

    def refuse(self, batch: Batch, offset: int, reason: str, *, suspect: bool = True) -> None:
        """Send one message of a batch to dead_letters; `suspect`: too many of them would mean that the stage reads wrongly."""
        record = batch.at(offset)
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
