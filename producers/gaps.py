"""The topic `gaps` as one venue's backfill reads it: in a thread of its own, committed only as far as the work is done."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import cast

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from producers import STAGE
from schemas.catalogue import event
from schemas.codec import Codec, schema_id
from schemas.errors import InvalidDatum
from schemas.events import Gap
from topology.damage import QUIET_SECONDS, readable_now
from topology.dead_letters import DeadLetters
from topology.errors import Fatal, Reject, Retry
from topology.faults import reason_of
from topology.grace import stopping
from topology.kafka import DAMAGED, consumer, failure
from topology.login import refusal
from topology.losses import loss_gap
from topology.metrics import events_in
from topology.registry import Registry, reading_codec
from topology.retry import Attempts, persist
from topology.settings import Kafka

POLL_SECONDS = 0.2
HAND_OVER_SECONDS = 1.0
WAIT_SECONDS = 1.0
"""Between two looks at a topic that cannot be read."""
WATERMARK_SECONDS = 10.0
CLOSE_SECONDS = 60.0
MOST_AT_ONCE = 10_000

Place = tuple[int, int]
"""Partition and offset of an event."""
Take = Callable[[list[tuple[Place, Gap]]], None]
"""Takes events in order; each place must be given to `done` in the end."""
Lost = Callable[[Gap], None]
"""Tells that records of the topic were gone before they were read; called in the reader's thread, returns once that is delivered."""


class Progress:
    """How far each partition may be committed: up to the first event whose work is not done. Pure."""

    def __init__(self) -> None:
        self._open: dict[int, dict[int, bool]] = {}

    def began(self, place: Place) -> None:
        """Note that an event has been read."""
        self._open.setdefault(place[0], {})[place[1]] = False

    def done(self, place: Place) -> None:
        """Note that its work is done."""
        if place[1] in self._open.get(place[0], {}):
            self._open[place[0]][place[1]] = True

    def lost(self, partition: int) -> None:
        """Forget a partition that went to another member."""
        self._open.pop(partition, None)

    def committable(self) -> list[Place]:
        """Return (partition, next offset) of each partition that has moved, once."""
        moved: list[Place] = []
        for partition, offsets in self._open.items():
            after = None
            for offset in list(offsets):
                if not offsets[offset]:
                    break
                del offsets[offset]
                after = offset + 1
            if after is not None:
                moved.append((partition, after))
        return moved


