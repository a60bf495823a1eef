"""What an agent gets, what is committed for it, and what happens to what it does not acknowledge."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from faust.types import TP

from processors.engine.transport import Cause, Consumer, Loss
from processors.engine.transport.ledger import Ledger
from processors.engine.transport.thread import Bounds
from tests.processors.engine.transport.broker import Broker
from tests.processors.engine.transport.running import Seen, app_at, running
from tests.waiting import until
from topology.errors import Fatal


async def test_a_partitions_records_come_as_one_event(broker: Broker, tmp_path: Path) -> None:
    """All fetched records of a partition are one event, in order, with their keys, offsets and times; nothing is missing."""
    topic = broker.topic(2)
    for partition in range(2):
        broker.fill_numbers(topic, partition, range(500))
    app = app_at(broker.address, tmp_path)
    seen = Seen(app, topic)
    async with running(app):
        await until(lambda: len(seen.of(0)) + len(seen.of(1)) == 1000)
        await until(lambda: broker.committed(app.conf.id, topic, 2) == {0: 500, 1: 500})
    assert seen.of(0) == seen.of(1) == list(range(500))
    assert len(seen.batches) < 20
    batch = next(batch for batch in seen.batches if batch.partition == 1)
    assert (batch.topic, batch.first, batch.end) == (topic, 0, len(batch))
    assert [record.offset for record in batch] == list(range(batch.end))
    assert batch[0].key == b"key"
    assert batch[0].timestamp > 1_600_000_000_000


async def test_commits_wait_for_the_first_batch_not_acknowledged(broker: Broker, tmp_path: Path) -> None:
    """Batches acknowledged out of order, later, and many at once are committed only up to the first one missing."""
    topic = broker.topic(1)
    app = app_at(broker.address, tmp_path)
    seen = Seen(app, topic, acknowledging=False)
    async with running(app) as consumer:
        for start in (0, 10, 20):
            broker.fill_numbers(topic, 0, range(start, start + 10))
            await until(partial(_has_seen, seen, start + 10))
        first, *rest = seen.held
        for event in reversed(rest):
            event.ack()
        await consumer.commit_and_end_transactions()
        assert broker.committed(app.conf.id, topic, 1) == {}
        first.ack()
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 30})


async def test_held_batches_are_read_again_by_the_next_owner(broker: Broker, tmp_path: Path) -> None:
    """Stopping does not wait for what is held; the next run reads it again, and not what was acknowledged."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(10))
    app = app_at(broker.address, tmp_path, broker_commit_interval=60.0)
    seen = Seen(app, topic)
    async with running(app):
        await until(lambda: seen.of(0) == list(range(10)))
        seen.acknowledging = False
        broker.fill_numbers(topic, 0, range(10, 30))
        await until(lambda: seen.of(0) == list(range(30)))
    again = app_at(broker.address, tmp_path, group=app.conf.id)
    seen_again = Seen(again, topic)
    async with running(again):
        await until(lambda: len(seen_again.of(0)) == 20)
    assert seen_again.of(0) == list(range(10, 30))


async def test_an_emptied_batch_can_still_be_acknowledged(broker: Broker, tmp_path: Path) -> None:
    """`clear` frees the records; the event keeps its place and its acknowledgement still counts."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(10))
    app = app_at(broker.address, tmp_path)
    seen = Seen(app, topic, acknowledging=False)
    async with running(app):
        await until(lambda: len(seen.of(0)) == 10)
        for event in seen.held:
            event.value.clear()
            event.ack()
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 10})
    assert seen.batches[-1].end == 10


async def test_an_app_that_takes_batches_itself_gets_one_after_the_other(broker: Broker, tmp_path: Path) -> None:
    """While it is busy with one, the next waits in the log or in what was fetched; then nothing is missing, and all can be acknowledged."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path)
    seen = Seen(app, topic)
    seen.gate.clear()
    async with running(app):
        broker.fill_numbers(topic, 0, range(5))
        await until(lambda: seen.waiting)
        for partition, numbers in ((0, range(5, 10)), (1, range(10))):
            broker.fill_numbers(topic, partition, numbers)
        assert len(seen.batches) == 1
        seen.gate.set()
        await until(lambda: (seen.of(0), seen.of(1)) == (list(range(10)), list(range(10))))
        await until(lambda: broker.committed(app.conf.id, topic, 2) == {0: 10, 1: 10})


async def test_a_slow_agent_stops_the_fetching(broker: Broker, tmp_path: Path) -> None:
    """An agent that stands still is handed no more than its queue holds; when it goes on, nothing is missing."""
    topic = broker.topic(1)
    app = app_at(broker.address, tmp_path, buffered_batches=4)
    seen = Seen(app, topic, agent=True)
    async with running(app) as consumer:
        seen.gate.clear()
        for number in range(30):
            broker.fill_numbers(topic, 0, [number])
            await until(partial(_is_full_or_owes, consumer, number + 1))
        assert consumer._buffered_partitions
        assert _ledger(consumer).out <= 6
        seen.gate.set()
        await until(lambda: len(seen.of(0)) == 30)
    assert seen.of(0) == list(range(30))


