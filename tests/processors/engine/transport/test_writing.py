"""Table writes outside an event: where they go, when they are safe, and when they are refused."""

from pathlib import Path
from typing import Any

import pytest

from processors.engine.transport import Revoked, write, write_many
from tests.processors.engine.transport.broker import Broker
from tests.processors.engine.transport.running import Seen, app_at, running
from tests.waiting import until


def counts_of(app: Any) -> Any:
    """Return a table of JSON values with two partitions."""
    return app.Table("counts", key_type=bytes, partitions=2)


async def test_an_entry_is_in_the_changelog_when_write_returns(broker: Broker, tmp_path: Path) -> None:
    """Each entry is in the changelog partition of its source partition, and in the table; None deletes in both."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path, table_partitions=2)
    Seen(app, topic)
    counts = counts_of(app)
    async with running(app):
        await write(counts, b"one", [1], 1)
        await write_many(counts, {b"two": [3], b"three": [4]}, 0, generation=app.consumer_generation_id)
        await write(counts, b"two", None, 0)
        assert sorted(broker.read(counts.changelog_topic_name), key=str) == [
            (0, b"three", b"[4]"),
            (0, b"two", None),
            (0, b"two", b"[3]"),
            (1, b"one", b"[1]"),
        ]
        assert dict(counts.items()) == {b"one": [1], b"three": [4]}


async def test_entries_are_there_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    """A new run recovers the table from its changelog before its agents get anything."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path, table_partitions=2)
    Seen(app, topic)
    counts = counts_of(app)
    async with running(app):
        for number in range(20):
            await write(counts, b"%d" % number, [number], number % 2)
        await write(counts, b"0", [100], 0)
    again = app_at(broker.address, tmp_path, group=app.conf.id, table_partitions=2)
    Seen(again, topic)
    recovered = counts_of(again)
    async with running(again):
        assert dict(recovered.items()) == {b"%d" % number: [number or 100] for number in range(20)}


async def test_a_write_for_a_partition_given_up_is_refused(broker: Broker, tmp_path: Path) -> None:
    """Another member has the partition now, or the batch is of an earlier generation: Revoked, and nothing is written."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path / "one", table_partitions=2)
    other = app_at(broker.address, tmp_path / "other", group=app.conf.id, table_partitions=2)
    Seen(app, topic)
    Seen(other, topic)
    counts = counts_of(app)
    counts_of(other)
    async with running(app) as consumer:
        before = app.consumer_generation_id
        await write(counts, b"k", [1], 0, generation=before)
        async with running(other):
            await until(lambda: app.consumer_generation_id > before and not app.rebalancing)
            mine = {tp.partition for tp in consumer.assignment() if tp.topic == topic}
            assert len(mine) == 1
            with pytest.raises(Revoked):
                await write(counts, b"k", [2], (1 - mine.copy().pop()))
            with pytest.raises(Revoked):
                await write(counts, b"k", [3], mine.copy().pop(), generation=before)
    assert broker.read(counts.changelog_topic_name) == [(0, b"k", b"[1]")]


async def test_state_follows_its_partition(broker: Broker, tmp_path: Path) -> None:
    """A member that joins has the entries of the partitions it was given; the other forgets them."""
    topic = broker.topic(2)
    app = app_at(broker.address, tmp_path / "one", table_partitions=2)
    other = app_at(broker.address, tmp_path / "other", group=app.conf.id, table_partitions=2)
    Seen(app, topic)
    Seen(other, topic)
    counts, others = counts_of(app), counts_of(other)
    async with running(app):
        await write(counts, b"zero", [0], 0)
        await write(counts, b"one", [1], 1)
        async with running(other):
            await until(lambda: len(counts) == len(others) == 1 and not app.rebalancing)
            assert dict(counts.items()) | dict(others.items()) == {b"zero": [0], b"one": [1]}
