"""Whole stages inside a test's own event loop, on the real broker: their work keeps numbers, and writes down what it was given."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from local import Addresses
from processors.engine.output import Output
from processors.engine.stage import Stage
from processors.engine.transport import Batch, Record
from schemas.catalogue import event
from tests.processors.engine.transport.broker import Broker
from tests.processors.engine.transport.running import running
from topology.errors import Reject
from topology.registry import Registry
from topology.settings import Kafka, Processors, Settings
from topology.settings import Registry as RegistrySettings
from topology.topics import all_topics, create


@dataclass
class Watched:
    """What the works of a stage were given, over all its runs."""

    numbers: list[int] = field(default_factory=list)
    """Each number applied, in order; one applied again after a crash or a fault is there again."""
    begun: list[list[int]] = field(default_factory=list)
    """The numbers that each work began with."""
    ticks: list[int] = field(default_factory=list)
    """The last number applied at each tick, -1 for none."""
    bad: set[int] = field(default_factory=set)
    """Numbers on which the work fails, after it has spoilt its state."""
    bad_ticks: bool = False
    released: int = -1
    """Numbers up to this are done by a work that holds others back."""


class Numbers:
    """The work of a partition: every number it has applied, once. As all works do, it passes over offsets that it has applied."""

    def __init__(self, watched: Watched, entries: Mapping[str, bytes]) -> None:
        self._watched = watched
        self.applied = int(entries.get("applied", b"-1"))
        self.numbers = [int(one) for one in entries.get("numbers", b"").split()]
        watched.begun.append(list(self.numbers))

    def apply(self, batch: Batch, _output: Output) -> int | None:
        """Take the numbers of a batch."""
        for record in batch:
            if record.offset <= self.applied:
                continue
            self.applied = record.offset
            number = int(record.value or b"-1")
            self.numbers.append(number)
            if number in self._watched.bad:
                raise ValueError(f"{number} is bad")
            self._watched.numbers.append(number)
        return None

    def tick(self, _now: int, _output: Output) -> None:
        """Write down when."""
        if self._watched.bad_ticks:
            raise ValueError("bad tick")
        self._watched.ticks.append(self.numbers[-1] if self.numbers else -1)

    def dump(self) -> Mapping[str, bytes | None]:
        """Return all."""
        return {"applied": b"%d" % self.applied, "numbers": b" ".join(b"%d" % one for one in self.numbers)}


class Reluctant(Numbers):
    """Numbers that hold back those which are not released, and all behind one."""

    def __init__(self, watched: Watched, entries: Mapping[str, bytes]) -> None:
        super().__init__(watched, entries)
        self._held: list[Record] = []
        self._batch: Batch | None = None

    @property
    def holds_from(self) -> int | None:
        """See Holding."""
        return self._held[0].offset if self._held else None

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Take the numbers of a batch that are released, after those before."""
        self._held += batch
        self._batch = batch.part(batch.first, batch.first)
        self._do(self._watched.released, output)
        return None

    def settle(self, output: Output) -> None:
        """See Holding."""
        self._do(None, output)

    def _do(self, released: int | None, output: Output) -> None:
        while self._held and self._batch is not None and (released is None or int(self._held[0].value or b"-1") <= released):
            self._batch.append(self._held.pop(0))
            super().apply(self._batch, output)
            self._batch.clear()

    def tick(self, now: int, output: Output) -> None:
        """Take what was released meanwhile."""
        super().tick(now, output)
        self._do(self._watched.released, output)


class Laboratory:
    """A stage of one topic, started as often as a test likes, and what it published."""

    def __init__(self, addresses: Addresses, broker: Broker, path: Path) -> None:
        self.broker = broker
        self.name = f"numbers-{uuid.uuid4().hex[:10]}"
        self.topic = broker.topic(1)
        self.watched = Watched()
        self.settings = Settings(
            state_dir=path,
            kafka=Kafka(brokers=addresses.kafka),
            registry=RegistrySettings(url=addresses.registry),
        )
        create(self.settings.kafka, all_topics())
        self.stage: Stage

    @property
    def group(self) -> str:
        """Return the stage's consumer group."""
        return f"tidewire.{self.name}"

    @property
    def changelog(self) -> str:
        """Return the topic of its state."""
        return f"{self.group}-state-changelog"

    @asynccontextmanager
    async def running(self, checkpoint_seconds: float = 0.1, work: type[Numbers] = Numbers) -> AsyncIterator[Any]:
        """Run the stage, and hand out its consumer."""
        settings = self.settings.model_copy(update={"processors": Processors(checkpoint_seconds=checkpoint_seconds)})
        self.stage = Stage(settings, self.name, (self.topic,), lambda *place: work(self.watched, place[2]), partitions=1)
        with closing(self.stage.output):
            async with running(self.stage.app) as consumer:
                yield consumer

    def fill(self, *numbers: int) -> None:
        """Append numbers to the topic."""
        self.broker.fill_numbers(self.topic, 0, numbers)

    def make_anew(self) -> None:
        """Delete the topic and create it again."""
        self.broker.delete(self.topic)
        while True:
            try:
                self.broker.topic(1, self.topic)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # the broker lists it a while longer
                    raise
            else:
                return

    def committed(self, offset: int) -> bool:
        """Whether the group has committed just this."""
        return self.broker.committed(self.group, self.topic, 1) == {0: offset}

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return the events of one name that tell of this test's topic."""
        one = event(name)
        topic, registry = one.topic.of(), Registry(self.settings.registry)
        codec = registry.codec(topic, one)
        found = []
        for _, _, value in self.broker.read(topic):
            try:
                found.append(codec.decode(value or b""))
            except (Reject, ValueError):
                continue
        return [one for one in found if self.topic in {one.get("topic"), *str(one.get("gap_id")).split("|")}]
