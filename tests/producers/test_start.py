"""A producer that cannot begin yet: it says what it waits for, and stops when it is told to."""

import asyncio
from pathlib import Path

from producers.stage import Stage
from tests.waiting import until
from topology.metrics import retries
from topology.settings import Kafka, Producer, Registry, Settings


async def test_a_producer_that_waits_for_the_registry_says_so_and_stops(kafka: Kafka, tmp_path: Path) -> None:
    """Each attempt is counted, the reason is its status with the setting to look at, and a wish to stop ends it at once."""
    settings = Settings(
        state_dir=tmp_path, kafka=kafka, registry=Registry(url="http://127.0.0.1:1"), producer=Producer(backoff_first=60, backoff_most=60)
    )
    stage, stop, asked = Stage(settings, "binance", random_number=lambda: 0.99), asyncio.Event(), retries.labels("producers", "registry")
    before = asked._value.get()
    running = asyncio.create_task(stage.run(stop))
    await until(lambda: "registry.url" in stage.status())
    stop.set()
    await asyncio.wait_for(running, 20)
    assert asked._value.get() == before + 1
