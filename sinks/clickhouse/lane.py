"""One topic on its way into its table: its own batch, inserts, threads, retries and faults, so that no other topic waits for it.

    FLOWING ──an insert says Retry──▶ WAITING ──the same insert works──▶ FLOWING
    FLOWING, WAITING, TRYING ──anything else──▶ HELD ──its time has come, its table is sound──▶ TRYING ──a flush is in──▶ FLOWING
                                                                                                TRYING ──nothing comes──▶ FLOWING

A lane that waits keeps its rows and sends the same insert again. One that is held keeps nothing: what was not in is read again from
Kafka, where its offset stays uncommitted. All methods are called on the sink's one thread; inserts run on two threads of the lane's own.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

from schemas.catalogue import Event
from sinks.clickhouse import STAGE as DECLARED
from sinks.clickhouse.batch import Batch, Message, Place
from sinks.clickhouse.writer import Writer
from topology.clickhouse_reactions import Refused
from topology.clock import now
from topology.errors import Fatal, Retry, TidewireError
from topology.faults import Faults
from topology.losses import venue_of
from topology.metrics import events_in, events_out, latency
from topology.retry import Attempts, doubling
from topology.settings import Sink

STAGE = DECLARED.name
MOST_FLUSHES = 2
"""Under way at a time: the columns of one are made while ClickHouse takes the other in."""
TRIAL_ROWS = 2_000
"""So many rows show whether a lane that was held is well again; more than the window of the share of refused rows."""
QUIET_SECONDS = 5.0
"""After so long without a message a lane that was held has read all there is: nothing is left that could be wrong."""
LONGEST_HOLD = 60.0
"""Seconds between two looks at a table that a person must mend."""

Refusals = list[tuple[Message, str]]
Bury = Callable[[Refusals, int], None]
"""Sends refused messages of so many to dead_letters. Called on the sink's thread; raises Flooded where too large a share is refused."""


class Flooded(Fatal):
    """Too large a share of a topic is refused; all that was is told, so that it need not be read again."""


class State(Enum):
    """See the head of this file."""

    FLOWING = "flowing"
    WAITING = "waiting"
    HELD = "held"
    TRYING = "trying"


@dataclass(slots=True)
class Insert:
    """The messages of one schema in one flush: under way (`future`), in (`refused`, those that are not), or to be sent again (neither)."""

    prefix: bytes
    messages: list[Message]
    future: Future[Refusals] | None = None
    refused: Refusals | None = None


@dataclass(slots=True)
class Flush:
    """A batch under way; `number` is the same however often it is sent."""

    batch: Batch
    number: int
    inserts: list[Insert] = field(default_factory=list)


