"""Servers that go and come again under load: the broker ten times in a minute, the registry for a minute in which a stage starts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pipeline.ordeal import Ordeal, Record, ordeal

RESTARTS, MINUTE, AWAY = 10, 60.0, 60.0


@contextlib.asynccontextmanager
async def restarted(trial: Ordeal) -> AsyncIterator[None]:
    """Restart the broker ten times within a minute, or as fast as it comes up: by turns in order, and by kill -9."""
    broker = trial.pipeline.stack.kafka
    began = time.monotonic()
    for number in range(RESTARTS):
        await asyncio.to_thread(broker.kill if number % 2 else broker.stop)
        await asyncio.to_thread(broker.start)
        await asyncio.sleep(max(0.0, began + (number + 1) * MINUTE / RESTARTS - time.monotonic()))
    yield


@contextlib.asynccontextmanager
async def registry_away(trial: Ordeal, stage: str) -> AsyncIterator[None]:
    """Keep the registry down as long as the block lasts, and let a stage begin meanwhile."""
    await trial.pipeline.strike("schema registry")
    await trial.pipeline.strike(stage)
    await trial.pipeline.mend(stage)
    yield
    await trial.pipeline.mend("schema registry")


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_a_broker_that_restarts_without_end(tmp_path: Path, record_property: Record) -> None:
    """Ten restarts in a minute: producers keep what they hear, stages take up their work, and all is there once."""
    async with ordeal(tmp_path, record_property) as trial:
        await trial.break_with(f"the broker restarted {RESTARTS} times, as fast as it comes up", "broker", restarted(trial), 0)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("stage", ["normalise", "processors", "clickhouse", "binance"])
async def test_a_registry_that_is_away_while_a_stage_starts(tmp_path: Path, record_property: Record, stage: str) -> None:
    """With no registry for a minute, who runs goes on; a stage that starts waits for it, says so, and works once it is there."""
    async with ordeal(tmp_path, record_property, cuts={"schema registry": ["binance"]} if stage == "binance" else {}) as trial:
        what = f"kill -9 of the schema registry for {AWAY:.0f} s, {stage} started meanwhile"
        await trial.break_with(what, "schema registry", registry_away(trial, stage), AWAY)
