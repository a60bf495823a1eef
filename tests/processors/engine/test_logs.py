"""Topics cut, emptied or made anew under a stage: every record written after is processed, and the loss is told once."""

import pytest
from confluent_kafka.admin import NewPartitions

from processors.engine.stage import partitions_of
from tests.processors.engine.stages import Laboratory
from tests.processors.engine.transport.broker import Broker
from tests.waiting import until
from topology.errors import Fatal
from topology.topics import Descriptions

OLD = tuple(range(10))


def assert_told_once(laboratory: Laboratory, first: int, end: int, cause: str) -> None:
    """Assert that there is one gap of the topic, ended at once."""
    (gap,) = {gap["gap_id"]: gap for gap in laboratory.told("gap")}.values()
    assert gap["gap_id"] == f"{laboratory.name}|{laboratory.topic}|0|{first}|{end}|{cause}"
    assert (gap["channel"], gap["cause"], gap["state"]) == ("topic", cause, "unfillable")


@pytest.mark.parametrize("count", [3, 25], ids=["shorter", "longer"])
async def test_a_topic_made_anew_while_the_stage_stood(laboratory: Laboratory, count: int) -> None:
    """Every record of the new topic is processed, with nothing of the old state, whether it is shorter than the old one or longer."""
    new = tuple(range(100, 100 + count))
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
    laboratory.make_anew()
    laboratory.fill(*new)
    async with laboratory.running():
        await until(lambda: laboratory.committed(count))
    assert laboratory.watched.numbers == [*OLD, *new]
    assert_told_once(laboratory, 10, 10, "topic_reset")
    laboratory.fill(7)
    async with laboratory.running():
        await until(lambda: laboratory.committed(count + 1))
    assert laboratory.watched.begun == [[], [], list(new)]
    assert len(laboratory.told("gap")) == 1


@pytest.mark.parametrize("count", [3, 25], ids=["shorter", "longer"])
async def test_a_topic_made_anew_while_the_stage_runs(laboratory: Laboratory, count: int) -> None:
    """The same under a running stage: no record of the new topic is missing from its state, and one gap is told."""
    new = tuple(range(100, 100 + count))
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
        laboratory.make_anew()
        laboratory.fill(*new)
        await until(lambda: laboratory.watched.numbers[-count:] == [*new])
        await until(lambda: laboratory.committed(count))
    assert_told_once(laboratory, 10, 10, "topic_reset")
    laboratory.watched.ticks.clear()
    async with laboratory.running():
        await until(lambda: laboratory.watched.ticks and laboratory.watched.ticks[-1] == new[-1])
    assert laboratory.watched.begun[-1] == list(new)
    assert len(laboratory.told("gap")) == 1


async def test_a_topic_made_anew_that_no_rebalance_shows(laboratory: Laboratory) -> None:
    """Where the id alone is another (the topic is as long again, and was never missing), a running stage sees that and starts over."""
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
        for reading in laboratory.stage._logs._readings.values():
            reading.topic_id = "the one before"
        await until(lambda: len(laboratory.watched.numbers) == 20)
        laboratory.fill(10)
        await until(lambda: laboratory.committed(11))
    assert laboratory.watched.numbers == [*OLD, *OLD, 10]
    assert laboratory.watched.begun == [[], []]
    assert_told_once(laboratory, 10, 10, "topic_reset")


async def test_what_retention_took_unread_is_told(laboratory: Laboratory) -> None:
    """Records deleted while the stage stood are one gap with their range; what it knows of those before them stays."""
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
    laboratory.fill(*range(10, 20))
    laboratory.broker.cut(laboratory.topic, 0, 15)
    async with laboratory.running():
        await until(lambda: laboratory.committed(20))
    assert laboratory.watched.numbers == [*OLD, *range(15, 20)]
    assert laboratory.watched.begun == [[], list(OLD)]
    assert_told_once(laboratory, 10, 15, "retention")


async def test_a_lost_state_is_made_again(laboratory: Laboratory) -> None:
    """A changelog that is gone while the group's commits are there: all of the topic is read again, and nothing is lost to tell."""
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
    laboratory.broker.delete(laboratory.changelog)
    laboratory.fill(10)
    async with laboratory.running():
        await until(lambda: laboratory.committed(11))
    assert laboratory.watched.numbers == [*OLD, *OLD, 10]
    assert laboratory.told("gap") == []


async def test_commits_beyond_the_log_are_a_loss(laboratory: Laboratory) -> None:
    """A group that has committed more than its topic holds reads from the start, and says what it was owed, though the log is empty."""
    laboratory.broker.commit(laboratory.group, laboratory.topic, 0, 50)
    async with laboratory.running():
        await until(lambda: laboratory.told("gap"))
        laboratory.fill(*OLD)
        await until(lambda: laboratory.committed(10))
    assert laboratory.watched.numbers == [*OLD]
    assert_told_once(laboratory, 50, 50, "topic_reset")


async def test_a_topic_given_more_partitions_stops_its_stage(laboratory: Laboratory) -> None:
    """A running stage ends and says why, and does not start again: both counts and the cure are named."""
    laboratory.fill(*OLD)
    async with laboratory.running():
        await until(lambda: laboratory.committed(10))
        laboratory.broker.admin.create_partitions([NewPartitions(laboratory.topic, 3)])[laboratory.topic].result(20)
        await until(lambda: laboratory.stage.app.should_stop)
    words = rf"{laboratory.name} keeps its state in 1 partitions \({laboratory.changelog}\), and its topics \({laboratory.topic}\) have 3"
    with pytest.raises(Fatal, match=words):
        raise laboratory.stage.app.crash_reason or AssertionError("it has not crashed")
    with pytest.raises(Fatal, match=words):
        partitions_of(laboratory.settings.kafka, laboratory.name, (laboratory.topic,))


async def test_the_count_of_the_topics_is_the_truth(laboratory: Laboratory, broker: Broker) -> None:
    """A stage takes the partitions that its topics have, whatever a schema says; topics that differ, or are not there, are refused."""
    kafka, wide, other = laboratory.settings.kafka, broker.topic(7), broker.topic(7)
    await until(lambda: len(Descriptions(kafka).of((wide, other, laboratory.topic))) == 3)
    assert partitions_of(kafka, "x", (wide, other)) == 7
    with pytest.raises(Fatal, match=r"x reads must have the same number of partitions.* has 1.* has 7|.* has 7.* has 1"):
        partitions_of(kafka, "x", (wide, laboratory.topic))
    with pytest.raises(Fatal, match="x reads topics that are not there: nowhere"):
        partitions_of(kafka, "x", (wide, "nowhere"))