class Lane:
    """One topic's way. `trouble` says in words why nothing of it moves, or nothing; `settled` the next offset not yet in, by partition."""

    def __init__(
        self,
        topic: str,
        event: Event,
        writer: Writer,
        bury: Bury,
        limits: Sink,
        faults: Faults,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic = topic
        self.event = event
        self.state = State.FLOWING
        self.trouble = ""
        self.pending = Batch()
        self.flushes: deque[Flush] = deque()
        self.settled: dict[Place, int] = {}
        self._to_commit: dict[Place, int] = {}
        self.full_since: float | None = None
        """Since when it has a full batch and no thread to insert it."""
        self._writer = writer
        self._bury = bury
        self._limits = limits
        self._faults = faults
        self._monotonic = monotonic
        self._pool = ThreadPoolExecutor(MOST_FLUSHES, f"table-{event.table}")
        self._latency = latency.labels(STAGE)
        self._since = 0.0
        self._count = 0
        self._again_at = 0.0
        self._quiet_at = 0.0
        self._attempts = self._new_attempts()
        self._holds = doubling(longest=LONGEST_HOLD)
        self._probe: Future[None] | None = None
        self._abandoned: list[Future[Refusals]] = []

    @property
    def size(self) -> int:
        """Bytes of messages held in memory."""
        return self.pending.size + sum(flush.batch.size for flush in self.flushes)

    @property
    def reads(self) -> bool:
        """Whether it takes more now; its partitions are paused where not."""
        return self.state in (State.FLOWING, State.TRYING)

    @property
    def full(self) -> bool:
        """Whether what is gathered makes a flush by itself."""
        rows = TRIAL_ROWS if self.state is State.TRYING else self._limits.flush_rows
        return self.pending.rows >= rows or self.pending.size >= self._limits.flush_bytes

    @property
    def can_begin(self) -> bool:
        """Whether what is gathered can be sent now."""
        most = 1 if self.state is State.TRYING else MOST_FLUSHES
        return self.reads and self.pending.rows > 0 and len(self.flushes) < most

    @property
    def futures(self) -> list[Future[Refusals]]:
        """Its inserts under way."""
        return [insert.future for flush in self.flushes for insert in flush.inserts if insert.future is not None]

    def due_in(self, at: float) -> float:
        """Return how many seconds from `at` its rows may still wait; 0 where they must go now, and infinity where there are none."""
        return max(0.0, self._since + self._limits.flush_seconds - at) if self.pending.rows else float("inf")

    def take(self, place: Place, run: Sequence[Message]) -> None:
        """Gather messages that follow each other in one partition. A lane that is held remembers only where they begin."""
        self.settled.setdefault(place, run[0].offset())
        if self.state is State.HELD:
            return
        if not self.pending.rows:
            self._since = self._monotonic()
        self.pending.add_run(place, run)

    def begin(self) -> None:
        """Send what is gathered."""
        batch, self.pending = self.pending, Batch()
        self._count += 1
        self.full_since = None
        flush = Flush(batch, self._count, [Insert(prefix, messages) for (_, prefix), messages in batch.groups.items()])
        self.flushes.append(flush)
        for insert in flush.inserts:
            self._send(insert, flush.number)

    def look(self) -> dict[Place, int]:
        """See what has become of the inserts; return the offsets to commit. Raises Refused; Retry where it was stopped meanwhile."""
        for flush in self.flushes:
            for insert in flush.inserts:
                if insert.future is not None and insert.future.done():
                    self._judge(insert)
                    if self.state is State.HELD:
                        return {}
        self._send_again()
        if self.state is State.TRYING and not self.flushes and not self.pending.rows and self._monotonic() >= self._quiet_at:
            self._well()
        return self._settle()

    def _judge(self, insert: Insert) -> None:
        error = insert.future.exception() if insert.future is not None else None
        if error is None:
            insert.refused = insert.future.result() if insert.future is not None else []
            insert.future = None
        elif isinstance(error, Refused):
            raise error
        elif isinstance(error, Retry):
            insert.future = None
            if self.state is not State.WAITING or self._monotonic() >= self._again_at:
                self.state = State.WAITING
                self._again_at = self._monotonic() + self._attempts.failed(error)
        else:
            self.hold(error)

    def _send_again(self) -> None:
        if self.state is not State.WAITING or self._monotonic() < self._again_at:
            return
        waiting = [(flush, one) for flush in self.flushes for one in flush.inserts if one.refused is None]
        for flush, insert in waiting:
            if insert.future is None:
                self._send(insert, flush.number)
        if not waiting:
            self._attempts.worked()
            self._attempts = self._new_attempts()
            self._well()

    def _settle(self) -> dict[Place, int]:
        """End the oldest flushes whose rows are all in: dead letters, counts, offsets."""
        while self.flushes and all(insert.refused is not None for insert in self.flushes[0].inserts):
            flush = self.flushes[0]
            refused = [*flush.batch.refused]
            for insert in flush.inserts:
                refused += insert.refused or []
            flood: Flooded | None = None
            try:
                self._bury(refused, flush.batch.rows)
            except Flooded as error:
                flood = error
            events_in.labels(STAGE, self.topic).inc(flush.batch.rows)
            events_out.labels(STAGE, self.event.table).inc(flush.batch.rows - len(refused))
            self.flushes.popleft()
            self._to_commit |= flush.batch.offsets
            self.settled |= flush.batch.offsets
            if flood is not None:
                raise flood  # it goes on behind these rows
            if self.state is State.TRYING:
                self._well()
        offsets, self._to_commit = self._to_commit, {}
        return offsets

    def hold(self, error: BaseException) -> None:
        """Stop this lane alone: forget what is not in, say why, and look again later."""
        reason = self._faults.tell(error, venue=venue_of(self.topic), event=self.event.name)
        self.trouble = str(error) if isinstance(error, TidewireError) else reason
        self._abandoned += [future for future in self.futures if not future.cancel()]
        self.flushes.clear()
        self.pending = Batch()
        self.full_since = None
        self._probe = None
        self._attempts = self._new_attempts()
        self.state = State.HELD
        self._again_at = self._monotonic() + self._holds()

    def mend(self) -> dict[Place, int] | None:
        """Look at the table of a lane that is held, when its time has come; return where to read it again once its table is sound.

        None: not yet. Raises Refused.
        """
        if self.state is not State.HELD or self._monotonic() < self._again_at or any(not future.done() for future in self._abandoned):
            return None
        self._abandoned.clear()
        if self._probe is None:
            self._probe = self._pool.submit(self._prepare)
        if not self._probe.done():
            return None
        error, self._probe = self._probe.exception(), None
        if isinstance(error, Refused):
            raise error
        if error is not None:
            self.hold(error)
            return None
        self.state = State.TRYING
        self._quiet_at = self._monotonic() + QUIET_SECONDS
        if not self.settled:
            self._well()  # it was held before it had read anything: its table was the trouble
        return dict(self.settled)

    def leave(self, places: Iterable[Place]) -> None:
        """Forget partitions that others read now: neither inserted nor committed here."""
        gone = list(places)
        self.pending.forget(gone)
        for place in gone:
            self.settled.pop(place, None)
            self._to_commit.pop(place, None)
            for flush in self.flushes:
                flush.batch.offsets.pop(place, None)

    def restart(self, place: Place, offset: int, *, anew: bool) -> bool:
        """Go on from an offset because nothing before is there; return whether it can be committed now.

        Where rows read before are not in yet, it is committed with them; `anew`: in a new topic their offsets mean nothing.
        """
        holding = [batch for batch in (*(flush.batch for flush in self.flushes), self.pending) if place in batch.offsets]
        if holding and not anew:
            holding[-1].offsets[place] = offset
            return False
        for batch in holding:
            del batch.offsets[place]
        self._to_commit.pop(place, None)
        self.settled[place] = offset
        return True

    def close(self) -> None:
        """End the threads, waiting for the inserts under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _well(self) -> None:
        self.state = State.FLOWING
        self.trouble = ""
        self._holds = doubling(longest=LONGEST_HOLD)

    def _new_attempts(self) -> Attempts:
        return Attempts(STAGE, self.event.table, say=self._say, clock=self._monotonic)

    def _say(self, reason: str) -> None:
        self.trouble = reason

    def _send(self, insert: Insert, number: int) -> None:
        insert.future = self._pool.submit(self._insert, insert.prefix, insert.messages, number)

    def _insert(self, prefix: bytes, messages: list[Message], number: int) -> Refusals:
        """Insert messages of one schema; on a thread of the pool."""
        refused = self._writer.insert(self.topic, prefix, messages, number)
        received_at = self._writer.received_at(self.topic, prefix, messages[-1])
        if received_at is not None:
            self._latency.observe((now() - received_at) / 1_000_000)
        return refused

    def _prepare(self) -> None:
        """Find out again all that is known of the table and its schemas; on a thread of the pool."""
        self._writer.forget(self.topic)
        self._writer.prepare(self.event)


def troubles(lanes: Mapping[str, Lane]) -> str:
    """Return in words what holds lanes up, each trouble once with the topics that have it; nothing where all flow."""
    found: dict[str, list[str]] = {}
    for lane in lanes.values():
        if lane.trouble:
            found.setdefault(lane.trouble, []).append(lane.topic)
    return "; ".join(f"{', '.join(topics) if len(topics) < 4 else f'{len(topics)} topics'}: {words}" for words, topics in found.items())
