"""Faust's transport of Tidewire: an agent gets all fetched records of one partition as one event.

How to write an agent:

    app = create_app("count_trades", broker="127.0.0.1:9092", data_dir=path, table_partitions=8)
    counts = app.Table("counts", key_type=bytes, partitions=8)     # values are JSON; value_type=bytes: bytes

    @app.agent(app.batches("trades"))
    async def count(stream):
        async for event in stream.noack().events():
            batch = event.value                # records of ONE partition: .key .value .offset .timestamp
            applied, count = counts.get(key(batch.partition), (0, 0))
            fresh = [record.value for record in batch if record.offset >= applied]
            try:
                await write(counts, key(batch.partition), [batch.end, count + len(fresh)], batch.partition,
                            generation=batch.generation)
            except Revoked:
                continue                       # the next owner reads these records again
            event.ack()                        # now, or later, or many at once: see below

    run(app)                                   # processors/engine/application.py; leaves with SystemExit

- `stream.noack()`: an event counts as done when `event.ack()` is called, in any order and however late. Offsets are
  committed up to the first batch of the partition that is not acknowledged. Without `noack()` an event is acknowledged when
  the loop asks for the next one.
- Holding many events until a checkpoint: call `batch.clear()` when its records are used up; `first`, `end`, `topic`,
  `partition` and `generation` stay.
- When partitions move, every worker gives up all of its partitions. Connect to `app.on_partitions_revoked` to make a last
  checkpoint (what is acknowledged when its receivers return is committed before the partition is given up), then drop all
  state held in memory for those partitions, acknowledging nothing more: what was not acknowledged is read again, by
  whoever owns the partition next. `app.on_before_shutdown` is the place for the last checkpoint on SIGTERM.
- Delivery is at least once, in order per partition, with nothing passed over. Keep `batch.end` inside each table value
  and skip what was applied (as above), and emit absolute values: then it is effectively once.
- An exception in an agent ends the process with exit code 1; started again, it reads again from the last commit.
- Where the log is another one (a topic made anew, or cut short) a new epoch begins at its start: `batch.epoch` grows, and what was
  made of batches of an earlier epoch must not be joined with it. Records that are gone are told to `app.on_loss` before that.
- Where the app has `on_batch`, it gets each batch with its receipt, in place of agents: awaited, so the next comes after it, and
  `receipt.acknowledged = True` is `event.ack()`. It may be cancelled while it waits. That leaves out Faust's channel, stream and agent,
  which cost more than the work on a batch of few records; a stage (processors/engine/stage.py) reads so.
- Topics not named through `app.batches` or `app.batched_topics` come one record at a time, as in plain Faust.

The life of a partition here. Everything is on the app's event loop but what is asked of `FetchThread`, which has its own.

                       on_partitions_assigned (commits.py)
    NOT OURS ────────────────────────────────────────────────▶ ASSIGNED      paused, while the tables recover from their changelogs
       ▲                                                          │
       │                                    perform_seek → _begin │ on_begin asks the app; position set, ledger opened: a new epoch
       │                                     (positions.py)       ▼
       │                                                        BEGUN         sources closed: what is fetched is thrown away
       │                                                          │
       │                                              resume_flow │ (consumer.py)
       │            acknowledged: the queue has room              ▼
       │        ┌─────────────────────────────────────────────▶ FETCHING ◀────────────────────────────────────────┐
       │        │                                                 │                                               │
       │        │                          getmany → _from_source │ what was fetched, beside what is owed:        │
       │        │                                                 ├── begins there: a Batch, a receipt ▶ DELIVERED ┤
       │     BUFFERED ◀── on_buffer_full: the agents' queue is full                                               │
       │        │                                                 ├── elsewhere → _examine: position set ───────────┤
       │        │                                                 │     log's start behind it: RETENTION is told    │
       │        │                                                 └── another log, or start_over ─────────────────▶ BEGUN
       │        │                                                       RESET is told, a new epoch, at its start
       │        ▼
       │     any of these
       │        │ on_partitions_revoked (commits.py): sources closed, queues emptied, the app's last checkpoint
       └────────┘ (`app.on_partitions_revoked`), commit of what is acknowledged, then the ledger is forgotten

DELIVERED batches are acknowledged in any order; the ledger (ledger.py) says up to where without one missing, and that is committed.
"""

from typing import Any, ClassVar

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver

from processors.engine.transport.batch import Batch, Cause, Loss, Record
from processors.engine.transport.consumer import Consumer, OnBatch
from processors.engine.transport.ledger import Receipt
from processors.engine.transport.positions import OnBegin
from processors.engine.transport.thread import Bounds
from processors.engine.transport.writing import Revoked, write, write_many

SECONDS_BETWEEN_TRIES = 1.0


class Transport(driver.Transport):
    """Faust's aiokafka transport with our consumer; `tidewire://host:port`, several joined by semicolons."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    driver_version = f"{driver.Transport.driver_version}, batched"

    async def _really_create_topic(self, owner: Any, client: Any, topic: str, *arguments: Any, **options: Any) -> None:
        """Create a topic, however long the broker is away, and wait until it lists it.

        Brokers of KRaft answer before that, and a group whose leader does not find the changelog leaves it out of the
        assignment: the stage would read and publish, and never again acknowledge anything.
        """
        while not owner.should_stop:
            try:
                await super()._really_create_topic(owner, client, topic, *arguments, **options)
            except KafkaError as error:
                if not error.retriable:
                    raise
                owner.log.warning("Topic %s can't be created yet: %s", topic, error)
                await owner.sleep(SECONDS_BETWEEN_TRIES)
                await client.force_metadata_update()
            else:
                break
        await client.add_topic(topic)
        while not client.cluster.partitions_for_topic(topic) and not owner.should_stop:
            await owner.sleep(0.05)
            await client.force_metadata_update()


__all__ = [
    "Batch",
    "Bounds",
    "Cause",
    "Consumer",
    "Loss",
    "OnBatch",
    "OnBegin",
    "Receipt",
    "Record",
    "Revoked",
    "Transport",
    "write",
    "write_many",
]
