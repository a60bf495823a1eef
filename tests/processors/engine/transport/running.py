"""Faust apps running inside a test's own event loop, and agents that write down what they get."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from processors.engine.application import Application, create_app
from processors.engine.transport import Batch, Consumer, Receipt, Transport
from tests.waiting import until


def app_at(address: str, path: Path, *, group: str = "", consumer: type[Consumer] = Consumer, **options: Any) -> Application:
    """Make an app of an own group, whose transport has this consumer."""
    options = {"table_partitions": 1, "broker_commit_interval": 0.1, "broker_session_timeout": 6.0} | options
    app = create_app(group or f"group-{uuid.uuid4().hex[:12]}", broker=address, data_dir=path, **options)
    app.transport = type("TestedTransport", (Transport,), {"Consumer": consumer})(app.conf.broker_consumer, app)
    return app


@asynccontextmanager
async def running(app: Application) -> AsyncIterator[Any]:
    """Run an app, its flow open, and hand out its consumer."""
    app.finalize()
    await app.start()
    try:
        consumer: Any = app.consumer
        await until(lambda: consumer.assignment() and consumer.flow_active and not app.rebalancing)
        yield consumer
    finally:
        await app.stop()


class Delivered:
    """A batch as the app gets it itself, with an event's two names."""

    def __init__(self, batch: Batch, receipt: Receipt) -> None:
        self.value = batch
        self._receipt = receipt

    def ack(self) -> None:
        """Acknowledge it."""
        self._receipt.acknowledged = True


class Seen:
    """Writes down the values that come of one topic, as numbers; acknowledging is the test's to order.

    They come to the app itself, as to a stage, or to an `agent` of Faust's, which has a queue.
    """

    def __init__(self, app: Application, topic: str, *, acknowledging: bool = True, batched: bool = True, agent: bool = False) -> None:
        self.batches: list[Batch] = []
        self.numbers: dict[int, list[int]] = {}
        self.held: list[Any] = []
        self.acknowledging = acknowledging
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = False

        async def see(stream: Any) -> None:
            async for event in stream.noack().events():
                if batched:
                    await self._see(event)
                else:
                    self._see_one(event)

        async def take(batch: Batch, receipt: Receipt) -> None:
            await self._see(Delivered(batch, receipt))

        if agent or not batched:
            app.agent(app.batches(topic))(see)
        else:
            app.topics.add(app.batches(topic))
            app.on_batch = take
        if not batched:
            app.batched_topics.clear()

    async def _see(self, event: Any) -> None:
        batch = event.value
        self.batches.append(batch)
        self.numbers.setdefault(batch.partition, []).extend(int(record.value or b"-1") for record in batch)
        if self.acknowledging:
            event.ack()
        else:
            self.held.append(event)
        self.waiting = True
        await self.gate.wait()
        self.waiting = False

    def _see_one(self, event: Any) -> None:
        self.numbers.setdefault(event.message.partition, []).append(int(event.value))
        event.ack()

    def of(self, partition: int) -> list[int]:
        """Return the numbers seen of one partition, in order."""
        return self.numbers.get(partition, [])
