"""A simulator whose clock is moved by hand, and a client session."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from simulator.server import Simulator, SimulatorSettings
from tests.simulator import clients


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start two symbols at the venues that the clients here speak to, 300 levels a side, standing still."""
    async with Simulator(SimulatorSettings(seed=11, venues=clients.VENUES, levels=300)) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a client session."""
    async with clients.session() as opened:
        yield opened
