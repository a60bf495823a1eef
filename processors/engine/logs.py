"""Which log each partition of a stage reads, and what was lost of it: a topic may be cut, emptied or made anew at any time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from faust.types import TP

from processors.engine.application import Application
from processors.engine.bookmarks import beginning
from processors.engine.output import Output
from processors.engine.partition import Place, Reading
from processors.engine.state import SavedState, damaged
from processors.engine.transport import Bounds, Cause, Consumer, Loss
from topology.clock import now
from topology.damage import readable_from
from topology.errors import Fatal, Retry
from topology.flow import changelog_of
from topology.log import logger
from topology.losses import loss_gap
from topology.settings import Kafka
from topology.topics import Described, Descriptions, agreed_partitions


class Logs:
    """The readings (epochs) of a stage's partitions. Called on the event loop's thread; `partitions` is how many each topic has."""

    def __init__(self, stage: str, app: Application, saved: SavedState, output: Output, kafka: Kafka, partitions: int) -> None:
        self._stage = stage
        self._kafka = kafka
        self._app = app
        self._saved = saved
        self._output = output
        self._topics = Descriptions(kafka)
        self._partitions = partitions
        self._readings: dict[tuple[Place, int], Reading] = {}
        self._log = logger()

    @property
    def _consumer(self) -> Consumer:
        return cast("Consumer", self._app.consumer)

    def reading(self, place: Place, epoch: int) -> Reading:
        """Return what is known of a partition in an epoch."""
        return self._readings.setdefault((place, epoch), Reading(epoch))

    def read_again(self, place: Place, reading: Reading, epoch: int) -> None:
        """Note that the same log is read again in a new epoch."""
        self._readings[place, epoch] = replace(reading, epoch=epoch)

    def clear(self) -> None:
        """Forget all partitions: they were given up."""
        self._readings.clear()

    async def on_begin(self, asked: Mapping[TP, tuple[Bounds, int]]) -> dict[TP, int]:
        """Find out whether each partition is the log its state was made of, and where it goes on; see Application.on_begin."""
        described = await self._described({tp.topic for tp in asked})
        offsets: dict[TP, int] = {}
        for tp, (bounds, epoch) in asked.items():
            there = described.get(tp.topic)
            saved, entries = self._saved.bookmark(*tp), bool(self._saved.entries(*tp))
            topic_id = there.topic_id if there else saved.topic_id if saved else ""
            begun = beginning(tp, saved, topic_id, bounds, epoch, entries=entries)
            if begun.loss is not None:
                await self.on_loss(begun.loss)
            elif bounds.committed is not None and begun.offset < bounds.committed:
                self._log.warning("Read again from before the commit: the state does not hold it.", place=str(tp), offset=begun.offset)
            self._readings[tp, epoch] = Reading(epoch, topic_id, begun.forget, begun.unsaved, begun.remade)
            offsets[tp] = begun.offset
        return offsets

    async def _described(self, names: set[str]) -> dict[str, Described]:
        while True:
            try:
                return await asyncio.to_thread(self._topics.of, names)
            except Retry as error:
                self._log.warning(str(error))
                if self._app.should_stop:
                    raise
                await asyncio.sleep(error.after)

    async def on_loss(self, loss: Loss) -> None:
        """Tell a loss as a gap, delivered when this returns; see Application.on_loss. Fatal where it is of the saved state."""
        if loss.topic == changelog_of(self._stage):
            raise Fatal(damaged(self._stage, loss))
        self._log.error("Records can't be had.", loss=str(loss))
        self._output.publish("gap", loss_gap(loss.topic, loss.partition, loss.first, loss.end, loss.cause.value, self._stage, now()))
        if loss.cause is Cause.RESET:
            self._readings[(loss.topic, loss.partition), loss.epoch] = Reading(loss.epoch, forget=True)
        await asyncio.to_thread(self._output.flush)

    async def readable_from(self, tp: TP, offset: int) -> int:
        """Return from where a partition can be read; see Application.readable_from. Where the broker does not say, `offset`: try again."""
        try:
            return await readable_from(self._kafka, tp.topic, tp.partition, offset, holes=tp.topic == changelog_of(self._stage))
        except Retry as error:
            self._log.warning(str(error))
            await asyncio.sleep(error.after)
            return offset

    async def watch(self) -> None:
        """Look once for what no offset shows: a topic made anew that is as long again. Fatal where one was given more partitions."""
        before = self._consumer.sources()
        try:
            described = await asyncio.to_thread(self._topics.of, {tp.topic for tp in before}) if before else {}
        except Retry:
            return  # whoever reads them says that the broker is away
        for tp, (epoch, _) in self._consumer.sources().items():
            there, reading = described.get(tp.topic), self._readings.get((tp, epoch))
            if there is None or reading is None or before.get(tp, (0, 0))[0] != epoch:
                continue
            if there.partitions != self._partitions:
                agreed_partitions(self._stage, {tp.topic: there.partitions}, changelog_of(self._stage), self._partitions)
            if not reading.topic_id:
                reading.topic_id, reading.unsaved = there.topic_id, bool(there.topic_id)
            elif there.topic_id and there.topic_id != reading.topic_id:
                await self._consumer.lost_its_log(tp)
