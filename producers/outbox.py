"""From the sockets to Kafka, without ever waiting for it: everything put is kept until the broker has acknowledged it.

Two ways, one order. Usually a message goes straight to librdkafka. When the oldest has gone unacknowledged for longer than
`producer.spill_after_seconds`, all that waits is copied to disk and new messages go to disk only; what is on disk is then handed
to librdkafka again, oldest first, a window at a time, and when the disk is read to its end messages go straight again.

                      the oldest unacknowledged for too long, or librdkafka's queue full:
                      what waits is copied to disk
       ┌──────────┐ ─────────────────────────────────────────────────────────────▶ ┌──────────┐
  ────▶│ STRAIGHT │                                                                │ SPILLING │◀──── start with
       └──────────┘ ◀───────────────────────────────────────────────────────────── └──────────┘      files left
     put → librdkafka    the disk is read to its end, nothing is unwritten       put → disk;
                                                                                 tick: disk → librdkafka
  Nothing is written behind a message that is not on disk itself: so a stop finds on disk, or writes, what waits, in its order.
  While SPILLING, what cannot be written (a disk that is full or fails, no data key) is kept in memory, `Unwritten`, behind what is on
  disk, and written as soon as it can be; past the bound of either, `put` answers False and the message is given up.
librdkafka keeps its own queue all the while (it never gives up), so nothing is sent twice and nothing is overtaken.

A kill -9 loses what was received and neither acknowledged nor on disk: at most that time and what the broker was about
to acknowledge. Downstream sees it as a hole of the connection, and it is backfilled as any hole. Leftover files are sent first.

Where files are sealed and there has been no data key yet, nothing goes to disk: messages stay in memory, up to the bound below,
and what comes beyond it is given up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from itertools import count, islice
from typing import Any, Literal, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException

from dialects.contract import Frame
from producers.deliveries import Deliveries
from producers.segments import Segment
from producers.spill import Spill
from topology.errors import Fatal, Reject
from topology.kafka import PERMANENT, Publisher
from topology.log import logger
from topology.metrics import dropped_frames, events_out, spilled_bytes

TICK_SECONDS = 0.01
SYNC_SECONDS = 1.0
AGAIN_SECONDS = 1.0
"""How long a disk that refuses is left alone."""
MOST_WAITING = 50_000
MOST_WAITING_BYTES = 64 * 1024 * 1024
"""Messages and bytes with librdkafka and not acknowledged; beyond, they go to disk. librdkafka's own bounds are far above."""
AT_ONCE = 256
NO_KEY = "no data key yet to seal frames on disk with, and no room for more in memory (producer.spill_sealed)"


class Mode(Enum):
    """Where new messages go: see the diagram above."""

    STRAIGHT = "to librdkafka"
    SPILLING = "to disk, behind what is there"


_STRAIGHT = Mode.STRAIGHT
"""Looked up for every message: a member of an Enum costs several times a name."""


class Waiting(NamedTuple):
    """A message with librdkafka that is not acknowledged."""

    number: int
    """In order of arrival."""
    at: float
    """When it was handed over; monotonic seconds."""
    value: bytes
    segment: Segment | None
    """Its place on disk, if it has one."""
    frame: Frame | None
    """The frame that it is, where its events are published once it is delivered and it was not read from disk."""


_waiting = tuple.__new__
"""Makes a Waiting of its fields, as its own constructor does at three times the price."""


class Unwritten(NamedTuple):
    """A message in memory that could not be written to disk yet. `at` in monotonic seconds."""

    at: float
    key: bytes
    value: bytes


class Follower(Protocol):
    """Told of what is delivered (direct.py). Called in the event loop; it must neither wait nor raise, nor call the outbox from `take`."""

    def take(self, key: bytes, value: bytes, frame: Frame | None) -> None:
        """Take a message that is delivered; of one key in order."""

    def flush(self) -> None:
        """Take that all which was delivered by now has been told."""


