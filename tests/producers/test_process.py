"""Several venues in one process: what one of them meets is no other's, and the process ends when there is nothing left to do."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from local.health_pages import page, pages_of, readiness
from producers.process import Carried, name_of
from producers.stage import Stage
from simulator.server import Simulator
from tests.producers.conftest import VENUES
from tests.producers.harness import QUICK, Published
from tests.uncounted import uncounted
from tests.waiting import until
from topology.errors import FATAL_CODE, Retry
from topology.settings import Kafka, Producer, Registry, Settings, Venue

PATIENCE = 60.0


def venues(simulator: Simulator, **changes: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of both venues; `changes` of one, by its name."""
    return {
        venue: {
            "websocket": simulator.addresses[f"{venue}_ws"],
            "rest": simulator.addresses[f"{venue}_rest"],
            "origin": "simulated",
            "channels": ["trade"],
            "symbols": [one.instrument.wire_symbol for one in simulator.venues[venue].listings.values()],
        }
        | changes.get(venue, {})
        for venue in VENUES
    }


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(simulator: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path) -> Iterator[Start]:
    """Return what starts the process of both venues, whose settings may be changed by name; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def make(**changes: dict[str, Any]) -> "subprocess.Popen[str]":
        environment = uncounted(os.environ) | {
            "TIDEWIRE_STATE_DIR": str(tmp_path),
            "TIDEWIRE_KAFKA__BROKERS": kafka.brokers,
            "TIDEWIRE_REGISTRY__URL": registry.url,
            "TIDEWIRE_VENUES": json.dumps(venues(simulator, **changes)),
        }
        command = [sys.executable, "-m", "producers", *VENUES]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True))
        return started[0]

    yield make
    for process in started:
        process.kill()
        process.communicate()


def state(folder: Path, process: "subprocess.Popen[str]", venue: str) -> tuple[str, str]:
    """Return a venue's state and the reason for it, as the page of its process tells."""
    return readiness(pages_of(folder).get(process.pid, ""), f"producers-{venue}")


async def test_both_are_carried_and_end_in_order(start: Start, simulator: Simulator, kafka: Kafka, tmp_path: Path) -> None:
    """One page tells of both; the frames of each are on its topic, and SIGTERM ends the process well."""
    readers = {venue: Published(kafka, f"raw.{venue}", f"{venue}-") for venue in VENUES}
    process = start()
    await until(lambda: all(state(tmp_path, process, venue) == ("ready", "") for venue in VENUES))
    assert list(pages_of(tmp_path)) == [process.pid]
    await simulator.step(100)
    for venue, reader in readers.items():

        def come(reader: Published = reader) -> bool:
            reader.poll()
            return len(reader.all("message")) > 10

        await until(come)
        assert {one["venue"] for one in reader.all("message")} == {venue}
        reader.close()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, PATIENCE) == 0
    assert not list((tmp_path / "stages").iterdir())


async def test_one_that_a_person_must_mend_leaves_the_other_alone(start: Start, tmp_path: Path) -> None:
    """A channel that the venue does not have is said on its part of the page, with the setting; the other venue is ready."""
    process = start(kraken={"channels": ["no such channel"]})
    await until(lambda: state(tmp_path, process, "kraken")[0] == "failed" and state(tmp_path, process, "binance")[0] == "ready")
    assert "no such channel" in state(tmp_path, process, "kraken")[1]
    assert page(f"{pages_of(tmp_path)[process.pid]}/health")[0] == 200
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, PATIENCE) == 0


async def test_where_a_person_must_mend_all_the_process_ends(start: Start) -> None:
    """Its code says that a start anew would not help, and its last line what to do for each."""
    wrong = {"channels": ["no such channel"]}
    process = start(kraken=wrong, binance=wrong)
    _, error = await asyncio.to_thread(process.communicate, None, PATIENCE)
    assert process.returncode == FATAL_CODE
    last = error.splitlines()[-1]
    assert last.startswith("producers: producers-binance: ")
    assert "; producers-kraken: " in last


@asynccontextmanager
async def carried(simulator: Simulator, kafka: Kafka, registry: Registry, folder: Path) -> AsyncIterator[dict[str, Carried]]:
    """Carry both venues in this process until the end of the block."""
    own = {name: Venue(**one) for name, one in venues(simulator).items()}
    settings = Settings(state_dir=folder, kafka=kafka, registry=registry, venues=own, producer=Producer(**QUICK))
    both, stop = {venue: Carried(settings, venue) for venue in VENUES}, asyncio.Event()
    running = [asyncio.create_task(one.run(stop)) for one in both.values()]
    try:
        yield both
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), PATIENCE)


@pytest.mark.parametrize("error", [KeyError("planted"), Retry("the registry is away"), None], ids=["a fault", "what passes", "a return"])
async def test_what_ends_one_begins_it_again(
    error: Exception | None, simulator: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends a venue's work unasked, it is begun again from nothing while the other is never interrupted; a fault is counted."""
    begun: dict[str, list[Stage]] = {venue: [] for venue in VENUES}
    real = Stage.run

    async def run(stage: Stage, stop: asyncio.Event) -> None:
        venue = stage.name.removeprefix("producers-")
        begun[venue].append(stage)
        if venue == "kraken" and len(begun[venue]) <= 3:
            if error is not None:
                raise error
            return
        await real(stage, stop)

    monkeypatch.setattr(Stage, "run", run)
    async with carried(simulator, kafka, registry, tmp_path) as both:
        await until(lambda: all(one.part() == ("ready", "") for one in both.values()))
        assert (len(begun["binance"]), len(set(begun["kraken"]))) == (1, 4)
        counts = [one["count"] for one in both["kraken"].faults.red()]
        assert counts == ([3] if isinstance(error, KeyError) else [])
        assert both["binance"].faults.red() == []


async def test_one_that_waits_to_begin_again_stops_at_once(
    simulator: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who stops the process waits for a wait, however long."""

    async def run(_stage: Stage, _stop: asyncio.Event) -> None:
        raise Retry("the registry is away")

    monkeypatch.setattr(Stage, "run", run)
    settings = Settings(state_dir=tmp_path, kafka=kafka, registry=registry, producer=Producer(backoff_first=1e6, backoff_most=1e6))
    one, stop = Carried(settings, "kraken"), asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    await until(lambda: one.part() == ("waiting", "the registry is away"))
    stop.set()
    await asyncio.wait_for(running, PATIENCE)


def test_a_process_is_called_by_what_it_carries() -> None:
    """By its one venue, else by the stage."""
    assert name_of(["kraken"]) == "producers-kraken"
    assert name_of(VENUES) == "producers"
