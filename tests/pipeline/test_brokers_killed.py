"""Three brokers, each of which is killed under load: what two of them hold is enough, for all stages and for the brokers' own topics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests import tolls
from tests.pipeline import havoc
from tests.pipeline.harness import Pipeline, settings
from tests.pipeline.havoc import Blow, Havoc, load
from tests.pipeline.ledger import made, stored, stored_trades, true_trades
from tests.pipeline.test_kills import NO_SILENCE, SLOW
from tests.replicated_stack import NODES, TOPICS, ReplicatedStack, running
from tests.topics import records

STAGES = ("producers", "normalise", "detect_gaps", "clickhouse")
PARTITIONS = 2
"""Of each topic: three brokers hold each of them, and share two cores with all else."""
PATIENCE = 300


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ReplicatedStack]:
    """Three brokers of the test's own."""
    with running(tmp_path / "stack") as stack:
        yield stack


@pytest.mark.chaos
@pytest.mark.timeout(2400)
async def test_each_broker_of_three_may_be_killed(
    tmp_path: Path, record_property: Callable[[str, object], None], replicated: ReplicatedStack
) -> None:
    """Trades made while a broker is away arrive meanwhile; at the end each is there once, no hole was told, and no stage has ended."""
    async with (
        Simulator(settings(**SLOW)) as simulator,
        Pipeline(
            tmp_path, simulator, STAGES, stack=replicated, environment=NO_SILENCE, topics={**TOPICS, "partitions": PARTITIONS}
        ) as pipeline,
    ):
        chaos = Havoc(simulator, pipeline)

        @asynccontextmanager
        async def away(node: int) -> AsyncIterator[None]:
            await asyncio.to_thread(replicated.brokers[node].kill)
            before = made(simulator)
            await pipeline.until(lambda: stored(pipeline) > before, f"rows made since broker {node} was killed arrive", PATIENCE)
            yield
            await asyncio.to_thread(replicated.brokers[node].start)
            await pipeline.until(replicated.in_sync, f"broker {node} has all that it missed", PATIENCE)

        await simulator.step(200)
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), "the market flows", PATIENCE)
        async with load(simulator):
            for node in NODES:
                await pipeline.until(replicated.in_sync, "all brokers have all there is", PATIENCE)
                await chaos.break_with("kill -9 of one broker of three", f"broker {node}", away(node), 0)
        await simulator.step(200)
        await simulator.pause()
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), f"{made(simulator)} trades are in ClickHouse", PATIENCE)
        await chaos.caught_up(Blow("", {}, 0, "the end"), PATIENCE)
        chaos.judge()
        tolls.record(record_property, havoc.tolls(chaos.blows))

        assert stored_trades(pipeline) == true_trades(simulator)
        await pipeline.stop_all()
        assert list(records(replicated.addresses.kafka, "gaps", "dead_letters")) == []
