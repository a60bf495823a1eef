"""A broker with our topics, and a simulated market that moves by hand."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from local import Addresses
from simulator.server import Simulator, SimulatorSettings
from tests.producers.harness import Running
from topology import registry as registries
from topology import topics
from topology.settings import Kafka, Registry

VENUES = ("binance", "kraken")
"""Two venues that differ: what each venue must do by itself is tested in tests/contracts."""
Runs = Callable[..., Running]


@pytest.fixture(scope="session")
def kafka(stack_addresses: Addresses) -> Kafka:
    """Return the broker's settings, with every topic there."""
    settings = Kafka(brokers=stack_addresses.kafka)
    wanted = topics.all_topics(VENUES)
    topics.create(settings, wanted)
    topics.register(registries.Registry(Registry(url=stack_addresses.registry)), wanted)
    return settings


@pytest.fixture(scope="session")
def registry(stack_addresses: Addresses) -> Registry:
    """Return the schema registry's settings."""
    return Registry(url=stack_addresses.registry)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start two symbols at two venues, standing still."""
    async with Simulator(SimulatorSettings(seed=5, venues=VENUES, levels=300)) as started:
        yield started


@pytest.fixture
def producer(simulator: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path) -> Runs:
    """Return what makes a producer of a simulated venue, given its name, symbols, channels and producer settings."""

    def make(venue: str, **options: Any) -> Running:
        return Running(simulator, venue, kafka, registry, tmp_path, **options)

    return make
