"""Workers of normalise that come and go while frames are read: one, two, four; one is killed, one asked to leave."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.workers import shares
from dialects.contract import Frame
from local import LocalStack
from schemas.catalogue import event
from schemas.codec import Codec, schema_id
from tests.pipeline.harness import Pipeline
from tests.pipeline.ledger import stored
from tests.pipeline.raw import Raw, binance_trade, frame
from tests.topics import records
from topology.clock import now
from topology.settings import Kafka

PARTITIONS = 8
CONNECTIONS = 32
"""Each with a symbol of its own: so many that every partition has some."""
EVERY_SECONDS = 0.1
"""Between two frames of a connection."""
BACKLOG = 3_200
WORKER = ("processors.normalise",)


def frames(first: int, number: int) -> list[Frame]:
    """Return so many frames of each connection, from counter `first` on: a trade each, whose id is the counter."""
    time = now()
    return [
        frame("binance", f"binance-{one:08x}", place, binance_trade(f"SHARED{one}", place, "1.5", "2", time), time)
        for place in range(first, first + number)
        for one in range(CONNECTIONS)
    ]


@pytest.mark.timeout(600)
async def test_workers_come_and_go_while_frames_are_read(tmp_path: Path, stack: LocalStack) -> None:
    """Each frame's trade is in the table once and on the topic in the order of its symbol, whoever read it; no hole is invented."""
    environment = {"TIDEWIRE_PRODUCER__DIRECT_EVENTS": "false"}  # nobody but normalise is to publish them
    async with Pipeline(
        tmp_path, stages=("normalise", "clickhouse"), stack=stack, environment=environment, topics={"partitions": PARTITIONS}
    ) as pipeline:
        kafka, raw = Kafka(brokers=stack.addresses.kafka), Raw(pipeline)
        await asyncio.to_thread(raw.frames, frames(1, BACKLOG // CONNECTIONS))
        each = BACKLOG // CONNECTIONS

        @asynccontextmanager
        async def more() -> AsyncIterator[None]:
            """Let frames come, as long as the block lasts."""
            over = asyncio.Event()

            async def send() -> None:
                nonlocal each
                while not over.is_set():
                    await asyncio.to_thread(raw.frames, frames(each + 1, 1))
                    each += 1
                    await asyncio.sleep(EVERY_SECONDS)

            sending = asyncio.create_task(send())
            try:
                yield
            finally:
                over.set()
                await sending

        async def share(number: int) -> None:
            def shared() -> bool:
                found = shares(kafka, "tidewire.normalise", "raw.binance")
                assert len(found) == number, found
                assert sum(found) == PARTITIONS, found
                return min(found) > 0

            await pipeline.until(shared, f"{number} workers share the partitions")

        await share(1)
        async with more():
            pipeline.start_as("second", WORKER)
            await share(2)
            for name in ("third", "fourth"):
                pipeline.start_as(name, WORKER)
            await share(4)
            await asyncio.to_thread(pipeline.kill, "third")
            await share(3)
            assert await asyncio.to_thread(pipeline.stop, "second") == 0
            await share(2)
        total = each * CONNECTIONS
        await pipeline.until(lambda: stored(pipeline) >= total, f"{total} trades are in ClickHouse")

        wanted = {f"SHARED{one}": list(range(1, each + 1)) for one in range(CONNECTIONS)}
        rows = pipeline.query("SELECT symbol, toUInt64(trade_id), frames_lost FROM trades FINAL ORDER BY symbol, toUInt64(trade_id)")
        assert by_symbol(rows) == wanted
        trades = await asyncio.to_thread(published, kafka.brokers)
        assert {symbol: list(dict.fromkeys(numbers)) for symbol, numbers in by_symbol(trades).items()} == wanted
        assert {lost for _, _, lost in (*rows, *trades)} == {0}
        await pipeline.stop_all()
        assert list(records(kafka.brokers, "gaps", "dead_letters")) == []


def published(brokers: str) -> list[tuple[str, int, int]]:
    """Return symbol, id and lost frames of every trade on the topic, those of a symbol in their order there."""
    values = [message.value() for message in records(brokers, "trades")]
    codec = Codec(event("trade"), schema_id(values[0]))
    trades = [codec.decode(value) for value in values]
    return [(trade["symbol"], int(trade["trade_id"]), trade["frames_lost"]) for trade in trades]


def by_symbol(trades: Iterable[tuple[Any, ...]]) -> dict[str, list[int]]:
    """Return the ids of each symbol's trades, in the order given."""
    found: dict[str, list[int]] = defaultdict(list)
    for symbol, number, _ in trades:
        found[symbol].append(number)
    return found
