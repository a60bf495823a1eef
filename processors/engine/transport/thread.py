"""The consumer thread: aiokafka lives here, on its own event loop. Fetches, seeks and questions about the log."""

# ruff: noqa: SLF001 - this file stands in for private parts of the pinned aiokafka

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, cast

from aiokafka.consumer.fetcher import FetchError, OffsetResetStrategy
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, RecordTooLargeError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ensure_aiokafka_TP
from faust.types import TP

from processors.engine.transport.quiet import Quiet
from processors.engine.transport.unpacking import Fetched, take
from topology.damage import QUIET_SECONDS

FETCH_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one answer, over all partitions: what aiokafka reads ahead of the agents. Its default is 50 MiB."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at which partitions are quiet."""


class Bounds(NamedTuple):
    """What the broker says of one partition."""

    committed: int | None
    """The group's commit."""
    start: int
    end: int
    """Where its log starts and ends (exclusive)."""
    fresh: int
    """Where a group without a commit begins: `consumer_auto_offset_reset`."""

    @property
    def usual(self) -> int:
        """Where the group begins unless the app knows better."""
        return self.fresh if self.committed is None else self.committed


class Holed(Protocol):
    """The consumer that this thread fetches for, as far as it is asked."""

    def may_have_holes(self, tp: TP) -> bool:
        """Whether offsets may be left out in a partition's log."""


