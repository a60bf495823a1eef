"""Every stage and every server is stopped (SIGSTOP) for a while under load, and goes on: nothing is lost, twice or invented."""

import contextlib
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.pipeline.harness import PRODUCERS
from tests.pipeline.ordeal import Ordeal, Record, ordeal

GROUPS = {
    "sources": (*PRODUCERS, "normalise"),
    "readers": ("processors", "clickhouse"),
    "servers": ("broker", "schema registry", "database"),
}
CUTS = {venue: (venue,) for venue in PRODUCERS}
"""What a producer does not take for long its venue ends."""


@contextlib.asynccontextmanager
async def stopped(trial: Ordeal, part: str) -> AsyncIterator[None]:
    """Let a part stand still as long as the block lasts: its sockets stay open, and what it holds stays."""
    trial.pipeline.signal(part, signal.SIGSTOP)
    try:
        yield
    finally:
        trial.pipeline.signal(part, signal.SIGCONT)


@pytest.mark.chaos
@pytest.mark.parametrize("parts", [pytest.param(parts, id=name) for name, parts in GROUPS.items()])
@pytest.mark.parametrize("seconds", [pytest.param(n, marks=pytest.mark.timeout(900 + 8 * n), id=f"{n}s") for n in (5, 30, 120)])
async def test_what_stood_still_goes_on(tmp_path: Path, record_property: Record, parts: Sequence[str], seconds: float) -> None:
    """Each part in turn stands still for so long; afterwards all is there once, and no gap is told but of connections that ended."""
    async with ordeal(tmp_path, record_property, cuts=CUTS) as trial:
        for part in parts:
            name = f"the {part}" if part in GROUPS["servers"] else f"stage {part}"
            await trial.break_with(f"SIGSTOP of {name} for {seconds} s", part, stopped(trial, part), seconds)
