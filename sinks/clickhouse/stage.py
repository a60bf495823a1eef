"""Kafka to ClickHouse: read, gather, insert, and only then commit.

One thread reads and gathers, for each topic by itself (lane.py); two flushes of a topic at a time are inserted by threads of its own, and
ended in their order. Offsets of a flush are committed when all its rows are in or their dead letters delivered. What was in but not
committed when a process died is read and inserted again, and the tables keep one row of each identity.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

from confluent_kafka import KafkaException

from schemas.catalogue import Event
from sinks.clickhouse.batch import Message, Place
from sinks.clickhouse.lane import MOST_FLUSHES, STAGE, Flooded, Lane, State, troubles
from sinks.clickhouse.positions import Loss
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.writer import Writer
from topology.clickhouse_reactions import Refused
from topology.clock import now
from topology.dead_letters import DeadLetters
from topology.errors import Retry
from topology.faults import Faults
from topology.grace import stopping
from topology.kafka import Publisher
from topology.log import logger
from topology.losses import loss_gap
from topology.retry import Attempts, persist
from topology.settings import Sink
from topology.topics import Described

CHUNK = 10_000
"""Messages read at once, of all topics together."""
PATIENCE = 0.5
"""Seconds a full batch waits for the flush before it until its topic is paused: pausing throws away what was fetched ahead."""
FAREWELL = 10.0
"""Seconds the last flushes may take when partitions or the process are given up."""
GLANCE = 0.05
"""Seconds between two looks at what is under way."""

__all__ = ["STAGE", "Outlets", "Stage"]


class Outlets:
    """What the sink says to Kafka: dead letters and gaps, each delivered before the offsets that depend on it are committed."""

    def __init__(
        self, publisher: Publisher, dead_letters: Callable[[], DeadLetters], publish_gap: Callable[[Any], None], stop: threading.Event
    ) -> None:
        """`dead_letters` makes one for each topic, so that a topic full of rubbish is its own affair; `publish_gap` queues a gap event."""
        self._publisher = publisher
        self._dead_letters = dead_letters
        self._publish_gap = publish_gap
        self._stop = stop

    def close(self) -> None:
        """End the publisher's threads; what was to be delivered has been flushed."""
        self._publisher.close()

    def bury(self, say: Callable[[str], None]) -> Callable[[Sequence[tuple[Message, str]], int], None]:
        """Return what sends one topic's refused messages and waits for their delivery; see lane.Bury."""
        letters = self._dead_letters()

        def bury(refused: Sequence[tuple[Message, str]], rows: int) -> None:
            if refused:
                attempts = Attempts(STAGE, "dead_letters", say=say)
                persist(lambda: self._send(letters, refused), attempts, self._stop.wait)
            if words := letters.watch(rows):
                raise Flooded(words)  # its lane is held

        return bury

    def _send(self, letters: DeadLetters, refused: Sequence[tuple[Message, str]]) -> None:
        for message, reason in refused:
            place = (message.topic(), message.partition(), message.offset())
            letters.send(*place, message.key(), message.value(), reason)
        self._publisher.flush()

    def lost(self, place: Place, loss: Loss) -> None:
        """Publish a loss as a gap and wait for its delivery; Retry where it is not delivered now."""
        logger().warning("records can't be had", topic=place[0], partition=place[1], **loss._asdict())
        self._publish_gap(loss_gap(*place, loss.first, loss.end, loss.cause, STAGE, now()))
        self._publisher.flush()


