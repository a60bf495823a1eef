"""The consumer thread: aiokafka lives here, on its own event loop. Fetches, seeks and questions about the log."""

# ruff: noqa: SLF001 - this file stands in for private parts of the pinned aiokafka

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from aiokafka.consumer.fetcher import FetchError, OffsetResetStrategy
from aiokafka.errors import ConsumerStoppedError, IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ensure_aiokafka_TP
from faust.types import TP

from processors.engine.transport.unpacking import Fetched, take

FETCH_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one answer, over all partitions: what aiokafka reads ahead of the agents. Its default is 50 MiB."""


class FetchThread(AIOKafkaConsumerThread):
    """Faust's aiokafka thread, fetching per partition and by explicit position."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust 0.15.3 passes its own and has no setting; aiokafka 0.14.0 reads these when the consumer starts.
        consumer._fetch_max_bytes = FETCH_BYTES
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = transport.app.fetch_least
        return consumer

    async def fetch(self, active: frozenset[TP] | None, timeout: float) -> list[Fetched]:
        """Fetch what is there for the active partitions, or wait up to `timeout` seconds for some.

        `active` None means every assigned partition; an empty set means none (aiokafka's own reading of an empty set is
        "all", FAUST 2).

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
            found = self._drain(fetcher, active)
            if found:
                return found
            waiter = fetcher._create_fetch_waiter()
            _, pending = await asyncio.wait([waiter], timeout=timeout)
            if pending:
                waiter.cancel()
                return []
            waiter.result()
            return self._drain(fetcher, active)

    @staticmethod
    def _drain(fetcher: Any, active: frozenset[TP] | None) -> list[Fetched]:
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
                    result.check_raise()
                # Raised by the next fetch: what the other partitions brought goes first.
                break
            fetched = take(result)
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if fetched is not None and fetched.end > fetched.position:
                found.append(fetched)
        return found

    async def begin(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Set each partition to its committed offset, else to where `consumer_auto_offset_reset` says; return these.

        Faust's and aiokafka's `seek_to_committed` leave a partition without a commit, or with commit 0, wherever it is.
        Partitions no longer assigned are left out.
        """
        starts: dict[TP, int] = await self.call_thread(self._begin, list(tps))
        return starts

    async def _begin(self, tps: list[TP]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        wanted = [ensure_aiokafka_TP(tp) for tp in tps if tp in consumer.assignment()]
        committed = await asyncio.gather(*(consumer.committed(tp) for tp in wanted))
        starts: dict[Any, int] = {tp: offset for tp, offset in zip(wanted, committed, strict=True) if offset is not None}
        if fresh := [tp for tp in wanted if tp not in starts]:
            latest = consumer._fetcher._default_reset_strategy == OffsetResetStrategy.LATEST
            starts |= await (consumer.end_offsets(fresh) if latest else consumer.beginning_offsets(fresh))
        begun = {}
        for tp, start in starts.items():
            with suppress(IllegalStateError):  # revoked while we asked: it is the next owner's to begin
                consumer.seek(tp, start)
                begun[TP(tp.topic, tp.partition)] = start
        return begun

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
