"""A log that the broker's disk has damaged: of a topic it is a gap and the stage goes on, of a state it is a reason to stop."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mode import Service

from console.commands.rewind import rewind
from local import Addresses
from processors.engine.stage import Stage
from tests.damaged import CHECKSUM_AT, SPOILS, Block, blocks, cases, overwrite, spoil_payload
from tests.processors.engine.stages import Laboratory
from tests.processors.engine.transport.broker import Broker
from tests.waiting import until
from topology import flow
from topology.errors import Fatal

COUNT = 20
"""Records of a block, and blocks."""


@pytest.fixture
def damageable(own_files: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """Return a stage of a new topic in files that a test can write to."""
    monkeypatch.setattr("processors.engine.stage.end_anyway", lambda *_: None)
    monkeypatch.setattr("processors.engine.transport.thread.QUIET_SECONDS", 1.5)
    return Laboratory(own_files, Broker(own_files.kafka), tmp_path)


def fill(laboratory: Laboratory) -> list[Block]:
    """Write blocks of twenty records, each long enough for an entry in the index."""
    for start in range(0, COUNT * COUNT, COUNT):
        laboratory.broker.fill(laboratory.topic, 0, (b"%0250d" % number for number in range(start, start + COUNT)))
    return blocks(laboratory.broker.address, laboratory.topic)


def lost(laboratory: Laboratory) -> set[int]:
    """Return the offsets that gaps say are damaged."""
    found: set[int] = set()
    for gap in laboratory.told("gap"):
        assert (gap["cause"], gap["state"]) == ("corrupt", "unfillable"), gap
        found |= set(range(gap["from_sequence"], gap["to_sequence"] + 1))
    return found


@pytest.mark.parametrize(
    ("where", "spoil"),
    cases(
        {"first": 0, "middle": 7, "last": COUNT - 1}, SPOILS, {("middle", "payload"), ("middle", "length too large"), ("last", "checksum")}
    ),
)
async def test_a_damaged_block_is_a_gap_and_all_else_is_processed(damageable: Laboratory, spoil: str, where: int) -> None:
    """Every record is processed once or in the gap, the damaged block is in it, and what is written after it is read.

    A wrong format alone may leave the records as they are.
    """
    there = fill(damageable)
    SPOILS[spoil](there[where])
    async with damageable.running():
        await until(lambda: damageable.committed(COUNT * COUNT))
        damageable.broker.fill(damageable.topic, 0, (b"%0250d" % number for number in range(COUNT * COUNT, COUNT * COUNT + 200)))
        await until(lambda: damageable.committed(COUNT * COUNT + 200))
    gone = lost(damageable)
    assert damageable.watched.numbers == [number for number in range(COUNT * COUNT + 200) if number not in gone]
    assert set(range(there[where].first, there[where].end)) <= gone or "format" in spoil
    assert len(gone) <= 3 * COUNT


async def test_a_damaged_block_is_fetched_three_times_before_it_is_lost(damageable: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that is sound when it is fetched again was a bad transfer: no gap, nothing missing."""
    there = fill(damageable)
    before = overwrite(there[7], CHECKSUM_AT, b"\xde\xad\xbe\xef")
    looked: list[int] = []

    async def mended_meanwhile(seconds: float) -> None:
        looked.append(1)
        overwrite(there[7], CHECKSUM_AT, before)
        await asyncio.sleep(seconds)

    monkeypatch.setattr("topology.damage.sleep", mended_meanwhile)
    async with damageable.running():
        await until(lambda: damageable.committed(COUNT * COUNT))
    assert looked
    assert damageable.told("gap") == []
    assert damageable.watched.numbers == list(range(COUNT * COUNT))


async def test_a_damaged_state_stops_the_stage_and_the_cure_works(damageable: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the changelog can't be passed over: the stage ends with the command that lets it read again, and that does."""
    damageable.fill(*range(10))
    async with damageable.running():
        await until(lambda: damageable.committed(10))
    for block in blocks(damageable.broker.address, damageable.changelog):
        spoil_payload(block)
    crashed = await ended(damageable)
    assert isinstance(crashed, Fatal)
    assert f"tidewire rewind {damageable.name} --forget" in str(crashed)
    assert damageable.changelog in str(crashed)
    declared = {damageable.name: flow.Stage(damageable.name, ("trade",), ())}
    monkeypatch.setattr("console.commands.rewind.stages", lambda: declared)
    monkeypatch.setattr("console.commands.rewind.topics_of", lambda _reads: [damageable.topic])
    await until(lambda: damageable.broker.members(damageable.group) == 0)
    await asyncio.to_thread(rewind, damageable.settings, damageable.name, forget=True)
    damageable.watched.numbers.clear()
    async with damageable.running():
        await until(lambda: damageable.committed(10))
    assert damageable.watched.numbers == list(range(10))
    assert damageable.watched.begun[-1] == []


async def ended(laboratory: Laboratory) -> BaseException | None:
    """Start the stage, wait until it has crashed, and return why."""
    stage = Stage(laboratory.settings, laboratory.name, (laboratory.topic,), no_work, partitions=1)
    stage.app.finalize()
    starting = asyncio.ensure_future(stage.app.start())
    try:
        await until(lambda: stage.app.crashed)
        assert stage.status().startswith("it failed, and ends")
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await stage.app.stop()
        stage.output.close()
    return stage.app.crash_reason


def no_work(*_place: Any) -> Any:
    """Fail: nothing may begin with a state that is damaged."""
    raise AssertionError("begun without its state")


@pytest.mark.parametrize("part", ["fetcher", "consumer", "thread", "tables"])
async def test_a_part_that_crashes_ends_the_process_within_a_bound(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Whichever part it is: the end is set for the process, and it is not ready any more, though it would stop in order for ever."""
    bounds: list[float] = []
    monkeypatch.setattr("processors.engine.stage.end_anyway", lambda seconds, *_: bounds.append(seconds))
    laboratory.fill(*range(10))
    async with laboratory.running() as consumer:
        await until(lambda: laboratory.committed(10))
        app = laboratory.stage.app
        assert laboratory.stage.status() == ""
        crashing: Service = {"fetcher": app._fetcher, "consumer": consumer, "thread": consumer._thread, "tables": app.tables}[part]
        if part == "thread":
            await consumer._thread.call_thread(crashing.crash, RuntimeError("bad part"))
        else:
            await crashing.crash(RuntimeError("bad part"))
        await until(lambda: bounds)
        assert "bad part" in laboratory.stage.status()
    assert 0 < bounds[0] <= 30
    assert len(bounds) == 1


async def test_an_error_in_the_fetcher_is_a_crash(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception out of a fetch sets the end of the process, and the reason is what /ready says."""
    bounds: list[float] = []
    monkeypatch.setattr("processors.engine.stage.end_anyway", lambda seconds, *_: bounds.append(seconds))
    async with laboratory.running() as consumer:
        monkeypatch.setattr(consumer, "_fetch", fail)
        await until(lambda: bounds)
        assert "bad fetch" in laboratory.stage.status()


async def fail(_timeout: float) -> Any:
    """Fail as a fetch may."""
    raise RuntimeError("bad fetch")
