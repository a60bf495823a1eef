"""Table writes outside Faust's event context, fenced by ownership and durable when they return."""

import asyncio
import weakref
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from faust.streams import _current_event
from faust.types import TP

from topology.errors import Retry


class Revoked(Retry):
    """The partition was given up, or given up and had again, since its batch was fetched: drop what was made of it.

    Its next owner reads the same records again. Writing now could put an older value over the next owner's.
    """


async def write(table: Any, key: Any, value: Any, partition: int, *, generation: int | None = None) -> None:
    """Set one key of a Faust table from a batch of source partition `partition`; see `write_many`."""
    await write_many(table, {key: value}, partition, generation=generation)


async def write_many(table: Any, entries: Mapping[Any, Any], partition: int, *, generation: int | None = None) -> None:
    """Set keys of a Faust table, and return when its changelog has them all (acks of every in-sync replica).

    The entries go to the changelog partition equal to `partition`, which moves between workers together with the
    source partition; a value of None deletes its key. Acknowledge the batch after this returns: a crash in between only
    means that it is read again, and an entry holding the last offset applied lets the agent skip it.
    `generation` is `batch.generation`: give it wherever state outlives one batch. Without it only ownership is checked.

    Raises:
        Revoked: the partition is no longer this worker's in that generation. Nothing was written.
        ProducerSendError: the broker refused the changelog record; the stage should crash and start over.

    """
    app = table.app
    changelog = TP(table.changelog_topic.get_topic_name(), partition)
    consumer = app.consumer
    if (
        consumer.revoking
        or (generation is not None and generation != app.consumer_generation_id)
        or changelog not in app.assignor.assigned_actives()
    ):
        raise Revoked(f"{table.name}[{partition}] is not this worker's in generation {generation}", after=0.0)
    sent = [_set(table, key, value, partition) for key, value in entries.items()]
    await asyncio.gather(*sent)


def _set(table: Any, key: Any, value: Any, partition: int) -> Any:
    # `Collection.send_changelog` is what `table[key] = value` calls; we keep the future which that throws away.
    if value is None:
        sent = table.send_changelog(partition, key, None, value_serializer="raw")
    else:
        sent = table.send_changelog(partition, key, value)
    # The RocksDB stores take the partition from the event in hand (`current_event`), of which a stream that acknowledges
    # later has none: stand in for it while the store is set.
    event = _Event(partition)
    token = _current_event.set(weakref.ref(event))  # type: ignore[arg-type] # a stand-in, of which only the partition is read
    try:
        if value is None:
            table.data.pop(key, None)
        else:
            table.data[key] = value
    finally:
        _current_event.reset(token)
    # The memory store drops the keys of lost partitions by this note, and takes it from recovered records alone.
    notes = getattr(table.data, "_key_partition", None)
    if notes is not None:
        notes[key] = partition
    return sent


class _Event:
    def __init__(self, partition: int) -> None:
        self.message = SimpleNamespace(partition=partition)