class GapReader:
    """Read `gaps` for one venue; what it reads is taken in the event loop that made the reader."""

    def __init__(
        self,
        kafka: Kafka,
        registry: Registry,
        dead_letters: DeadLetters,
        venue: str,
        lost: Lost,
        now: Callable[[], int],
        fault: Callable[[Exception], str] = reason_of,
        assigned: Callable[[], frozenset[int]] | None = None,
    ) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with its error, when the thread had to stop: what is not committed is read again by the next reader."""
        self._loop = asyncio.get_running_loop()
        self._kafka = kafka
        self._registry = registry
        self._dead_letters = dead_letters
        self._venue = venue
        self._stage = STAGE.child(venue)
        self._group = STAGE.group_of(venue)
        self._lost = lost
        self._now = now
        self._fault = fault
        """Tells a fault of ours; returns why in one line."""
        self._assigned = assigned
        """Gives the partitions to be read, where symbols are shared (sharing.py): the group then only keeps how far they were read."""
        self._following: frozenset[int] = frozenset()
        self._next: dict[int, int] = {}
        self._at: dict[int, int] = {}
        """Where we are in the partitions that are ours now."""
        self._moved_at: dict[int, float] = {}
        """When a partition last moved, or had nothing more: monotonic seconds."""
        self._event = event("gap")
        self._topic = self._event.topic.of()
        self._codecs: dict[int, Codec] = {}
        self._progress = Progress()
        self._finished: queue.SimpleQueue[Place] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._attempts = Attempts("producers", "gaps", about=self._topic, wait=lambda: WAIT_SECONDS)

    def start(self, take: Take) -> None:
        """Start the thread; `take` is called in the event loop."""
        self._thread = threading.Thread(target=self._run, args=(take,), name="gaps", daemon=True)
        self._thread.start()

    def done(self, place: Place) -> None:
        """Let an event be committed: what it asked for is done."""
        self._finished.put(place)

    async def close(self) -> None:
        """Commit what is done and leave the group."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, min(CLOSE_SECONDS, stopping.left(0.2)))

    def _run(self, take: Take) -> None:
        try:
            reader = consumer(self._kafka, self._group, auto_offset_reset="error")
            try:
                if self._assigned is None:
                    reader.subscribe([self._topic], on_revoke=self._revoked, on_lost=self._revoked)
                while not self._stop.is_set():
                    self._follow(reader)
                    batch = self._read(reader)
                    if batch:
                        self._loop.call_soon_threadsafe(take, batch)
                    self._commit(reader)
                self._commit(reader)
            finally:
                reader.close()
        except Exception as error:  # noqa: BLE001 - handed to the event loop, where it is told and the reader begun anew
            self._loop.call_soon_threadsafe(self._fail, error)

    def _follow(self, reader: Consumer) -> None:
        """Read the partitions that are ours now, each from where its group has got."""
        wanted = self._following if self._assigned is None else self._assigned()
        gone = [TopicPartition(self._topic, one) for one in self._following - wanted]
        come = [TopicPartition(self._topic, one) for one in wanted - self._following]
        if gone:
            reader.incremental_unassign(gone)
            self._revoked(reader, gone)
        if come:
            reader.incremental_assign(come)
        self._following = wanted

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    def _read(self, reader: Consumer) -> list[tuple[Place, Gap]]:
        """Read until there is nothing more for a moment, so that a gap's later states are known before its first is acted on."""
        found: list[tuple[Place, Gap]] = []
        until = time.monotonic() + HAND_OVER_SECONDS
        while len(found) < MOST_AT_ONCE and time.monotonic() < until and not self._stop.is_set():
            message = reader.poll(POLL_SECONDS)
            if message is None:
                self._look_for_quiet(reader)
                break
            error = failure(message)
            if error is not None and error.code() in DAMAGED:
                self._see_to_damage(reader, message.partition() or 0)
                continue
            if error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes are named so
                self._begin_where_it_can(reader, message.partition() or 0)
                continue
            if error is not None:
                # Even a topic that is unknown may only be so while brokers come back.
                self._stop.wait(self._attempts.failed(Retry(refusal(error, self._kafka, f"Read topic {self._topic}, group {self._group}"))))
                break
            self._attempts.worked()
            place = (message.partition() or 0, message.offset() or 0)
            owed = self._owed(reader, place[0], place[1])
            if place[1] > owed and self._is_damaged(reader, place[0], owed):
                continue
            self._next[place[0]] = self._at[place[0]] = place[1] + 1
            self._moved_at[place[0]] = time.monotonic()
            self._progress.began(place)
            try:
                gap = self._decode(message, place)
            except Retry:  # it stops while it waits for the schema: the next reader begins with this event
                break
            if gap is not None and gap["venue"] == self._venue:
                found.append((place, gap))
            else:
                self._progress.done(place)
        events_in.labels("producers", self._topic).inc(len(found))
        return found

    def _decode(self, message: Message, place: Place) -> Gap | None:
        """Return the gap of a message, None where it is none: that is a dead letter, whatever it raised, and the next is read.

        Raises Retry where the reader stops before its schema could be had, Fatal where the registry refuses us.
        """
        value = message.value() or b""
        try:
            return cast("Gap", self._codec(schema_id(value)).decode(value))
        except (Retry, Fatal):
            raise
        except (InvalidDatum, Reject) as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - told as a fault of ours, and this message alone is given up
            reason = self._fault(error)
        self._dead_letters.send(self._topic, *place, message.key(), value, reason)
        return None

    def _codec(self, number: int) -> Codec:
        if number not in self._codecs:
            attempts = Attempts("producers", "registry", about=f"schema {number}")
            schema = persist(lambda: self._registry.writer_schema(number), attempts, self._stop.wait)
            self._codecs[number] = reading_codec(self._event, number, schema)
        return self._codecs[number]

    def _owed(self, reader: Consumer, partition: int, otherwise: int) -> int:
        """Return the next offset of a partition: where we are, else where the group is, else `otherwise`."""
        if partition not in self._at:
            committed = reader.committed([TopicPartition(self._topic, partition)], timeout=WATERMARK_SECONDS)[0].offset
            self._at[partition] = committed if committed >= 0 else otherwise
        return self._at[partition]

    def _look_for_quiet(self, reader: Consumer) -> None:
        """Look for damage in partitions of which nothing comes though they have more: of some the broker says nothing at all."""
        now = time.monotonic()
        for one in reader.assignment():
            _, high = reader.get_watermark_offsets(one, cached=True)
            since = self._moved_at.setdefault(one.partition, now)
            if 0 <= high <= self._at.get(one.partition, 0):
                self._moved_at[one.partition] = now
            elif now >= since + QUIET_SECONDS:
                self._moved_at[one.partition] = now
                self._see_to_damage(reader, one.partition)

    def _see_to_damage(self, reader: Consumer, partition: int) -> None:
        """Go on behind what is damaged, or fetch again what was not: the client has passed over it."""
        low, _ = reader.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=WATERMARK_SECONDS)
        owed = max(self._owed(reader, partition, low), low)
        try:
            if not self._is_damaged(reader, partition, owed):
                self._begin(reader, partition, owed)
        except Retry as error:
            self._stop.wait(self._attempts.failed(error))
            self._begin(reader, partition, owed)

    def _is_damaged(self, reader: Consumer, partition: int, owed: int) -> bool:
        """Go on behind what is damaged on the broker's disk, having told it; False where nothing is."""
        until = readable_now(self._kafka, self._topic, partition, owed)
        if until == owed:
            return False
        self._lost(loss_gap(self._topic, partition, owed, until, "corrupt", self._stage, self._now()))
        self._begin(reader, partition, until)
        return True

    def _begin(self, reader: Consumer, partition: int, offset: int) -> None:
        place = TopicPartition(self._topic, partition, offset)
        self._next[partition] = self._at[partition] = offset
        reader.incremental_unassign([place])
        reader.incremental_assign([place])

    def _revoked(self, _reader: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._progress.lost(one.partition)
            self._at.pop(one.partition, None)
            self._moved_at.pop(one.partition, None)

    def _begin_where_it_can(self, reader: Consumer, partition: int) -> None:
        """Go on with a partition whose next offset is not there: at its start, having told what is gone since the last one read."""
        place = TopicPartition(self._topic, partition)
        low, high = reader.get_watermark_offsets(place, timeout=WATERMARK_SECONDS)
        # Who deletes a topic deletes its groups' offsets too: then only what this reader has read tells that there was another.
        committed = reader.committed([place], timeout=WATERMARK_SECONDS)[0].offset
        owed = max(committed, self._next.get(partition, -1))
        if owed > high:
            self._lost(loss_gap(self._topic, partition, owed, owed, "topic_reset", self._stage, self._now()))
        elif 0 <= owed < low:
            self._lost(loss_gap(self._topic, partition, owed, low, "retention", self._stage, self._now()))
        self._progress.lost(partition)
        # Behind damage the client itself goes to offsets that are not there, and we may have begun elsewhere meanwhile.
        here = self._at.get(partition, committed)
        self._begin(reader, partition, here if low <= here <= high else low)

    def _commit(self, reader: Consumer) -> None:
        while not self._finished.empty():
            self._progress.done(self._finished.get())
        moved = self._progress.committable()
        if moved:
            reader.commit(offsets=[TopicPartition(self._topic, partition, offset) for partition, offset in moved], asynchronous=True)
