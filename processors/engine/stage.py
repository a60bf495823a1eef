"""What every processor shares: batches in, events out, state kept in checkpoints, so that a crash repeats work but never loses any.

A checkpoint, in this order: (1) the state of each partition is dumped as it is now, (2) everything published so far is
delivered, (3) the dump is in the changelog, (4) the batches that made it are acknowledged. Killed between two steps, the
next owner starts from an older state or reads batches again; a state knows the last offset it has applied and passes over
the rest, and every event has an identity, so what is published twice is the same event.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from processors.engine.application import create_app, gathering, run
from processors.engine.output import Output
from processors.engine.transport import Batch, Loss, Revoked, write_many
from processors.engine.transport.progress import end_anyway
from schemas.catalogue import event as event_of
from topology import metrics
from topology.clock import now
from topology.faults import Faults
from topology.health import Health
from topology.kafka import ensure_reachable
from topology.log import configure, logger
from topology.registry import Registry
from topology.secrets.audit import become
from topology.secrets.shipping import shipping
from topology.settings import Settings
from topology.topics import all_topics, create

TABLE_SETTINGS = {"segment.ms": "60000", "segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1", "max.message.bytes": "16000000"}
"""A changelog is compacted within minutes, so that recovery reads little more than one value per key."""

SECONDS_TO_END = 30.0
"""Of a process that failed: what it would still do in order is of no use."""


class Work(Protocol):
    """The work of a stage on one source partition."""

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Do a batch; return the receipt time of its last event (microseconds), for the latency metric, where it has one."""

    def tick(self, now: int, output: Output) -> None:
        """Do what time alone asks for; called about once per checkpoint. `now` in microseconds."""

    def dump(self) -> Mapping[str, bytes | None]:
        """Return the state's entries that changed since the last dump, by name; None deletes one."""


Begin = Callable[[str, int, Mapping[str, bytes]], Work]
"""Make the work of (topic, partition) from its saved entries."""


@dataclass(slots=True)
class Held:
    """One partition in hand: its work, and the events read but not yet acknowledged."""

    work: Work
    generation: int
    events: list[Any] = field(default_factory=list)