def _has_seen(seen: Seen, count: int) -> bool:
    return len(seen.of(0)) == count


def _is_full_or_owes(consumer: Consumer, end: int) -> bool:
    return bool(consumer._buffered_partitions) or _ledger(consumer).owed == end


def _ledger(consumer: Consumer) -> Ledger:
    return next(iter(consumer._ledgers.values()))


async def test_records_deleted_before_they_were_read_are_told(broker: Broker, tmp_path: Path) -> None:
    """Where retention moved the log's start past what is owed, the loss is told once, and delivery goes on behind it."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(100))
    losses: list[Loss] = []

    async def on_loss(loss: Loss) -> None:
        losses.append(loss)

    app = app_at(broker.address, tmp_path, on_loss=on_loss)
    broker.commit(app.conf.id, topic, 0, 10)
    broker.cut(topic, 0, 60)
    seen = Seen(app, topic)
    async with running(app):
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 100})
    assert seen.of(0) == list(range(60, 100))
    assert losses == [Loss(topic, 0, 10, 60, Cause.RETENTION)]


async def test_a_log_cut_short_is_told(broker: Broker, tmp_path: Path) -> None:
    """Where the topic was made anew and ends before what is owed, that is told, and delivery starts over at its start."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(5))
    losses: list[Loss] = []

    async def on_loss(loss: Loss) -> None:
        losses.append(loss)

    app = app_at(broker.address, tmp_path, on_loss=on_loss)
    broker.commit(app.conf.id, topic, 0, 100)
    seen = Seen(app, topic)
    async with running(app):
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 5})
    assert seen.of(0) == list(range(5))
    (loss,) = losses
    assert (loss.topic, loss.partition, loss.first, loss.end, loss.cause) == (topic, 0, 100, 100, Cause.RESET)
    assert {batch.epoch for batch in seen.batches} == {loss.epoch}


async def test_a_loss_nobody_asked_to_hear_of_is_fatal(broker: Broker, tmp_path: Path) -> None:
    """Without `on_loss` the consumer raises Fatal and delivers nothing."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(100))
    app = app_at(broker.address, tmp_path)
    broker.commit(app.conf.id, topic, 0, 10)
    broker.cut(topic, 0, 60)
    seen = Seen(app, topic)
    async with running(app):
        await until(lambda: app.should_stop)
    assert seen.batches == []
    assert isinstance(app.crash_reason, Fatal)
    assert "10..60" in str(app.crash_reason)


async def test_holes_are_fatal_unless_the_topic_is_named(broker: Broker, tmp_path: Path) -> None:
    """Control records of transactions leave holes: Fatal in a topic not named, the topic of the message."""
    topic = broker.topic(1)
    broker.fill(topic, 0, [b"0", b"1"], transaction=topic)
    app = app_at(broker.address, tmp_path)
    Seen(app, topic)
    async with running(app):
        await until(lambda: app.should_stop)
    assert isinstance(app.crash_reason, Fatal)
    assert f"{topic}[0]" in str(app.crash_reason)
    assert "holed_topics" in str(app.crash_reason)


@pytest.mark.parametrize("batched", [True, False])
async def test_a_named_topic_may_have_holes(broker: Broker, tmp_path: Path, *, batched: bool) -> None:
    """In a topic named in `holed_topics` every record is delivered, and commits pass over the holes to the end."""
    topic = broker.topic(1)
    for number in range(3):
        broker.fill(topic, 0, [b"%d" % number], transaction=topic)
    app = app_at(broker.address, tmp_path, holed_topics=[topic])
    seen = Seen(app, topic, batched=batched)
    async with running(app):
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 6})
    assert seen.of(0) == [0, 1, 2]


async def test_topics_not_named_come_one_by_one(broker: Broker, tmp_path: Path) -> None:
    """A topic outside `batched_topics` is delivered record by record, and committed to its end."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(50))
    app = app_at(broker.address, tmp_path)
    seen = Seen(app, topic, batched=False)
    async with running(app):
        await until(lambda: broker.committed(app.conf.id, topic, 1) == {0: 50})
    assert seen.of(0) == list(range(50))


async def test_what_a_state_holds_beyond_the_commit_is_committed(broker: Broker, tmp_path: Path) -> None:
    """An app killed between its state and its commit begins behind what it holds, and commits that, though nothing more comes."""
    topic = broker.topic(2)
    for partition in range(2):
        broker.fill_numbers(topic, partition, range(5))
    app = app_at(broker.address, tmp_path, table_partitions=2)
    seen = Seen(app, topic)

    async def begin(asked: Mapping[TP, tuple[Bounds, int]]) -> dict[TP, int]:
        return {tp: 5 if tp.partition == 0 else bounds.usual for tp, (bounds, _) in asked.items()}

    app.on_begin = begin
    async with running(app):
        await until(lambda: broker.committed(app.conf.id, topic, 2) == {0: 5, 1: 5})
    assert (seen.of(0), seen.of(1)) == ([], list(range(5)))
