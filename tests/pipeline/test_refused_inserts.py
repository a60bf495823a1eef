"""ClickHouse refuses the inserts of one table, of itself: the other tables go on, and once it is mended all of it is stored, once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pipeline.ordeal import Ordeal, Record, ordeal

REFUSALS = {
    "too many parts": (
        "ALTER TABLE tidewire.trades MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1",
        "ALTER TABLE tidewire.trades RESET SETTING parts_to_delay_insert, parts_to_throw_insert",
    ),
    "a column gone": (
        "ALTER TABLE tidewire.trades RENAME COLUMN connection_id TO connection_id_aside",
        "ALTER TABLE tidewire.trades RENAME COLUMN connection_id_aside TO connection_id",
    ),
    "detached": ("DETACH TABLE tidewire.trades PERMANENTLY", "ATTACH TABLE tidewire.trades"),
    "a rule that nothing keeps": (
        "ALTER TABLE tidewire.trades ADD CONSTRAINT nothing CHECK price < 0",
        "ALTER TABLE tidewire.trades DROP CONSTRAINT nothing",
    ),
}
"""What makes it refuse, and the statement that mends it."""
AWAY = 20.0
ROWS_MEANWHILE = 200


@contextlib.asynccontextmanager
async def refusing(trial: Ordeal, refusal: str) -> AsyncIterator[None]:
    """Let inserts into one table be refused as long as the block lasts; rows of another come meanwhile."""
    spoil, mend = REFUSALS[refusal]
    pipeline = trial.pipeline

    def quotes() -> int:
        return int(pipeline.query("SELECT count() FROM quotes")[0][0])

    await asyncio.to_thread(pipeline.command, spoil)
    try:
        before = await asyncio.to_thread(quotes)
        await pipeline.until(lambda: quotes() > before + ROWS_MEANWHILE, "the other tables go on")
        yield
    finally:
        await asyncio.to_thread(pipeline.command, mend)


@pytest.mark.chaos
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_table_that_takes_nothing(tmp_path: Path, record_property: Record, refusal: str) -> None:
    """Trades are refused for a while, quotes go on; no row is given up, and afterwards every trade is there once."""
    async with ordeal(tmp_path, record_property) as trial:
        await trial.break_with(f"inserts of trades refused: {refusal}", "database", refusing(trial, refusal), AWAY)
