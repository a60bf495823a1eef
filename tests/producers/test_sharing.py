"""Several producers share a venue's symbols: each is heard by one, by the next when that one goes, and by two only as it changes hands."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from simulator.server import Simulator, SimulatorSettings
from tests.producers.harness import QUICK, Running
from tests.uncounted import uncounted
from tests.waiting import until
from topology.settings import Kafka, Registry

BASES = ("BTC", "ETH", "SOL", "LTC", "XRP", "ADA", "DOGE", "DOT", "AVAX", "LINK", "UNI", "ATOM")
CHANNELS = ("trade", "quote")
PATIENCE = 60.0


@pytest.fixture
async def market() -> AsyncIterator[Simulator]:
    """Start a venue of a dozen symbols, standing still."""
    async with Simulator(SimulatorSettings(seed=5, bases=BASES, venues=("binance",), levels=50)) as started:
        yield started


@pytest.fixture
def member(market: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path) -> Callable[[str], Running]:
    """Return what makes one more producer of the venue in this process, given its name."""

    def make(name: str) -> Running:
        return Running(market, "binance", kafka, registry, tmp_path / name, channels=CHANNELS, shared=True)

    return make


@pytest.fixture
def process(market: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Return what starts one more as a process of its own, given its name; all are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    venue = {
        "websocket": market.addresses["binance_ws"],
        "rest": market.addresses["binance_rest"],
        "origin": "simulated",
        "channels": CHANNELS,
        "symbols": [one.instrument.wire_symbol for one in market.venues["binance"].listings.values()],
    }

    def make(name: str) -> "subprocess.Popen[bytes]":
        environment = uncounted(os.environ) | {
            "TIDEWIRE_STATE_DIR": str(tmp_path / name),
            "TIDEWIRE_KAFKA__BROKERS": kafka.brokers,
            "TIDEWIRE_REGISTRY__URL": registry.url,
            "TIDEWIRE_VENUES": json.dumps({"binance": venue}),
            "TIDEWIRE_PRODUCER": json.dumps(QUICK | {"shared": True}),
        }
        started.append(subprocess.Popen([sys.executable, "-m", "producers", "binance"], env=environment, stdin=subprocess.DEVNULL))
        return started[-1]

    yield make
    for one in started:
        one.kill()
        one.wait()


def heard(market: Simulator) -> Counter[str]:
    """Return by how many connections each stream is heard now."""
    return Counter(stream for one in market.venues["binance"].connections.values() for stream in one.streams)


def each_once(market: Simulator) -> bool:
    """Whether each stream of each symbol is heard, and none twice."""
    found = heard(market)
    return len(found) == len(CHANNELS) * len(BASES) and set(found.values()) == {1}


def loads(market: Simulator) -> list[int]:
    """Return how many streams each connection carries: a producer has one, where none changes hands."""
    return [len(one.streams) for one in market.venues["binance"].connections.values() if one.streams]


def shared_by(market: Simulator, *members: Running) -> bool:
    """Whether these, and nobody else, hear each symbol once, and each of them some."""
    shares = [{stream.symbol for feed in one.stage.feeds for stream in feed.streams} for one in members]
    return all(shares) and sum(map(len, shares)) == len(BASES) and each_once(market) and len(loads(market)) == len(members)


@asynccontextmanager
async def load(market: Simulator) -> AsyncIterator[None]:
    """Move the market as long as the block lasts, and see that at no time a stream is heard by nobody."""

    async def move() -> None:
        while True:
            await market.step(5)
            await asyncio.sleep(0.02)
            assert len(heard(market)) == len(CHANNELS) * len(BASES), heard(market)

    moving = asyncio.create_task(move())
    try:
        yield
        assert not moving.done(), moving.exception()
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)


async def test_whoever_comes_or_goes_nothing_is_missed(market: Simulator, member: Callable[[str], Running]) -> None:
    """Each symbol is heard by one, and each has some: of two, of three, and of those left. Every trade has been published in the end."""
    first, second, third = members = [member(name) for name in "abc"]
    async with AsyncExitStack() as stack:
        for one in members:
            stack.callback(one.published.close)
        stack.push_async_callback(first.stop)
        await first.__aenter__()
        assert shared_by(market, first)
        async with load(market):
            await second.__aenter__()
            stack.push_async_callback(second.stop)
            await until(lambda: shared_by(market, first, second), PATIENCE)
            await third.__aenter__()
            stack.push_async_callback(third.stop)
            await until(lambda: shared_by(market, first, second, third), PATIENCE)
            await second.stop()
            await first.stop()
            await until(lambda: shared_by(market, third), PATIENCE)
        await market.pause()
        made = sum(len(tape) for tape in market.truth.tapes.values())

        def all_there() -> bool:
            for one in members:
                one.published.poll()
            return sum(map(len, trades(members).values())) == made

        await until(all_there, PATIENCE)
        assert all(found == set(range(min(found), max(found) + 1)) for found in trades(members).values())


def trades(members: list[Running]) -> dict[str, set[int]]:
    """Return the ids of the trades that were published, by symbol."""
    found: dict[str, set[int]] = defaultdict(set)
    for one in members:
        for event in one.published.data():
            if event["e"] in {"trade", "aggTrade"}:
                found[event["s"]].add(event["t" if event["e"] == "trade" else "a"])
    return found


async def test_one_that_is_killed_or_hangs_is_taken_over_and_lets_go(
    market: Simulator, process: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    """The others take what a killed one heard, and what a stopped one did; when that one goes on it hears nothing that others hear."""
    first, second = process("a"), process("b")
    await until(lambda: each_once(market) and len(loads(market)) == 2, PATIENCE)
    second.send_signal(signal.SIGKILL)
    await until(lambda: each_once(market) and len(loads(market)) == 1, PATIENCE)

    process("c")
    await until(lambda: each_once(market) and len(loads(market)) == 2, PATIENCE)
    first.send_signal(signal.SIGSTOP)
    await until(lambda: max(loads(market)) == len(CHANNELS) * len(BASES), PATIENCE)
    first.send_signal(signal.SIGCONT)
    await until(lambda: each_once(market) and len(loads(market)) == 2, PATIENCE)
