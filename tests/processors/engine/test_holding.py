"""A work that holds records back: they are neither acknowledged nor lost, and time comes to it all the same."""

from tests.processors.engine.stages import Laboratory, Reluctant
from tests.waiting import until


async def test_what_is_held_is_not_acknowledged(laboratory: Laboratory) -> None:
    """A batch is acknowledged up to what is held of it, and further once that is done: at a tick, for nothing more may come."""
    laboratory.watched.released = 2
    laboratory.fill(0, 1, 2, 3, 4)
    async with laboratory.running(work=Reluctant):
        await until(lambda: laboratory.watched.numbers == [0, 1, 2])
        await until(lambda: len(laboratory.watched.ticks) > 3)
        assert not laboratory.committed(5)
        laboratory.watched.released = 4
        await until(lambda: laboratory.committed(5))
    assert laboratory.watched.numbers == [0, 1, 2, 3, 4]


async def test_what_is_held_is_read_again(laboratory: Laboratory) -> None:
    """Stopped while it holds records, the stage begins with them the next time, and with nothing that it has done."""
    laboratory.watched.released = 2
    laboratory.fill(0, 1, 2)
    async with laboratory.running(work=Reluctant):
        await until(lambda: laboratory.committed(3))
        laboratory.fill(3, 4)
        laboratory.fill(5)
        await until(lambda: laboratory.stage._held[laboratory.topic, 0].read == 6)
        assert laboratory.stage._held[laboratory.topic, 0].end == 3
    assert laboratory.committed(3)
    laboratory.watched.released = 9
    async with laboratory.running(work=Reluctant):
        await until(lambda: laboratory.committed(6))
    assert laboratory.watched.numbers == [0, 1, 2, 3, 4, 5]
    assert laboratory.watched.begun[-1] == [0, 1, 2]


async def test_a_bug_beside_what_is_held(laboratory: Laboratory) -> None:
    """Where the work fails on a record, nothing is held until that is passed: all others are done once, and it is a dead letter."""
    laboratory.watched.released = 10
    laboratory.watched.bad = {7}
    laboratory.fill(*range(20))
    async with laboratory.running(work=Reluctant):
        await until(lambda: laboratory.committed(20))
    assert sorted(set(laboratory.watched.numbers)) == [number for number in range(20) if number != 7]
    assert [one["offset"] for one in laboratory.told("dead_letter")] == [7]