class Stage:
    """One processor as a Faust app. `topics` are its sources; `begin` makes the work of a partition; `patient`: see flow.Stage."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        topics: tuple[str, ...],
        begin: Begin,
        checkpoint_seconds: float = 0,
        *,
        patient: bool = False,
    ) -> None:
        self.settings = settings
        self.name = name
        self.log = logger()
        self._begin = begin
        self._every = max(checkpoint_seconds, settings.processors.checkpoint_seconds)
        self._held: dict[tuple[str, int], Held] = {}
        self._checkpointing = asyncio.Lock()
        self._failed = False
        self._counts = {topic: metrics.events_in.labels(name, topic) for topic in topics}
        self._latency = metrics.latency.labels(name)
        self.registry = Registry(settings.registry)
        self.faults = Faults(name)
        self.output = Output(settings, self.registry, name, self.faults)
        partitions = settings.kafka.partitions or event_of("trade").topic.partitions
        data_dir = Path(settings.processors.data_dir or settings.state_dir / "faust")
        self.app = create_app(
            f"tidewire.{name}",
            broker=settings.kafka.brokers,
            data_dir=data_dir,
            replication_factor=settings.kafka.replication_factor,
            table_partitions=partitions,
            on_loss=self._on_loss,
            fetch_least=gathering(settings.processors.patience_ms if patient else settings.processors.gather_ms),
            stall_seconds=max(settings.processors.stall_seconds, 10 * self._every),
            broker_session_timeout=settings.processors.session_timeout,
        )
        self.app.conf.producer_max_request_size = settings.kafka.message_max_bytes
        self.table = self.app.Table(
            "state",
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            extra_topic_configs=TABLE_SETTINGS,
        )
        self.app.agent(self.app.batches(*topics), name=name)(self._read)
        self.app.task(self._keep_checkpoints)
        self.app.on_partitions_revoked.connect(self._give_up)
        self.app.on_before_shutdown.connect(self._leave)

    def status(self) -> str:
        """Return why the stage does not work yet, or nothing once its group has given it its share and its state is back."""
        if not self.app.rebalancing_count:
            return "joining its group"
        return "waiting for its partitions" if self.app.rebalancing else ""

    def _on_loss(self, loss: Loss) -> None:
        self.log.error("Records were deleted before they were read.", loss=str(loss), setting="retention_days of the event's schema")

    async def _read(self, stream: Any) -> None:
        async for event in stream.noack().events():
            batch: Batch = event.value
            with self._or_nothing_more():
                held = self._take(batch)
                received_at = held.work.apply(batch, self.output)
                self.output.watch(len(batch))
            held.events.append(event)
            self._counts[batch.topic].inc(len(batch))
            if received_at is not None:
                self._latency.observe((now() - received_at) / 1_000_000)
            batch.clear()
            await asyncio.sleep(0)

    def _take(self, batch: Batch) -> Held:
        place = (batch.topic, batch.partition)
        held = self._held.get(place)
        if held is None or held.generation != batch.generation:
            held = self._held[place] = Held(self._begin(*place, dict(self._entries(*place))), batch.generation)
        return held

    def _entries(self, topic: str, partition: int) -> Iterator[tuple[str, bytes]]:
        head = f"{topic}|{partition}|".encode()
        for key, value in list(self.table.items()):
            if key.startswith(head):
                yield key[len(head) :].decode(), value

    async def _keep_checkpoints(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self._every)
            time = now()
            with self._or_nothing_more():
                for held in list(self._held.values()):
                    held.work.tick(time, self.output)
            await self.checkpoint()

    @contextmanager
    def _or_nothing_more(self) -> Iterator[None]:
        """Where this fails, keep nothing any more: a state half changed, or ahead of what was delivered, would pass over the rest."""
        try:
            yield
        except Exception:  # whatever it was; a cancellation is no failure, and what it left out is read again
            if not self._failed:
                self._failed = True
                end_anyway(SECONDS_TO_END)
            raise

    async def checkpoint(self) -> None:
        """Keep what has been done up to now; see the head of this file for the order and why. Nothing after a failure."""
        async with self._checkpointing:
            if self._failed:
                return
            with self._or_nothing_more():
                await self._checkpoint()

    async def _checkpoint(self) -> None:
        dumps: dict[tuple[str, int], tuple[Held, Mapping[str, bytes | None], list[Any]]] = {}
        for place, held in self._held.items():
            if held.events:
                events, held.events = held.events, []
                dumps[place] = (held, held.work.dump(), events)
        if not dumps:
            return
        await asyncio.to_thread(self.output.flush)
        for (topic, partition), (held, entries, events) in dumps.items():
            named = {f"{topic}|{partition}|{name}".encode(): value for name, value in entries.items()}
            try:
                await write_many(self.table, named, partition, generation=held.generation)
            except Revoked:
                continue  # the next owner reads these batches again
            for event in events:
                event.ack()

    async def _give_up(self, *_arguments: Any, **_named: Any) -> None:
        await self.checkpoint()
        self._held.clear()

    async def _leave(self, *_arguments: Any, **_named: Any) -> None:
        await self.checkpoint()


def main(
    name: str,
    topics_of: Callable[[Settings], tuple[str, ...]],
    begin_of: Callable[[Settings, Registry], Begin],
    checkpoint_seconds_of: Callable[[Settings], float] = lambda settings: settings.processors.checkpoint_seconds,
    *,
    patient: bool = False,
) -> None:
    """Run a processor as its own process until SIGTERM or SIGINT.

    `checkpoint_seconds_of` is for a state too large to write at every checkpoint of the others; `patient`: see flow.Stage.
    """
    from topology.settings import settings as read

    become(name)
    settings = read()
    configure(settings.log, name)
    logging.getLogger("faust").setLevel(logging.WARNING)
    logging.getLogger("mode").setLevel(logging.WARNING)
    ensure_reachable(settings.kafka)
    create(settings.kafka, all_topics())
    registry = Registry(settings.registry)
    stage = Stage(settings, name, topics_of(settings), begin_of(settings, registry), checkpoint_seconds_of(settings), patient=patient)
    with Health(settings, name, stage.status, stage.faults), shipping(settings, name):
        run(stage.app)
