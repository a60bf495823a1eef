"""Where each partition is read next: set by us alone, one at a time, and never while a fetch is under way."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from itertools import count
from typing import Any, TypeVar

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from processors.engine.transport.ledger import Ledger
from processors.engine.transport.thread import Bounds, FetchThread

OnBegin = Callable[[Mapping[TP, tuple[Bounds, int]]], Awaitable[Mapping[TP, int]]]
T = TypeVar("T")


class Positions(driver.Consumer):
    """Faust's aiokafka consumer with a ledger for each source partition, and positions set in turn."""

    _thread: FetchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ledgers: dict[TP, Ledger] = {}
        self._epochs = count(1)
        self._moves: defaultdict[TP, int] = defaultdict(int)  # how often each partition's position was set by us
        self._moving = asyncio.Lock()  # held by a fetch in flight and by a seek: never both
        self._sources_closed = False  # between a revocation or seek and the resumption that follows it

    def _new_consumer_thread(self) -> FetchThread:
        return FetchThread(self, loop=self.loop, beacon=self.beacon)

    def _is_source(self, tp: TP) -> bool:
        # A topic whose offsets the group commits. Changelogs and Faust's leader topic are not: recovery sets their positions.
        return bool(self.app.topics.acks_enabled_for(tp.topic))

    async def _alone(self, call: Callable[[], Awaitable[T]]) -> T:
        # Mend 3. Faust's `getmany` and `perform_seek` overlap: records of the old position come after the seek, and the
        # rewound ones are dropped as already read. Shielded: `Recovery._wait` cancels a seek when another rebalance begins,
        # but the thread still carries it out, so the lock must stay held until it has.
        async def held() -> T:
            async with self._moving:
                return await call()

        return await asyncio.shield(asyncio.ensure_future(held()))

    async def perform_seek(self) -> None:
        """Set every source partition to its committed offset; Faust calls this before it resumes the flow.

        Source partitions stay closed until `resume_flow`: `Recovery.on_recovery_completed` empties the agents' queues after
        this seek, and a batch delivered in between would be emptied with them and never acknowledged.
        """
        self._sources_closed = True
        await self._begin([tp for tp in self.assignment() if self._is_source(tp)])

    async def _begin(self, tps: Iterable[TP]) -> None:
        async def call() -> None:
            for tp in tps:
                self._moves[tp] += 1
                self._ledgers.pop(tp, None)
            bounds = await self._thread.bounds(tps)
            epochs = {tp: next(self._epochs) for tp in bounds}
            offsets = {tp: one.usual for tp, one in bounds.items()}
            on_begin: OnBegin | None = getattr(self.app, "on_begin", None)
            if on_begin is not None:
                offsets |= await on_begin({tp: (one, epochs[tp]) for tp, one in bounds.items()})
            for tp in await self._thread.place(offsets):
                self._open_ledger(tp, offsets[tp], epochs[tp])
                # Killed between its state and its commit, an app begins ahead of that: it is committed though nothing more may come.
                self._committed_offset[tp] = bounds[tp].committed if offsets[tp] > bounds[tp].usual else offsets[tp]

        await self._alone(call)

    def _open_ledger(self, tp: TP, start: int, epoch: int) -> None:
        self._ledgers[tp] = Ledger(start, epoch)
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        self._committed_offset[tp] = None
        self._read_offset[tp] = None

    def new_epoch(self) -> int:
        """Return a number for `start_over`, greater than that of any batch so far."""
        return next(self._epochs)

    async def start_over(self, tp: TP, offset: int, epoch: int) -> None:
        """Deliver a partition again from an offset, in batches of this epoch; what was delivered can no longer be acknowledged.

        The app calls it, on its own loop, where what it made of earlier batches is of no use. No-op where it is not held.
        """

        async def call() -> None:
            if tp in self._ledgers:
                self._moves[tp] += 1
                self._open_ledger(tp, offset, epoch)
                await self._thread.place({tp: offset})

        await self._alone(call)

    async def _move(self, tp: TP, offset: int) -> None:
        async def call() -> None:
            self._moves[tp] += 1
            await self._thread.move(tp, offset)

        await self._alone(call)

    async def _rewind(self, tp: TP, offset: int, move: int) -> None:
        """Set a position, unless it was set since `move` was noted."""

        async def call() -> None:
            if self._moves[tp] == move:
                self._moves[tp] += 1
                await self._thread.move(tp, offset)

        await self._alone(call)

    async def _seek(self, partition: TP, offset: int) -> None:
        if partition in self._ledgers:
            self._open_ledger(partition, offset, next(self._epochs))
        await self._move(partition, offset)

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Set positions, and wait until they are; recovery sets changelogs so."""

        async def call() -> None:
            for tp in partitions:
                self._moves[tp] += 1
            await self._thread.seek_wait(partitions)

        await self._alone(call)
