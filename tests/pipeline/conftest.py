"""What pipelines share: a stack of servers, one after the other; and one that is fed by hand."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from local import LocalStack
from tests.pipeline.harness import Pipeline
from tests.uncounted import uncounted_children


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Start a stack for all pipelines, one at a time, whose tests leave the servers alone: starting one costs more than emptying it."""
    running = LocalStack(tmp_path_factory.mktemp("stack_of_pipelines"))
    with uncounted_children():
        running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def fed_by_hand(tmp_path_factory: pytest.TempPathFactory, stack: LocalStack) -> AsyncIterator[Pipeline]:
    """Run every stage but the producers, once for all tests that put frames straight into the raw topics: they come last here."""
    # Recorded frames are years old, and rows that old go at once where they have a time to live.
    environment = {"TIDEWIRE_CLICKHOUSE__TTL_DAYS": "{}"}
    async with Pipeline(tmp_path_factory.mktemp("fed_by_hand"), stack=stack, environment=environment) as pipeline:
        yield pipeline
