"""What a stage does with time, with bugs in its work, and at its checkpoints."""

from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from processors.engine import stage as stages
from tests.processors.engine.stages import Laboratory
from tests.waiting import until


async def test_time_passes_only_where_nothing_is_left_to_read(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a backlog is read no tick comes, however many checkpoints it takes; then they come, and for each later record too."""
    monkeypatch.setattr("processors.engine.transport.thread.FETCH_BYTES", 100)
    monkeypatch.setattr("processors.engine.application.PARTITION_FETCH_BYTES", 100)
    for number in range(200):
        laboratory.fill(number)
    async with laboratory.running(checkpoint_seconds=0.01):
        await until(lambda: laboratory.watched.ticks)
        laboratory.fill(200)
        await until(lambda: laboratory.watched.ticks[-1] == 200)
    assert set(laboratory.watched.ticks) == {199, 200}


async def test_time_passes_for_a_partition_that_stays_quiet(laboratory: Laboratory) -> None:
    """Started again with nothing new to read, a stage ticks what it has saved; and a quiet stage writes nothing."""
    laboratory.fill(1, 2, 3)
    async with laboratory.running():
        await until(lambda: laboratory.committed(3))
    laboratory.watched.ticks.clear()
    (written,) = laboratory.broker.ends(laboratory.changelog, 1).values()
    async with laboratory.running():
        await until(lambda: len(laboratory.watched.ticks) > 10)
    assert set(laboratory.watched.ticks) == {3}
    assert laboratory.broker.ends(laboratory.changelog, 1) == {0: written}


async def test_what_is_read_is_told_before_it_is_acknowledged(laboratory: Laboratory) -> None:
    """Between two checkpoints the position says what has been worked on; asked to stop, the stage acknowledges just that at once."""
    labels = {"stage": laboratory.name, "topic": laboratory.topic, "partition": "0"}
    laboratory.fill(1, 2, 3)
    async with laboratory.running(checkpoint_seconds=600):
        await until(lambda: REGISTRY.get_sample_value("tidewire_position", labels) == 3)
        assert not laboratory.committed(3)
    assert laboratory.committed(3)
    async with laboratory.running(checkpoint_seconds=600):
        laboratory.watched.bad = {4}
        laboratory.fill(4, 5)
        await until(lambda: REGISTRY.get_sample_value("tidewire_position", labels) == 5)  # though the work on one of them failed
        await laboratory.stage._give_up()
        assert REGISTRY.get_sample_value("tidewire_position", labels) is None  # of a partition that is another's


@pytest.mark.parametrize("bad", [{0}, {57}, {99}, {3, 4, 50, 99}], ids=lambda bad: str(sorted(bad)))
async def test_a_bug_in_one_record_stays_with_it(laboratory: Laboratory, bad: set[int]) -> None:
    """Whatever record the work fails on becomes a dead letter; all others are in its state once, and those after it come as ever."""
    laboratory.watched.bad = bad
    laboratory.fill(*range(100))
    async with laboratory.running():
        await until(lambda: laboratory.committed(100))
        laboratory.fill(100)
        await until(lambda: laboratory.committed(101))
        assert [one["count"] for one in laboratory.stage.faults.red()] == [len(bad)]
    letters = {one["offset"]: one for one in laboratory.told("dead_letter")}
    assert set(letters) == bad
    assert all(f"ValueError: {number} is bad (tests/processors" in one["reason"] for number, one in letters.items())
    labels = {"stage": laboratory.name, "venue": "", "event": ""}
    assert REGISTRY.get_sample_value("tidewire_faults_total", labels) == len(bad)
    laboratory.watched.ticks.clear()
    async with laboratory.running():
        await until(lambda: laboratory.watched.ticks)
    assert laboratory.watched.begun[-1] == [number for number in range(101) if number not in bad]


async def test_what_was_done_before_a_bug_is_not_lost(laboratory: Laboratory) -> None:
    """Batches applied and not yet kept when another fails are applied again: nothing of them is missing, in order."""
    laboratory.watched.bad = {50}
    async with laboratory.running(checkpoint_seconds=60):
        for first in range(0, 100, 10):
            laboratory.fill(*range(first, first + 10))
            await until(lambda: len(laboratory.watched.numbers) >= first + 9)  # noqa: B023 - awaited at once
        await until(lambda: laboratory.watched.numbers[-1] == 99)
        await laboratory.stage.checkpoint()
        await until(lambda: laboratory.committed(100))
    async with laboratory.running():
        laboratory.fill(100)
        await until(lambda: laboratory.watched.numbers[-1] == 100)
    assert laboratory.watched.begun[-1] == [number for number in range(100) if number != 50]


async def test_a_bug_in_a_tick_stops_nothing(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the work fails on time alone, its records are done all the same, and time passes again when that is over."""
    monkeypatch.setattr(stages, "NO_TICK_FOR", 3_000_000)
    laboratory.watched.bad_ticks = True
    laboratory.fill(*range(10))
    async with laboratory.running():
        await until(laboratory.stage.faults.red)
        laboratory.fill(10)
        await until(lambda: laboratory.committed(11))
        laboratory.watched.bad_ticks = False
        await until(lambda: laboratory.watched.ticks and laboratory.watched.ticks[-1] == 10)
    assert all(first < second for first, second in pairwise(laboratory.watched.begun[-1]))