class FetchThread(AIOKafkaConsumerThread):
    """Faust's aiokafka thread, fetching per partition and by explicit position."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._quiet = Quiet(QUIET_SECONDS)
        self._quiet_look_at = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust 0.15.3 passes its own and has no setting; aiokafka 0.14.0 reads these when the consumer starts.
        consumer._fetch_max_bytes = FETCH_BYTES
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = transport.app.fetch_least
        consumer._client_rack = transport.app.rack or None
        return consumer

    async def fetch(self, active: frozenset[TP] | None, timeout: float) -> list[Fetched]:
        """Fetch what is there for the active partitions, or wait up to `timeout` seconds for some.

        `active` None means every assigned partition; an empty set means none (aiokafka's own reading of an empty set is
        "all", FAUST 2).

        A partition of which no block can be unpacked, or nothing comes though it has more, is there with a doubt.

        Raises:
            ConsumerStoppedError: the consumer is closed.
            KafkaError: a fetch of one of these partitions failed for good.

        """
        found: list[Fetched] = await self.call_thread(self._fetch, active, timeout)
        return found

    async def _fetch(self, active: frozenset[TP] | None, timeout: float) -> list[Fetched]:
        # Checked again here, when the thread gets to it: a fetch begun after the flow was stopped would hold up the
        # rebalance that stopped it.
        if not self.consumer.flow_active:
            return []
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            found = self._without_word(fetcher, active) or self._drain(fetcher, active)
            if found:
                return found
            waiter = fetcher._create_fetch_waiter()
            _, pending = await asyncio.wait([waiter], timeout=timeout)
            if pending:
                waiter.cancel()
                return []
            waiter.result()
            return self._drain(fetcher, active)

    def _without_word(self, fetcher: Any, active: frozenset[TP] | None) -> list[Fetched]:
        # The broker answers a fetch into damage with an error that aiokafka only logs, or with nothing, and the same again for ever.
        now = time.monotonic()
        if now < self._quiet_look_at:
            return []
        self._quiet_look_at = now + LOOK_SECONDS
        standing: dict[TP, tuple[int, int | None]] = {}
        subscription = fetcher._subscriptions.subscription
        assignment: Any = subscription and subscription.assignment
        for tp in assignment.tps if assignment else ():
            state, ours = assignment.state_value(tp), TP(tp.topic, tp.partition)
            if state.has_valid_position and not state.paused and (active is None or ours in active) and tp not in fetcher._records:
                standing[ours] = state.position, state.highwater
        quiet = self._quiet.look(standing, now)
        return [Fetched(tp, position, [], position, "nothing comes, though there is more") for tp, position in quiet.items()]

    def _drain(self, fetcher: Any, active: frozenset[TP] | None) -> list[Fetched]:
        # `Fetcher.fetched_records` of aiokafka 0.14.0, with `take` in the place of `getall`.
        found: list[Fetched] = []
        if fetcher._subscriptions.reassignment_in_progress:
            return found
        for tp in list(fetcher._records):
            if active is not None and tp not in active:
                if not fetcher._subscriptions.is_assigned(tp):
                    del fetcher._records[tp]
                continue
            result = fetcher._records[tp]
            if isinstance(result, FetchError):
                if not found:
                    del fetcher._records[tp]
                    fetcher._notify(fetcher._wait_consume_future)
                    if isinstance(result._error, RecordTooLargeError):
                        # Brokers give a whole block, however large: this one's length is not true. aiokafka has passed over an offset.
                        position = fetcher._subscriptions.subscription.assignment.state_value(tp).position - 1
                        return [Fetched(TP(tp.topic, tp.partition), position, [], position, "a block without an end")]
                    result.check_raise()
                # Raised by the next fetch: what the other partitions brought goes first.
                break
            fetched = take(result, holes=cast("Holed", self.consumer).may_have_holes(TP(tp.topic, tp.partition)))
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if fetched is not None and (fetched.end > fetched.position or fetched.doubt):
                found.append(fetched)
        return found

    async def bounds(self, tps: Iterable[TP]) -> dict[TP, Bounds]:
        """Return what the broker says of each partition: the group's commit, and where the log starts and ends.

        Partitions no longer assigned are left out.

        Raises:
            KafkaError: the broker did not say within the request timeout.

        """
        found: dict[TP, Bounds] = await self.call_thread(self._bounds, list(tps))
        return found

    async def _bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        consumer = self._ensure_consumer()
        wanted = [ensure_aiokafka_TP(tp) for tp in tps if tp in consumer.assignment()]
        if not wanted:
            return {}
        starts: Mapping[Any, int]
        ends: Mapping[Any, int]
        starts, ends, *committed = await asyncio.gather(
            consumer.beginning_offsets(wanted), consumer.end_offsets(wanted), *(consumer.committed(tp) for tp in wanted)
        )
        latest = consumer._fetcher._default_reset_strategy == OffsetResetStrategy.LATEST
        return {
            TP(tp.topic, tp.partition): Bounds(commit, starts[tp], ends[tp], ends[tp] if latest else starts[tp])
            for tp, commit in zip(wanted, committed, strict=True)
        }

    async def place(self, offsets: Mapping[TP, int]) -> set[TP]:
        """Set each partition to an offset, and return those that are; one no longer assigned is its next owner's to begin.

        Faust's and aiokafka's `seek_to_committed` leave a partition without a commit, or with commit 0, wherever it is.
        """
        placed: set[TP] = await self.call_thread(self._place, dict(offsets))
        return placed

    async def _place(self, offsets: Mapping[TP, int]) -> set[TP]:
        consumer = self._ensure_consumer()
        placed = set()
        for tp, offset in offsets.items():
            with suppress(IllegalStateError):  # revoked while we asked
                consumer.seek(ensure_aiokafka_TP(tp), offset)
                placed.add(tp)
        return placed

    def confirmed_at(self, tp: TP) -> int | None:
        """Return when the broker last said where the partition's log ends (`highwater`): microseconds, None where it has not yet.

        Called on the app's own loop; reads one number that this thread sets.
        """
        consumer = self._consumer
        if consumer is None or tp not in consumer.assignment():
            return None
        milliseconds: int | None = consumer.last_poll_timestamp(ensure_aiokafka_TP(tp))
        return None if milliseconds is None else milliseconds * 1_000

    async def move(self, tp: TP, offset: int) -> None:
        """Set one partition's position, on aiokafka's own loop (Faust calls across threads); no-op if not assigned."""
        await self.call_thread(self._move, tp, offset)

    async def _move(self, tp: TP, offset: int) -> None:
        with suppress(IllegalStateError):  # revoked meanwhile: its position is the next owner's
            self._ensure_consumer().seek(ensure_aiokafka_TP(tp), offset)

    async def log_bounds(self, tp: TP) -> tuple[int, int]:
        """Return where the partition's log starts and ends (exclusive) at the broker now.

        Raises:
            KafkaError: the broker did not say within the request timeout.

        """
        bounds: tuple[int, int] = await self.call_thread(self._log_bounds, tp)
        return bounds

    async def _log_bounds(self, tp: TP) -> tuple[int, int]:
        consumer = self._ensure_consumer()
        asked = [ensure_aiokafka_TP(tp)]
        starts: Mapping[Any, int]
        ends: Mapping[Any, int]
        starts, ends = await asyncio.gather(consumer.beginning_offsets(asked), consumer.end_offsets(asked))
        return starts[asked[0]], ends[asked[0]]
