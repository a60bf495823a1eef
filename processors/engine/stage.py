"""What every processor shares: batches in, events out, state kept in checkpoints, so that a crash repeats work but never loses any.

A checkpoint, in this order: (1) the state of each partition is dumped as it is now, (2) everything published so far is
delivered, (3) the dump is in the changelog, (4) the batches that made it are acknowledged. Killed between two steps, the
next owner starts from an older state or reads batches again; a state knows the last offset it has applied and passes over
the rest, and every event has an identity, so what is published twice is the same event.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

from faust.types import TP

from processors.engine.application import create_app, gathering, reaching, run
from processors.engine.isolation import blameless
from processors.engine.logs import Logs
from processors.engine.output import Output
from processors.engine.partition import Holding, NewTask, PartitionState, PartitionTask, Place, Reading, Remaking
from processors.engine.readiness import partitions_of, prepared
from processors.engine.state import TABLE, SavedState, unreadable
from processors.engine.transport import Batch, Consumer, Receipt, Revoked
from processors.engine.transport.progress import end_anyway
from topology import metrics, private
from topology.clock import now
from topology.ending import end
from topology.errors import Fatal, TidewireError
from topology.faults import Faults, reason_of
from topology.folders import make
from topology.grace import stopping
from topology.health import Health
from topology.heartbeat import Heartbeat
from topology.kafka import ensure_reachable
from topology.log import configure, logger
from topology.losses import venue_of
from topology.memory import share_arenas
from topology.registry import Registry
from topology.retry import Attempts, persist
from topology.secrets.audit import act_as
from topology.secrets.shipping import shipping
from topology.settings import Settings
from topology.state_folder import FAUST
from topology.topics import CHANGELOG, all_topics, durability

SECONDS_TO_END = 30.0
"""Of a process that failed: what it would still do in order is of no use."""
WATCH_SECONDS: Final = 2.0
"""Between two looks at what the topics are."""
NO_TICK_FOR: Final = 60_000_000
"""Microseconds without a tick for a partition whose tick has failed."""


class Stage:
    """One processor as a Faust app.

    `topics` are its sources, `partitions` how many each of them has; `new_task` makes the task of a partition; `background`: see flow;
    `faults` are counted there, where the stage is begun again inside its process.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        topics: tuple[str, ...],
        new_task: NewTask,
        checkpoint_seconds: float = 0,
        *,
        partitions: int,
        background: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.settings = settings
        self.name = name
        self.log = logger()
        self._new_task = new_task
        self._held: dict[Place, PartitionState] = {}
        self._least: dict[Place, int] = {}  # the epoch whose batches count: those before it come again
        self._suspects: dict[Place, int] = {}  # up to which offset records may be those on which the work fails
        self._no_tick_before: dict[Place, int] = {}
        self._events = {topic: event.name for topic, event in all_topics().items()}
        self._every = max(checkpoint_seconds, settings.processors.checkpoint_seconds)
        self._checkpointing = asyncio.Lock()
        self._failed = False
        self.ending: threading.Timer | None = None
        """What ends the process where the stage has failed and does not end."""
        self._counts = {topic: metrics.events_in.labels(name, topic) for topic in topics}
        self._latency = metrics.latency.labels(name)
        self.registry = Registry(settings.registry)
        self.faults = faults or Faults(name)
        self.output = Output(settings, self.registry, name, self.faults)
        given = settings.processors.data_dir
        data_dir = make(Path(given) if given else settings.state_dir / FAUST, "processors.data_dir" if given else "state_dir")
        self.app = create_app(
            f"tidewire.{name}",
            **reaching(settings.kafka),
            data_dir=data_dir,
            replication_factor=settings.kafka.replication_factor,
            table_partitions=partitions,
            fetch_least=gathering(settings.processors.background_gather_ms if background else settings.processors.gather_ms),
            stall_seconds=max(settings.processors.stall_seconds, 10 * self._every),
            broker_session_timeout=settings.processors.session_timeout,
            topic_allow_declare=settings.kafka.manage_topics == "create",
        )
        self.app.conf.producer_max_request_size = settings.kafka.message_max_bytes
        self.table = self.app.Table(
            TABLE,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            extra_topic_configs=CHANGELOG | durability(settings.kafka),
        )
        self._saved = SavedState(self.table, name, settings.kafka.message_max_bytes)
        self._logs = Logs(name, self.app, self._saved, self.output, settings.kafka, partitions)
        self.app.on_begin, self.app.on_loss = self._logs.on_begin, self._logs.on_loss
        self.app.readable_from, self.app.on_crash = self._logs.readable_from, self.fail
        self.app.topics.add(self.app.batches(*topics))
        self.app.on_batch = self._read
        self.app.task(self._keep_checkpoints)
        self.app.task(self._watch_logs)
        self.app.on_partitions_revoked.connect(self._give_up)
        self.app.on_before_shutdown.connect(self._leave)

    def status(self) -> str:
        """Return why the stage does not work, or nothing once its group has given it its share and its state is back."""
        if self._failed or self.app.crashed:
            return f"it failed, and ends: {self.app.crash_reason or 'see its log'}"
        if not self.app.rebalancing_count:
            return "joining its group"
        return "waiting for its partitions" if self.app.rebalancing else ""

    def follow(self, heartbeat: Heartbeat) -> None:
        """Let the event loop of the stage beat; call it before the stage runs."""

        async def begin() -> None:
            heartbeat.follow(asyncio.get_running_loop())

        self.app.task(begin)

    @property
    def _consumer(self) -> Consumer:
        return cast("Consumer", self.app.consumer)

    # ---- reading

    async def _read(self, batch: Batch, receipt: Receipt) -> None:
        """Do a batch of one partition: the transport calls it on the event loop with one after the other."""
        with self._or_nothing_more():
            await self._do(batch, receipt)

    async def _do(self, batch: Batch, receipt: Receipt) -> None:
        place = (batch.topic, batch.partition)
        if batch.epoch < self._least.get(place, 0):
            batch.clear()
            return  # it comes again
        held = self._held.get(place)
        if held is None or held.reading.epoch != batch.epoch:
            reading = self._logs.reading(place, batch.epoch)
            held = self._held[place] = self._begun(place, reading, batch.generation, batch.first)
        received_at: int | None = None
        if self._suspects.get(place, 0) > batch.first:
            if not await self._sift(place, held, batch):
                return
        else:
            self._suspects.pop(place, None)
            try:
                received_at = held.task.apply(batch, self.output)
            except Exception as error:  # noqa: BLE001 - sorted by `blameless`
                blameless(error)
                await self._begin_again(place, held, error, suspect=batch.end)
                return
            held.given(batch.end)
        metrics.position.labels(self.name, *place).set(held.end)
        self.output.watch(len(batch), batch.topic)
        held.receipts.append(receipt)
        self._counts[batch.topic].inc(len(batch))
        if received_at is not None:
            self._latency.observe((now() - received_at) / 1_000_000)
        batch.clear()

    def _begun(self, place: Place, reading: Reading, generation: int, offset: int) -> PartitionState:
        entries = {} if reading.forget else self._saved.entries(*place)
        try:
            task = self._new_task(*place, entries)
            if reading.remade and not entries and isinstance(task, Remaking):
                task.remake(reading.remade)
        except Exception as error:
            blameless(error)
            raise Fatal(f"{unreadable(self.name, *place)} ({reason_of(error)})") from error
        return PartitionState(task, generation, reading, end=offset, read=offset, kept=offset)

    # ---- a bug in the work

    async def _begin_again(self, place: Place, held: PartitionState, error: Exception, *, suspect: int = 0) -> None:
        """Take a partition back to its last checkpoint, as its work is half done; up to `suspect` it then goes in small steps."""
        self.log.warning("A partition begins again from its last checkpoint: its work failed.", place=str(place), reason=reason_of(error))
        epoch = self._consumer.new_epoch()
        self._held.pop(place, None)
        metrics.position.remove(self.name, *place)
        self._least[place] = epoch
        self._logs.read_again(place, held.reading, epoch)
        self._suspects[place] = max(suspect, self._suspects.get(place, 0))
        await self._consumer.start_over(TP(*place), held.kept, epoch)

    async def _sift(self, place: Place, held: PartitionState, batch: Batch) -> bool:
        """Apply a batch by halves, down to the records that fail, which become dead letters. False: it is another's by now."""
        await self._keep(place, held)
        if self._held.get(place) is not held or held.kept != held.end:
            return False
        try:
            held.task.apply(batch, self.output)
            if isinstance(held.task, Holding):
                held.task.settle(self.output)
        except Exception as error:  # noqa: BLE001 - sorted by `blameless`
            blameless(error)
            held.task = self._begun(place, held.reading, held.generation, held.end).task
            if len(batch) > 1:
                middle = batch[len(batch) // 2].offset
                first, second = batch.part(batch.first, middle), batch.part(middle, batch.end)
                return await self._sift(place, held, first) and await self._sift(place, held, second)
            self.output.fault(batch, batch[0].offset, error, venue=venue_of(batch.topic), event=self._events.get(batch.topic, ""))
        held.given(batch.end)
        return True

    # ---- time and checkpoints

    async def _watch_logs(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(WATCH_SECONDS)
            with self._or_nothing_more():
                await self._logs.watch()

    async def _keep_checkpoints(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self._every)
            with self._or_nothing_more():
                for tp, (epoch, owed) in self._consumer.sources().items():
                    await self._let_time_pass(tp, epoch, owed)
            await self.checkpoint()

    async def _let_time_pass(self, tp: TP, epoch: int, owed: int) -> None:
        """Tick a partition of which nothing is left to read; one that no batch has come of since it was assigned is begun for it."""
        held = self._held.get(tp)
        if (at := self._consumer.nothing_left(tp, owed if held is None else held.read)) is None:
            return
        if held is None:
            reading = self._logs.reading(tp, epoch)
            if reading.forget:
                return  # batches of the log that is gone may be on their way yet
            held = self._held[tp.topic, tp.partition] = self._begun(tp, reading, self.app.consumer_generation_id, owed)
        if held.reading.epoch != epoch or 0 < self._no_tick_before.get(tp, 0) - at <= NO_TICK_FOR:
            return
        try:
            held.task.tick(at, self.output)
        except Exception as error:  # noqa: BLE001 - sorted by `blameless`
            blameless(error)
            self.faults.tell(error, venue=venue_of(tp.topic), event=self._events.get(tp.topic, ""))
            self._no_tick_before[tp.topic, tp.partition] = at + NO_TICK_FOR
            await self._begin_again(tp, held, error)
        else:
            held.given(held.read)

    @contextmanager
    def _or_nothing_more(self) -> Iterator[None]:
        """Where this fails, keep nothing any more: a state half changed, or ahead of what was delivered, would pass over the rest."""
        try:
            yield
        except Exception as error:  # whatever it was; a cancellation is no failure, and what it left out is read again
            self.fail(error)
            raise

    def fail(self, error: BaseException | None = None) -> None:
        """Keep nothing from now on, and end within a bound: what the stage would still do in order may never come."""
        if not self._failed:
            self._failed = True
            self.ending = end_anyway(min(SECONDS_TO_END, stopping.left()), self.name, error or self.app._crash_reason)  # noqa: SLF001 - mode tells it to nobody

    async def checkpoint(self) -> None:
        """Keep what has been done up to now; see the head of this file for the order and why. Nothing after a failure."""
        async with self._checkpointing:
            if self._failed:
                return
            with self._or_nothing_more():
                await self._checkpoint({place: held for place, held in self._held.items() if held.to_keep})

    async def _keep(self, place: Place, held: PartitionState) -> None:
        async with self._checkpointing:
            if self._held.get(place) is held and not self._failed:
                await self._checkpoint({place: held})

    async def _checkpoint(self, held_by_place: dict[Place, PartitionState]) -> None:
        dumps = [(place, held, held.bookmark, held.task.dump(), held.done()) for place, held in held_by_place.items()]
        if dumps or len(self.output):
            await asyncio.to_thread(self.output.flush)
        while dumps:
            place, held, bookmark, entries, receipts = dumps.pop()
            try:
                if held.reading.forget:
                    await self._saved.forget(*place, bookmark, generation=held.generation)
                await self._saved.write(*place, entries, bookmark, generation=held.generation)
            except Revoked:
                continue  # the next owner reads these batches again
            held.kept = bookmark.end
            held.reading.forget = held.reading.unsaved = False
            for receipt in receipts:
                receipt.acknowledged = True

    async def _give_up(self, *_arguments: Any, **_named: Any) -> None:
        """Make the last checkpoint of all partitions and forget them; the transport commits when this returns.

        Faust calls it on the event loop when partitions are revoked, with the flow stopped; it must not wait for a batch.
        """
        await self.checkpoint()
        self._forget_positions()
        for known in (self._held, self._least, self._suspects):
            known.clear()
        self._logs.clear()

    def close(self) -> None:
        """Let go of what outlives the event loop; called when that has ended."""
        if self.ending is not None:
            self.ending.cancel()
        self._forget_positions()
        self.output.close()

    def _forget_positions(self) -> None:
        for place in self._held:
            with suppress(KeyError):  # nothing of it was read yet
                metrics.position.remove(self.name, *place)

    async def _leave(self, *_arguments: Any, **_named: Any) -> None:
        """Make the last checkpoint. Faust calls it on the event loop before it shuts down, on SIGTERM; not after a crash."""
        await self.checkpoint()


def main(
    name: str,
    topics_of: Callable[[Settings], tuple[str, ...]],
    begin_of: Callable[[Settings, Registry], NewTask],
    checkpoint_seconds_of: Callable[[Settings], float] = lambda settings: settings.processors.checkpoint_seconds,
    *,
    background: bool | Callable[[Settings], bool] = False,
) -> None:
    """Run a processor as its own process until SIGTERM or SIGINT; SystemExit says how it ended (topology/ending.py).

    `checkpoint_seconds_of` is for a state too large to write at every checkpoint of the others; `background`: see flow.Stage.
    """
    from topology.settings import settings as read

    try:
        act_as(name)
        settings = read()
        private.keep()
        share_arenas()
        configure(settings.log, name)
        later = background(settings) if callable(background) else background
        stage = made(settings, name, topics_of(settings), begin_of, checkpoint_seconds_of(settings), background=later)
    except TidewireError as error:
        end(name, error)
    with closing(stage.output), Health(settings, name, stage.status, [stage.faults]) as health, shipping(settings, name):
        stage.follow(health.heartbeat)
        run(stage.app, stop_seconds=settings.stop_seconds)


def made(
    settings: Settings,
    name: str,
    topics: tuple[str, ...],
    begin_of: Callable[[Settings, Registry], NewTask],
    checkpoint_seconds: float,
    *,
    background: bool,
    faults: Faults | None = None,
    sleep: Callable[[float], bool | None] = time.sleep,
) -> Stage:
    """Make a stage once the broker answers and its topics are there. `faults` as of Stage, `sleep` as of `persist`, which may end it."""
    for library in ("faust", "mode"):
        logging.getLogger(library).setLevel(logging.WARNING)
    persist(lambda: ensure_reachable(settings.kafka), Attempts(name, "broker"), sleep)
    partitions = persist(lambda: prepared(settings.kafka, name, topics), Attempts(name, "topics"), sleep)
    begin = begin_of(settings, Registry(settings.registry))
    return Stage(settings, name, topics, begin, checkpoint_seconds, partitions=partitions, background=background, faults=faults)


__all__ = ["NewTask", "PartitionTask", "Stage", "made", "main", "partitions_of", "prepared"]
