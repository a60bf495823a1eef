"""A pipeline that is fed by hand."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.pipeline.harness import Pipeline


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fed_by_hand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pipeline]:
    """Run every stage but the producers, once for all tests that put frames straight into the raw topics."""
    # Recorded frames are years old, and rows that old go at once where they have a time to live.
    async with Pipeline(tmp_path_factory.mktemp("fed_by_hand"), TIDEWIRE_CLICKHOUSE__TTL_DAYS="{}") as pipeline:
        yield pipeline