class Stage:
    """The sink's loop over the given topics. `waiting` says in words what does not move and why, or nothing."""

    def __init__(
        self,
        consumer: Any,
        writer: Writer,
        outlets: Outlets,
        topics: Mapping[str, Event],
        describe: Callable[[Iterable[str]], Mapping[str, Described]],
        readable_from: Callable[[str, int, int], int],
        limits: Sink,
        stop: threading.Event,
        faults: Faults,
        unprepared: Mapping[str, Exception] | None = None,
        beat: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`describe`, `readable_from`: see Reader; `beat` is called at each turn of the loop.

        `unprepared`: by event, why its table could not be prepared; its topics are held from the start.
        """
        self._limits = limits
        self._outlets = outlets
        self._stop = stop
        self._monotonic = monotonic
        self._beat = beat
        self._burying = ""
        self._lanes = {
            topic: Lane(topic, event, writer, outlets.bury(self._say), limits, faults, monotonic) for topic, event in topics.items()
        }
        self._reader = Reader(
            consumer, topics, describe, outlets.lost, self._restarted, self._revoked, self._left, readable_from, monotonic
        )
        for lane in self._lanes.values():
            if unprepared and lane.event.name in unprepared:
                lane.hold(unprepared[lane.event.name])

    @property
    def waiting(self) -> str:
        """Why something does not move; empty where all flows. Called by the health server's threads."""
        refused = "; ".join(f"{topic}: {words}" for topic, words in dict(self._reader.refused).items())
        return "; ".join(filter(None, (self._burying, troubles(self._lanes), refused)))

    @property
    def paused(self) -> bool:
        """Whether a partition is paused."""
        return bool(self._reader.paused)

    def run(self) -> None:
        """Work until `stop` is set, then flush what is gathered.

        Raises what concerns all topics: Refused, Fatal where Kafka refuses the group, and Retry where it was stopped while it waited.
        """
        self._reader.subscribe()
        try:
            while not self._stop.is_set():
                self._turn()
            self._finish()
            if self.waiting:
                logger().warning("stopped while it waited", reason=self.waiting)
        finally:
            self._stop.set()
            for lane in self._lanes.values():
                lane.close()
            self._reader.close()
            self._outlets.close()

    def _turn(self) -> None:
        self._beat()
        self._settle()
        self._each(self._mend)
        self._begin()
        stalled = [lane for lane in self._lanes.values() if lane.full and lane.reads]
        for lane in self._lanes.values():
            if lane not in stalled:
                lane.full_since = None
            elif lane.full_since is None:
                lane.full_since = self._monotonic()
        self._reader.steer(self._reads())
        patient = [lane for lane in stalled if self._monotonic() < (lane.full_since or 0.0) + PATIENCE]
        if patient:
            wait([future for lane in patient for future in lane.futures], GLANCE, FIRST_COMPLETED)
        else:
            self._read()

    def _reads(self) -> dict[str, bool]:
        """Return which topics take more: none that is held up, and no other either while what moves fills the memory allowed."""
        moving = [lane for lane in self._lanes.values() if lane.reads]
        crowded = sum(lane.size for lane in moving) >= (MOST_FLUSHES + 1) * self._limits.flush_bytes
        at = self._monotonic()
        return {
            topic: lane.reads and not crowded and (lane.full_since is None or at < lane.full_since + PATIENCE)
            for topic, lane in self._lanes.items()
        }

    def _read(self) -> None:
        at = self._monotonic()
        left = min((lane.due_in(at) for lane in self._lanes.values() if lane.can_begin), default=GLANCE)
        for place, run in self._reader.read(min(CHUNK, self._limits.flush_rows), min(max(left, 0.001), GLANCE)):
            lane = self._lanes[place[0]]
            try:
                lane.take(place, run)
            except Exception as error:  # noqa: BLE001 - one topic's fault, of whatever type, is not the others'
                lane.hold(error)

    def _begin(self) -> None:
        """Send full batches; and all there is once one has waited its time, so that the commits of many are one."""
        lanes = self._lanes.values()
        at = self._monotonic()
        late = any(lane.can_begin and lane.due_in(at) == 0 for lane in lanes)
        crowded = sum(lane.pending.size for lane in lanes) >= self._limits.flush_bytes
        for lane in lanes:
            if lane.can_begin and (late or crowded or lane.full):
                lane.begin()

    def _settle(self) -> None:
        offsets: dict[Place, int] = {}
        self._each(lambda lane: offsets.update(lane.look()))
        self._reader.commit(offsets)

    def _mend(self, lane: Lane) -> None:
        for place, offset in (lane.mend() or {}).items():
            self._reader.begin(place, offset)

    def _each(self, step: Callable[[Lane], object]) -> None:
        """Do something for each lane; what fails in one holds that one."""
        for lane in self._lanes.values():
            try:
                step(lane)
            except (Refused, Retry, KafkaException):
                raise
            except Exception as error:  # noqa: BLE001 - one topic's fault, of whatever type, is not the others'
                lane.hold(error)

    def _finish(self) -> None:
        """Send what is gathered and wait a while for what is under way; what waits for a retry or is held stays in Kafka."""
        deadline = self._monotonic() + min(FAREWELL, stopping.left(0.5))
        while self._monotonic() < deadline:
            self._settle()
            lanes = [lane for lane in self._lanes.values() if lane.reads]
            for lane in lanes:
                if lane.can_begin:
                    lane.begin()
            if not any(lane.flushes or lane.pending.rows for lane in lanes):
                return
            wait([future for lane in lanes for future in lane.futures], GLANCE, FIRST_COMPLETED)

    def _say(self, reason: str) -> None:
        self._burying = reason

    def _restarted(self, place: Place, offset: int, *, anew: bool) -> bool:
        return self._lanes[place[0]].restart(place, offset, anew=anew)

    def _revoked(self) -> None:
        """End what is under way, so that it is committed before others read on."""
        deadline = self._monotonic() + min(FAREWELL, stopping.left(0.5))
        while self._monotonic() < deadline:
            self._settle()
            futures = [future for lane in self._lanes.values() if lane.state is not State.HELD for future in lane.futures]
            if not futures:
                return
            wait(futures, GLANCE, FIRST_COMPLETED)

    def _left(self, places: Iterable[Place]) -> None:
        for topic, lane in self._lanes.items():
            lane.leave([place for place in places if place[0] == topic])
