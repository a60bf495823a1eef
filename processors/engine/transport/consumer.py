"""The consumer: what is fetched, what is owed, and what an agent gets.

Faust-streaming 0.15.3 loses and repeats events when partitions move. Each mend (1 to 4, here, in positions.py and in commits.py)
is one method that says what it relies on in Faust, and has a test that fails without it (tests/processors/engine/transport/test_mends.py).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final

from aiokafka.errors import CorruptRecordException
from faust.types import TP, ConsumerMessage

from processors.engine.transport.batch import Batch, Cause, Loss, Record
from processors.engine.transport.commits import Commits
from processors.engine.transport.ledger import Ledger, Receipt, Standing, standing
from processors.engine.transport.message import ReceiptedMessage, batch_fields, record_fields
from processors.engine.transport.unpacking import Fetched
from topology.errors import Fatal

OnBatch = Callable[[Batch, Receipt], Awaitable[None]]
POLL_SECONDS: Final = 0.2
"""One wait for records. A seek waits for the fetch in flight, so this bounds what a rebalance waits for it."""


class Consumer(Commits):
    """Faust's consumer, handing over batches of what is owed.

    Reads from the app: `batched_topics`, `holed_topics` (sets of topic names), `on_batch` and `on_loss` (see `application.py`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._roused = asyncio.Event()  # a partition may have become fetchable

    # ---- fetching

    def _fetchable(self) -> frozenset[TP] | None:
        # Mend 2. `_get_active_partitions` must return its live set, because `pause_partitions` and `on_buffer_full` change
        # what it returns; but a fetch in flight must not see those changes: emptied under it, aiokafka would fetch every
        # partition and move its position, and Faust would drop the records.
        if self.app.client_only:
            return None
        active = frozenset(self._get_active_partitions())
        return frozenset(tp for tp in active if not self._is_source(tp)) if self._sources_closed else active

    async def _fetch(self, timeout: float) -> tuple[list[Fetched], dict[TP, int]]:
        async def call() -> tuple[list[Fetched], dict[TP, int]]:
            active = self._fetchable()
            if active is not None and not active:
                return [], {}
            moves = dict(self._moves)
            return await self._thread.fetch(active, min(timeout, POLL_SECONDS)), moves

        if self._fetchable() == frozenset():
            # Faust sleeps a second here, which is also where back-pressure on every partition ends up.
            self._roused.clear()
            await self.wait_first(self._roused.wait(), timeout=timeout)
        return await self._alone(call)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message for each fetched partition of a batched topic, one for each record of the others.

        Whatever was fetched and is not yielded (the flow stopped, the generation changed, the partition was paused) is
        rewound, so that no record is passed over; unless the partition was sought meanwhile, which has rewound it.

        Raises:
            Fatal: a topic not named in `holed_topics` has a hole in its log, or `on_loss` is not set and records are lost.
            KafkaError: the broker refused a fetch for good.

        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        if self.should_stop:
            return
        generation = self.app.consumer_generation_id
        fetched, moves = await self._fetch(timeout)
        for part in fetched:
            tp = part.tp
            move = moves.get(tp, 0)
            if self._moves[tp] != move:
                continue
            if not self._deliverable(tp, generation):
                await self._rewind(tp, part.position, move)
            elif part.doubt:
                await self._doubt(part, move)
            elif not self._is_source(tp):
                async for message in self._one_by_one(part, generation, move):
                    yield tp, message
            else:
                async for message in self._from_source(part, generation, move):
                    yield tp, message

    def _deliverable(self, tp: TP, generation: int) -> bool:
        if not self.flow_active or self.should_stop or generation != self.app.consumer_generation_id:
            return False
        if self._sources_closed and self._is_source(tp):
            return False
        return self.app.client_only or tp in self._get_active_partitions() or tp in self._buffered_partitions

    async def _one_by_one(self, part: Fetched, generation: int, move: int) -> AsyncIterator[ConsumerMessage]:
        tp = part.tp
        for record in part.records:
            if self._moves[tp] != move:
                return
            if not self._deliverable(tp, generation):
                await self._rewind(tp, record.offset, move)
                return
            self._read_offset[tp] = None
            yield ConsumerMessage(**record_fields(tp, record, generation))

    # ---- delivering what is owed

    async def _from_source(self, part: Fetched, generation: int, move: int) -> AsyncIterator[ConsumerMessage]:
        tp = part.tp
        ledger = self._ledgers.get(tp)
        if ledger is None:
            # Faust resumes source partitions a moment before `perform_seek`, which will begin them.
            if not self.app.rebalancing:
                await self._begin([tp])
            return
        records = await self._owed(part, ledger)
        if not records or self._ledgers.get(tp) is not ledger:
            return
        # Else Faust takes the batch for a gap, and its offsets for already read ("DROPPED MESSAGE ROFF").
        self._read_offset[tp] = None
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        if tp.topic in self._named("batched_topics"):
            first = ledger.owed
            batch = Batch(
                records, topic=tp.topic, partition=tp.partition, first=first, end=part.end, generation=generation, epoch=ledger.epoch
            )
            receipt = ledger.give(part.end)
            on_batch: OnBatch | None = getattr(self.app, "on_batch", None)
            if on_batch is None:
                yield ReceiptedMessage(receipt, **batch_fields(tp, batch))
                return
            self.app.monitor.stream_inbound_time[tp] = self.app.monitor.time()  # Faust looks there for agents that hang
            await on_batch(batch, receipt)
            await asyncio.sleep(0)  # whoever else is on this loop gets a turn, however much there is to read
            return
        for record in records:
            if self._moves[tp] != move:
                return
            if not self._deliverable(tp, generation):
                await self._rewind(tp, record.offset, move)
                return
            ledger.skip(record.offset)
            self._read_offset[tp] = None
            yield ReceiptedMessage(ledger.give(record.offset + 1), **record_fields(tp, record, generation))
        ledger.skip(part.end)

    async def _owed(self, part: Fetched, ledger: Ledger) -> list[Record]:
        # Mend 3, second half: the ledger, not the position, decides what is delivered.
        tp, records, owed = part.tp, part.records, ledger.owed
        offsets = range(records[0].offset, records[-1].offset + 1) if records else range(part.end, part.end)
        found = standing(owed, part.position, offsets, part.end, len(records))
        if found is Standing.AHEAD:
            await self._examine(part, ledger)
            return []
        if found is Standing.HOLED and not self.may_have_holes(tp):
            if self._looks_for_damage and await self._is_damaged(part, ledger):
                return []
            raise Fatal(
                f"{tp.topic}[{tp.partition}] lacks offsets between {part.position} and {part.end}: "
                "if it is compacted or written in transactions, name it in holed_topics"
            )
        if part.position < owed:
            if await self._examine(part, ledger):
                return []
            records = [record for record in records if record.offset >= owed]
        if not records:
            ledger.skip(part.end)
        return records

    async def _examine(self, part: Fetched, ledger: Ledger) -> bool:
        """Find out why a fetch was not where it was owed; tell of a loss, and set the position right. False: only behind."""
        tp, owed = part.tp, ledger.owed
        start, end = await self._thread.log_bounds(tp)
        if self._ledgers.get(tp) is not ledger:
            return True  # begun anew while we asked
        if start > owed:
            await self._tell(Loss(tp.topic, tp.partition, owed, start, Cause.RETENTION))
            ledger.skip(start)
            await self._move(tp, start)
        elif end < owed:
            epoch = self.new_epoch()
            await self._tell(Loss(tp.topic, tp.partition, owed, owed, Cause.RESET, epoch))
            await self.start_over(tp, start, epoch)
        elif part.position > owed:
            self.log.warning("%s[%s]: fetched at %s, owed %s: going back", *tp, part.position, owed)
            await self._move(tp, owed)
        else:
            return False
        return True

    # ---- damage

    async def _doubt(self, part: Fetched, move: int) -> None:
        """Find out whether what does not come sound is damaged on the broker's disk; told, it is passed over, else fetched again."""
        tp, ledger = part.tp, self._ledgers.get(part.tp)
        if not self._is_source(tp):
            await self._whole_state(part)
            await self._rewind(tp, part.position, move)
        elif ledger is not None and not await self._is_damaged(part, ledger):
            await self._rewind(tp, ledger.owed, move)

    async def _is_damaged(self, part: Fetched, ledger: Ledger) -> bool:
        tp, owed = part.tp, ledger.owed
        until = await self._readable_from(tp, owed, part.doubt)
        if self._ledgers.get(tp) is not ledger:
            return True  # begun anew while we asked
        if until == owed:
            return False
        await self._tell(Loss(tp.topic, tp.partition, owed, until, Cause.CORRUPT))
        ledger.skip(until)
        await self._move(tp, until)
        return True

    async def _whole_state(self, part: Fetched) -> None:
        """Tell of damage in a table's changelog, which nobody can pass over."""
        until = await self._readable_from(part.tp, part.position, part.doubt)
        if until > part.position:
            await self._tell(Loss(*part.tp, part.position, until, Cause.CORRUPT))

    @property
    def _looks_for_damage(self) -> bool:
        return getattr(self.app, "readable_from", None) is not None

    async def _readable_from(self, tp: TP, offset: int, doubt: str) -> int:
        readable: Callable[[TP, int], Awaitable[int]] | None = getattr(self.app, "readable_from", None)
        if readable is None:
            raise CorruptRecordException(f"{tp.topic}[{tp.partition}], offset {offset}: {doubt}")
        self.log.warning("%s[%s]: looking for damage at %s: %s", *tp, offset, doubt or "offsets are left out")
        return await readable(tp, offset)

    async def _tell(self, loss: Loss) -> None:
        on_loss: Callable[[Loss], Awaitable[None]] | None = getattr(self.app, "on_loss", None)
        if on_loss is None:
            raise Fatal(f"{loss}; set on_loss to go on without them, and retention.ms so that it does not happen")
        await on_loss(loss)

    async def lost_its_log(self, tp: TP) -> None:
        """Tell that a partition held is not the log it was any more, and deliver it from the start of what it is now.

        For the app, on its own loop, where it sees what no offset shows: a topic made anew that is as long again.
        """
        ledger = self._ledgers.get(tp)
        if ledger is None:
            return
        start, _ = await self._thread.log_bounds(tp)
        if self._ledgers.get(tp) is ledger:
            epoch = self.new_epoch()
            await self._tell(Loss(tp.topic, tp.partition, ledger.owed, ledger.owed, Cause.RESET, epoch))
            await self.start_over(tp, start, epoch)

    def may_have_holes(self, tp: TP) -> bool:
        """Whether offsets may be left out in a partition's log: it is compacted, or named in `holed_topics`."""
        return not self._is_source(tp) or tp.topic in self._named("holed_topics")

    def _named(self, setting: str) -> frozenset[str] | set[str]:
        return getattr(self.app, setting, frozenset())

    def standing(self) -> dict[TP, tuple[int, int]]:
        """Return, by source partition held, what is committed and where the log ended when it was last read."""
        found = {}
        for tp in self._ledgers.keys() & self.assignment():
            ledger, committed = self._ledgers[tp], self._committed_offset.get(tp)
            end = max(ledger.owed, self.highwater(tp) or 0)
            found[tp] = (ledger.acknowledged if committed is None else committed, end)
        return found

    def sources(self) -> dict[TP, tuple[int, int]]:
        """Return the source partitions held and begun: the epoch of each, and the offset that it is owed next."""
        return {tp: (ledger.epoch, ledger.owed) for tp, ledger in self._ledgers.items() if tp in self.assignment()}

    def nothing_left(self, tp: TP, applied: int) -> int | None:
        """Return up to when nothing is left to read of a partition: microseconds, None where something is left or nobody knows.

        `applied`: the end of what the app has done. It is when the broker last said where the log ends, so that it stands
        still while the broker does not answer.
        """
        ledger = self._ledgers.get(tp)
        if ledger is None or applied < ledger.given or self._sources_closed or tp not in self.assignment():
            return None
        end = self.highwater(tp)
        return self._thread.confirmed_at(tp) if end is not None and ledger.owed >= end else None

    # ---- flow

    def resume_flow(self) -> None:
        """Let records through again."""
        self._sources_closed = False
        super().resume_flow()
        self._roused.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Fetch from these partitions again."""
        super().resume_partitions(tps)
        self._roused.set()

    def on_buffer_drop(self, tp: TP) -> None:
        """Fetch again from a partition whose agents' queue had filled up."""
        # The queue outlives a rebalance: a partition given up meanwhile must not become active again.
        if tp in self._buffered_partitions:
            super().on_buffer_drop(tp)
            self._roused.set()
