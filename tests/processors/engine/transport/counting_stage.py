"""The stage the chaos drives: counts each partition's records in a table, in checkpoints, and writes down what it was given.

Run as `python -m tests.processors.engine.transport.counting_stage BROKER GROUP TOPIC PARTITIONS DIRECTORY`.
Each line of its `deliveries` file is: time, partition, first offset, end offset. A table value is
[end of what was applied, records counted, sum of their numbers]; record n of a partition holds the number n.
"""

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from processors.engine.application import create_app, run
from processors.engine.transport import Batch, Receipt, Revoked, write_many

CHECKPOINT_SECONDS = 0.4


def main(broker: str, group: str, topic: str, partitions: int, directory: Path) -> None:
    """Run until a signal comes."""
    directory = directory / str(os.getpid())
    directory.mkdir(parents=True)
    app = create_app(
        group,
        broker=broker,
        data_dir=directory,
        table_partitions=partitions,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        broker_commit_interval=0.5,
    )
    counts = app.Table("counts", key_type=bytes, partitions=partitions)
    state: dict[int, list[int]] = {}
    held: list[tuple[Batch, Receipt]] = []
    generation = 0
    checkpointing = asyncio.Lock()
    deliveries = (directory / "deliveries").open("a", buffering=1)

    async def checkpoint() -> None:
        done, held[:] = held[:], []
        for partition in {batch.partition for batch, _ in done}:
            mine = [one for one in done if one[0].partition == partition]
            await write_many(counts, {b"%d" % partition: list(state[partition])}, partition, generation=mine[-1][0].generation)
            for _, receipt in mine:
                receipt.acknowledged = True

    def forget() -> None:
        state.clear()
        held.clear()

    async def count(batch: Batch, receipt: Receipt) -> None:
        nonlocal generation
        if batch.generation != generation:
            forget()
            generation = batch.generation
        deliveries.write(f"{time.time()} {batch.partition} {batch.first} {batch.end}\n")
        applied, counted, total = state.get(batch.partition) or counts.get(b"%d" % batch.partition) or [0, 0, 0]
        for record in batch:
            if record.offset >= applied:
                applied, counted, total = record.offset + 1, counted + 1, total + int(record.value or b"")
        state[batch.partition] = [applied, counted, total]
        batch.clear()
        held.append((batch, receipt))

    app.topics.add(app.batches(topic))
    app.on_batch = count

    async def settle(*, giving_up: bool = False) -> None:
        # One at a time: a revocation waits for the checkpoint under way before it makes the last and forgets.
        async with checkpointing:
            try:
                await checkpoint()
            except Revoked:
                forget()
            if giving_up:
                forget()

    @app.timer(CHECKPOINT_SECONDS)  # type: ignore[untyped-decorator] # faust declares no type for what it takes
    async def on_time() -> None:
        await settle()

    @app.on_partitions_revoked.connect
    async def on_revoked(*_: Any, **__: Any) -> None:
        await settle(giving_up=True)

    @app.on_before_shutdown.connect
    async def on_shutdown(*_: Any, **__: Any) -> None:
        await settle()

    run(app)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
