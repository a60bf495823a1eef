"""A producer as a member of its venue's group: what Kafka assigns it, what the others say that they hear, and what it says itself.

The thread here speaks with Kafka. After each turn it hands over what it found and waits for the answer of the event loop, so that a
process whose loop hangs is polled for no longer, and loses its partitions like one that is gone (max.poll.interval.ms).
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from producers.shares import Claim, claim_of
from topology.errors import Retry
from topology.grace import stopping
from topology.kafka import consumer, failure
from topology.login import connection, made, refusal
from topology.retry import Attempts
from topology.settings import Kafka

TURN_SECONDS = 0.5
ASK_SECONDS = 5.0
BEATS = 6
"""The group hears so often within a session from a member that lives."""
CLOSE_SECONDS = 10.0
MOVED_ON = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS)
"""The group shares out anew, and takes no word of who was a member before: what we shall have is told to us."""


@dataclass(slots=True)
class Report:
    """What a turn found. Partitions that came are given together with their newest claims."""

    assigned: frozenset[int] = frozenset()
    revoked: frozenset[int] = frozenset()
    claims: dict[int, Claim] = field(default_factory=dict)
    takes_part: bool = False
    """Whether Kafka has assigned us what is ours, be it nothing."""
    trouble: str = ""
    """Why it has not, where it says so."""


class Answer(NamedTuple):
    """What is to be done in the next turn."""

    claims: Mapping[int, Claim]
    """To be committed, of partitions that are ours."""
    asks: Iterable[int]
    """Partitions whose newest claim is wanted."""
    leaves: bool
    """Whether to leave the group, and look on."""


class Terms(NamedTuple):
    """The group, the topic whose partitions are shared out, and after how many seconds a member is missed that was killed, or hangs."""

    group: str
    topic: str
    session_seconds: float
    hang_seconds: float


class Member:
    """Take part in a group from `start` to `close`. `turn` is called in the event loop that made it, about twice a second."""

    def __init__(self, kafka: Kafka, terms: Terms, turn: Callable[[Report], Awaitable[Answer]]) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done, with its error, when the thread had to stop."""
        self._loop = asyncio.get_running_loop()
        self._kafka = kafka
        self._terms = terms
        self._turn = turn
        self._came: set[int] = set()
        """Assigned, and not handed over yet."""
        self._went: set[int] = set()
        self._takes_part = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._attempts = Attempts("producers", "share", about=terms.group)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="share", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Leave the group, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, min(CLOSE_SECONDS, stopping.left(0.2)))

    def _run(self) -> None:
        try:
            session, hang = int(self._terms.session_seconds * 1_000), int(self._terms.hang_seconds * 1_000)
            reader = consumer(
                self._kafka,
                self._terms.group,
                session_timeout_ms=session,
                heartbeat_interval_ms=max(1, session // BEATS),
                max_poll_interval_ms=max(session, hang),
                # A claim that waits for its coordinator holds up the thread, and is old by then.
                coordinator_query_interval_ms=session,
                socket_timeout_ms=max(session, 10_000),
            )
            try:
                reader.subscribe([self._terms.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
                answer, left = Answer({}, (), leaves=False), False
                while not self._stop.is_set():
                    report = self._look(reader, answer.asks)
                    answer = asyncio.run_coroutine_threadsafe(self._answer(report), self._loop).result()
                    if answer.leaves and not left:
                        reader.unsubscribe()
                        left = True
                    self._claim(reader, answer.claims)
            finally:
                reader.close()
        except Exception as error:  # noqa: BLE001 - handed to the event loop, where it is told and the member begun anew
            self._loop.call_soon_threadsafe(self._fail, error)

    async def _answer(self, report: Report) -> Answer:
        return await self._turn(report)

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    def _look(self, reader: Consumer, asks: Iterable[int]) -> Report:
        """Take part for a moment; return what has changed, and the claims asked for."""
        report = Report()
        message = reader.poll(TURN_SECONDS)
        error = failure(message) if message is not None else None
        if error is not None:
            what = f"Read topic {self._terms.topic}, group {self._terms.group}"
            report.trouble = refusal(error, self._kafka, what)
        report.takes_part = self._takes_part
        report.revoked, self._went = frozenset(self._went), set()
        asked = self._came | (set(asks) - report.revoked)
        if asked:
            try:
                report.claims = self._claims(reader, asked)
            except KafkaException as failed:  # what came is handed over once it is known who had it
                report.trouble = refusal(failed.args[0], self._kafka, f"group {self._terms.group}")
            else:
                report.assigned, self._came = frozenset(self._came), set()
        if report.trouble:
            self._attempts.failed(Retry(report.trouble))
        else:
            self._attempts.worked()
        return report

    def _claims(self, reader: Consumer, partitions: Iterable[int]) -> dict[int, Claim]:
        topic = self._terms.topic
        found = reader.committed([TopicPartition(topic, one) for one in sorted(partitions)], timeout=ASK_SECONDS)
        claims = {one.partition: claim_of(one.offset, one.metadata) for one in found}
        return {partition: claim for partition, claim in claims.items() if claim is not None}

    def _claim(self, reader: Consumer, claims: Mapping[int, Claim]) -> None:
        """Commit claims, of what is ours still. One that fails is made again, newer, in a moment."""
        if not claims:
            return
        offsets = [TopicPartition(self._terms.topic, partition, claim.heard, claim.words) for partition, claim in claims.items()]
        try:
            done = reader.commit(offsets=offsets, asynchronous=False) or []
            errors = [one.error for one in done if one.error is not None]
        except KafkaException as failed:
            errors = [failed.args[0]]
        errors = [error for error in errors if error.code() not in MOVED_ON]
        if errors:
            self._attempts.failed(Retry(refusal(errors[0], self._kafka, f"group {self._terms.group}")))

    def _assigned(self, reader: Consumer, partitions: list[TopicPartition]) -> None:
        """Take what Kafka assigns. Nothing of it is read: it stands for the symbols."""
        ours = [TopicPartition(one.topic, one.partition, OFFSET_END) for one in partitions]
        reader.incremental_assign(ours)
        reader.pause(ours)
        self._takes_part = True
        self._came |= {one.partition for one in partitions}

    def _revoked(self, _reader: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {one.partition for one in partitions}
        self._came -= gone
        self._went |= gone


def members(kafka: Kafka, group: str) -> int:
    """Return how many members a group has. Raises KafkaException where the broker does not say; blocks."""
    admin = made(AdminClient, connection(kafka) | {"log_level": 2})
    return len(admin.describe_consumer_groups([group], request_timeout=ASK_SECONDS)[group].result().members)