Refused = Callable[[bytes, bytes, str], None]
"""Told of a message that Kafka will never take: key, value, reason. Called in the event loop, within `put` or `tick`; it must not wait,
and must not call the outbox."""


class Outbox:
    """Deliver messages to one topic. Lives in one event loop; `run` must run beside whoever puts.

    `publisher` is given the overrides of librdkafka's settings and makes the publisher; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        publisher: Callable[[dict[str, Any]], Publisher],
        topic: str,
        venue: str,
        spill: Spill,
        *,
        spill_after: float,
        when_full: Literal["drop", "stop"],
        refused: Refused,
        clock: Callable[[], float],
        follower: Follower | None = None,
    ) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with Fatal, when nothing can be delivered until a person acts."""
        self._topic = topic
        self._venue = venue
        self._spill = spill
        self._spill_after = spill_after
        self._when_full = when_full
        self._refused = refused
        self._clock = clock
        self._now = clock()
        self._mode = Mode.SPILLING if spill.unread else Mode.STRAIGHT
        self._told_full = False
        self._waiting: dict[bytes, deque[Waiting]] = {}
        self._unwritten: deque[Unwritten] = deque()
        self._unwritten_bytes = 0
        self._uncopied = False
        """Whether, while SPILLING, some of what waits may not be on disk."""
        self._disk_again_at = self._now
        self._count = 0
        self._bytes = 0
        self._numbers = count()
        self._delivered_count = 0
        self._synced_at = self._now
        self._follower = follower
        self._deliveries = Deliveries(self._delivered, None if follower is None else follower.flush)
        overrides = {"on_delivery": self._deliveries.report, "delivery.report.only.error": False, "delivery.timeout.ms": 0}
        self._publisher = publisher(overrides)
        if follower is not None:
            self._deliveries.listen(self._publisher)
        if self.spilling:
            logger().info("frames of a producer that ended are on disk and are sent first", bytes=spill.bytes)

    @property
    def spilling(self) -> bool:
        """Whether new messages go to disk."""
        return self._mode is Mode.SPILLING

    @property
    def undelivered(self) -> int:
        """How many messages are with librdkafka and not acknowledged."""
        return self._count

    @property
    def refused(self) -> str:
        """Why brokers do not let us in now, in words; empty where they do, or none is there. Any thread."""
        return self._publisher.refused

    def unsafe_seconds(self) -> float:
        """How long ago the oldest message came that a kill -9 now would lose; 0 where all is acknowledged or on disk."""
        if self._all_on_disk():
            return 0.0
        oldest = [queue[0].at for queue in self._waiting.values()] + [one.at for one in islice(self._unwritten, 1)]
        return self._clock() - min(oldest) if oldest else 0.0

    def holds(self, key: bytes) -> bool:
        """Whether a kill -9 now would lose messages of this key."""
        if self._all_on_disk():
            return False
        return key in self._waiting or any(one.key == key for one in self._unwritten)

    def _all_on_disk(self) -> bool:
        return self.spilling and not self._unwritten and not self._uncopied

    def put(self, key: bytes, value: bytes, frame: Frame | None = None) -> bool:
        """Take a message; never waits. False where it had to be given up: no room, or Kafka never takes it (then `refused` knows).

        `frame`: the same, for the follower.
        """
        if self._mode is _STRAIGHT:
            if self._room():
                return self._hand_over(key, value, None, frame)
            if not self._spill.ready:
                return self._no_room(NO_KEY)
            self._begin_spilling("librdkafka's queue is full")
        return self._to_disk(key, value) if self._release() else self._keep_unwritten(key, value)

    def tick(self) -> None:
        """Serve deliveries, notice a broker that is away, replay what is on disk."""
        self._now = self._clock()
        self._publisher.check()
        self._deliveries.serve()
        if not self.spilling and self._away() and self._spill.ready:
            self._begin_spilling("the broker acknowledges nothing")
        if self.spilling:
            self._replay()
            self._release()
            self._spill.tidy()
        elif self._spill.bytes:
            self._spill.tidy()
        spilled_bytes.labels(self._venue).set(self._spill.bytes)
        dropped_frames.labels(self._venue).inc(self._spill.unreadable())
        events_out.labels("producers", self._topic).inc(self._delivered_count)
        self._delivered_count = 0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.tick()
            if self.spilling and self._now - self._synced_at >= SYNC_SECONDS:
                self._synced_at = self._now
                await asyncio.to_thread(self._spill.sync)

    async def close(self, timeout: float) -> bool:
        """Deliver everything, or leave it on disk after `timeout` seconds for the next start; True where all was delivered."""
        until = self._clock() + timeout
        while (self._count or self._spill.unread or self._unwritten) and self._clock() < until and not self.failure.done():
            self.tick()
            await asyncio.sleep(TICK_SECONDS)
        self.tick()
        left = self._count + len(self._unwritten)
        if left:
            self._mode, self._uncopied, self._disk_again_at = Mode.SPILLING, True, self._now
            self._release()
            lost = sum(one.segment is None for queue in self._waiting.values() for one in queue) + len(self._unwritten)
            dropped_frames.labels(self._venue).inc(lost)
            say = logger().error if lost else logger().warning
            say("frames stay on disk for the next start", bytes=self._spill.bytes, undelivered=left, lost=lost)
        complete = not left and not self._spill.unread
        self._spill.close()
        await self._deliveries.close()
        self.failure.cancel()  # what librdkafka gives back now is on disk, or was counted as lost
        self._publisher.close()
        return complete

    def _hand_over(self, key: bytes, value: bytes, segment: Segment | None, frame: Frame | None = None) -> bool:
        try:
            self._publisher.publish(self._topic, key, value)
        except Reject as error:
            self._give_up(key, value, segment, str(error))
            return False
        except KafkaException as error:  # librdkafka itself gave up: only another process can deliver, and it begins with what is on disk
            if not self.failure.done():
                self.failure.set_exception(Fatal(f"Kafka's client takes no more messages: {error.args[0].str()} (kafka.brokers)"))
            return False
        queue = self._waiting.get(key)
        if queue is None:
            queue = self._waiting[key] = deque()
        queue.append(_waiting(Waiting, (next(self._numbers), self._now, value, segment, frame)))
        self._count += 1
        self._bytes += len(value)
        return True

    def _delivered(self, error: KafkaError | None, key: bytes) -> None:
        """Take the oldest message of a key off: one key is one partition, and a partition's reports come in order."""
        if self.failure.done():
            return
        if error is not None and error.code() not in PERMANENT:
            why = f"{self._publisher.explained(error, self._topic)} (kafka.brokers; does the topic exist?)"
            self.failure.set_exception(Fatal(f"Kafka gives messages of {self._topic} back: {why}"))
            return
        queue = self._waiting[key]
        delivered = queue.popleft()
        if not queue:
            del self._waiting[key]
        self._count -= 1
        self._bytes -= len(delivered.value)
        if error is not None:
            self._give_up(key, delivered.value, delivered.segment, error.str())
            dropped_frames.labels(self._venue).inc()
            return
        self._delivered_count += 1
        if delivered.segment is not None:
            self._spill.delivered(delivered.segment)
        if self._follower is not None:
            self._follower.take(key, delivered.value, delivered.frame)

    def _give_up(self, key: bytes, value: bytes, segment: Segment | None, reason: str) -> None:
        if segment is not None:
            self._spill.delivered(segment)
        self._refused(key, value, reason)

    def _away(self) -> bool:
        return any(self._now - queue[0].at > self._spill_after for queue in self._waiting.values())

    def _begin_spilling(self, why: str) -> None:
        logger().warning("frames go to disk", why=why, undelivered=self._count, topic=self._topic)
        self._mode, self._uncopied = Mode.SPILLING, True
        self._copy_waiting()

    def _copy_waiting(self) -> bool:
        """Copy what librdkafka holds and the disk does not to the disk, in order of arrival; return whether all of it is there.

        What is on disk has been read then: nothing is written while some of this is not.
        """
        if not self._uncopied:
            return True
        if not self._spill.ready or self._now < self._disk_again_at:
            return False
        ordered = sorted((one.number, key, one.value) for key, queue in self._waiting.items() for one in queue if one.segment is None)
        copied: dict[int, Segment] = {}
        for start in range(0, len(ordered), AT_ONCE):
            some = ordered[start : start + AT_ONCE]
            segment = self._append([(key, value) for _, key, value in some], handed_over=True)
            if segment is None:
                self._disk_again_at = self._now + AGAIN_SECONDS
                break
            copied |= dict.fromkeys((number for number, _, _ in some), segment)
        for key, queue in self._waiting.items() if copied else ():
            self._waiting[key] = deque(one._replace(segment=copied[one.number]) if one.number in copied else one for one in queue)
        self._uncopied = len(copied) < len(ordered)
        return not self._uncopied

    def _to_disk(self, key: bytes, value: bytes) -> bool:
        if self._append([(key, value)]) is not None:
            self._told_full = False
            return True
        if self._now < self._disk_again_at:
            return self._keep_unwritten(key, value)
        return self._no_room("no room on disk for frames (producer.spill_bytes)")

    def _no_room(self, why: str) -> bool:
        if not self._told_full:
            self._told_full = True
            logger().error(why, bytes=self._spill.bytes, then=self._when_full)
        if self._when_full == "stop" and not self.failure.done():
            self.failure.set_exception(Fatal(f"the broker is away and {self._spill.bytes} bytes wait on disk: {why}"))
        return False

    def _keep_unwritten(self, key: bytes, value: bytes) -> bool:
        """Keep a message in memory, behind those on disk, because it can't be written."""
        if len(self._unwritten) >= MOST_WAITING or self._unwritten_bytes >= MOST_WAITING_BYTES:
            return self._no_room("no room on disk for frames (producer.spill_bytes)" if self._spill.ready else NO_KEY)
        self._unwritten.append(Unwritten(self._clock(), key, value))
        self._unwritten_bytes += len(value)
        return True

    def _release(self) -> bool:
        """Write what is kept in memory, if that is possible now; return whether nothing is left and a message can be written."""
        if not self._copy_waiting() or self._now < self._disk_again_at:
            return False
        while self._unwritten and self._spill.ready:
            some = [(one.key, one.value) for one in islice(self._unwritten, AT_ONCE)]
            if self._append(some) is None:
                return False
            for _, value in some:
                self._unwritten.popleft()
                self._unwritten_bytes -= len(value)
        return self._spill.ready

    def _append(self, messages: list[tuple[bytes, bytes]], *, handed_over: bool = False) -> Segment | None:
        try:
            return self._spill.append(messages, handed_over=handed_over)
        except OSError as error:
            self._disk_again_at = self._now + AGAIN_SECONDS
            logger().error("the disk refuses frames", error=str(error), again_in=AGAIN_SECONDS)
            return None

    def _replay(self) -> None:
        while self._room() and not self._away():
            batch = self._spill.read()
            for segment, key, value in batch:
                if not self._hand_over(key, value, segment):
                    dropped_frames.labels(self._venue).inc()
            if not self._spill.unread:
                self._hand_over_unwritten()
                if not self._unwritten:
                    self._mode, self._told_full, self._uncopied = Mode.STRAIGHT, False, False
                    logger().info("frames on disk are read; they go straight to Kafka again", topic=self._topic)
                    return
            elif not batch:
                return  # the next file's data key is being asked for
            if self._clock() - self._now > TICK_SECONDS:
                return

    def _hand_over_unwritten(self) -> None:
        while self._unwritten and self._room():
            one = self._unwritten.popleft()
            self._unwritten_bytes -= len(one.value)
            self._uncopied = True
            if not self._hand_over(one.key, one.value, None):
                dropped_frames.labels(self._venue).inc()

    def _room(self) -> bool:
        return self._count < MOST_WAITING and self._bytes < MOST_WAITING_BYTES
