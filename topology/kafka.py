"""Kafka through librdkafka: the one place that configures confluent-kafka; how it logs in is in login.py."""

import time
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import Producer as LibrdkafkaProducer

from topology.addresses import ensure_named
from topology.errors import Fatal, Reject, Retry
from topology.grace import stopping
from topology.login import NOT_ALLOWED, Refusals, connection, made, refusal
from topology.settings import Kafka

GATHER_BYTES = 1024 * 1024
"""A reader whose work is not in a hurry is answered with so much at once, or when its time is up: fewer, larger batches."""

GLANCE = 0.5
"""Seconds between two looks at whether a wait shall end."""
MOMENT = 2.0
"""Seconds in which a refused login may be of a broker that is only just starting, or learns of a user."""

DAMAGED = (
    KafkaError._BAD_MSG,  # noqa: SLF001 - librdkafka's own codes are named so
    KafkaError._BAD_COMPRESSION,  # noqa: SLF001 - the same
    KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001 - the same: a format that it does not know
    KafkaError._UNDERFLOW,  # noqa: SLF001 - the same
    KafkaError.INVALID_MSG,
    KafkaError.UNKNOWN,
)
"""What a consumer reports of a partition whose log may be damaged on the broker's disk: damage.py finds out."""

PERMANENT = (
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError._INVALID_ARG,  # noqa: SLF001 - librdkafka's own codes are named so
)

Delivered = Callable[[KafkaError | None, Message], None]
"""Told that a message is delivered, or why it is not."""


class Publisher:
    """Publish messages in order, idempotently, keyed as Java clients key them (murmur2).

    A message that can't be delivered is an error at the next `flush`: nothing published is ever forgotten silently.
    Whoever makes one closes it, or uses it in a `with` block, which flushes first: until then its threads seek the brokers.
    """

    waits = True
    """Whether `publish` waits while the queue is full; where not, it raises Retry then."""
    _closed = True
    """Until there is something to close."""

    def __init__(self, kafka: Kafka, **overrides: Any) -> None:
        failed: list[tuple[KafkaError, str]] = []

        def on_failure(error: KafkaError | None, message: Message) -> None:
            # Of the list, not of the publisher: a circle would keep one that is forgotten, and its threads, until the collector comes.
            if error is not None:
                failed.append((error, message.topic() or ""))

        self._failed = failed
        self._kafka = kafka
        self._refusals = Refusals(kafka)
        self._producer = made(
            LibrdkafkaProducer,
            connection(kafka)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "compression.type": kafka.compression,
                "linger.ms": kafka.linger_ms,
                "batch.num.messages": 50_000,
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": 262_144,
                "message.max.bytes": kafka.message_max_bytes,
                "delivery.report.only.error": True,
                "on_delivery": on_failure,
                "delivery.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 1_000,
                "error_cb": self._refusals,
            }
            | overrides,
        )
        self._produce = self._producer.produce
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            self.close()

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=1)

    def close(self) -> int:
        """End its threads, at once; return how many messages were not delivered and are given up (`flush` waits for them). Idempotent.

        Their delivery callbacks are called with an error before it returns.
        """
        if self._closed:
            return 0
        self._producer.poll(0)  # what it has to tell of brokers counts among what waits
        left = len(self._producer)
        self._producer.purge()
        self._producer.close()
        self._closed = True
        return left

    def publish(self, topic: str, key: bytes, value: bytes, delivered: Delivered | None = None) -> None:
        """Queue one message; waits while the queue is full (back-pressure), and raises as `check` does.

        `delivered` is told of it in place of `check`, within a `poll`, `check` or `flush`, where the publisher reports more than errors.
        Raises Reject where the message can never be sent (too large).
        """
        while True:
            try:
                self._produce(topic, value, key, on_delivery=delivered)
            except BufferError as error:
                if not self.waits:
                    raise Retry("Kafka takes messages slower than they come: its client's queue is full") from error
                self._producer.poll(0.05)
                self.check()
            except KafkaException as error:
                if error.args[0].code() in PERMANENT:
                    raise Reject(f"Kafka cannot take it: {error.args[0].str()}") from error
                raise
            else:
                return

    def publish_many(self, messages: Iterable[tuple[str, bytes, bytes]], delivered: Delivered | None = None) -> None:
        """Queue (topic, key, value) in order, as `publish` does but without its cost per message. What failed is told by `check`."""
        produce = self._produce
        for topic, key, value in messages:
            try:
                produce(topic, value, key, on_delivery=delivered)
            except (BufferError, KafkaException):
                self.publish(topic, key, value, delivered)

    def poll(self, seconds: float) -> None:
        """Wait for reports of deliveries, so long at most, and tell of them. Any thread: those told of are called in it."""
        self._producer.poll(seconds)

    def check(self) -> None:
        """Raise Retry (or Fatal) where a delivery has failed since the last check."""
        self._producer.poll(0)
        if self._failed:
            failed = self._failed.copy()
            self._failed.clear()
            raise self._undelivered(failed)

    def flush(self, timeout: float = 120.0) -> None:
        """Wait until everything queued is delivered; Retry where it is not within `timeout` seconds or a delivery failed.

        Once the process was asked to stop, no longer than it may take for that.
        """
        began = time.monotonic()
        while True:
            spent = time.monotonic() - began
            left = self._producer.flush(max(0.0, min(timeout - spent, stopping.left(), GLANCE)))
            self.check()
            if not left:
                return
            if time.monotonic() >= began + timeout or not stopping.left():
                why = self.refused or "kafka.brokers"
                raise Retry(f"{left} messages still wait for Kafka after {time.monotonic() - began:.0f} s ({why})")

    def _undelivered(self, failed: list[tuple[KafkaError, str]]) -> Fatal | Retry:
        """Return what is said of deliveries that failed: no trying again gives us a right that we lack."""
        for error, topic in failed:
            if error.code() in NOT_ALLOWED:
                return Fatal(self.explained(error, topic))
        return Retry(f"{len(failed)} messages were not delivered to Kafka: {self.refused or failed[0][0].str()} (kafka.brokers)")

    def explained(self, error: KafkaError, topic: str) -> str:
        """Return why a message was not delivered to a topic, in words that name the setting or the right to mend."""
        return refusal(error, self._kafka, f"Write topic {topic}")

    @property
    def refused(self) -> str:
        """Why brokers do not let us in now, in words; empty where they do, or none is there. Any thread."""
        return self._refusals.current

    def __len__(self) -> int:
        """How many messages wait for delivery."""
        return len(self._producer)


def consumer(kafka: Kafka, group: str, **overrides: Any) -> Consumer:
    """Return a consumer of a group, tuned for blocks (defaults stall at 200,000/s); offsets are committed by hand."""
    return made(
        Consumer,
        connection(kafka)
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.queue.backoff.ms": 10,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": kafka.message_max_bytes,
            "queued.max.messages.kbytes": 131_072,
            "session.timeout.ms": 10_000,
            "reconnect.backoff.max.ms": 1_000,
            "message.max.bytes": kafka.message_max_bytes,
            # Else bits that a disk has turned pass for values.
            "check.crcs": True,
            "error_cb": Refusals(kafka),
        }
        | {name.replace("_", "."): value for name, value in overrides.items()},
    )


def ensure_reachable(kafka: Kafka, timeout: float = 10.0) -> None:
    """Raise Retry where no broker answers within `timeout` seconds, Fatal where all refuse us for longer than a moment."""
    from confluent_kafka.admin import AdminClient

    ensure_named(kafka.brokers, "kafka.brokers")
    refusals = Refusals(kafka)
    admin = made(AdminClient, connection(kafka) | {"error_cb": refusals, "reconnect.backoff.max.ms": 1_000})
    began = time.monotonic()
    while True:
        left = began + timeout - time.monotonic()
        try:
            admin.list_topics(timeout=max(0.1, min(left, 1.0)))
        except KafkaException as error:
            admin.poll(0)
            refused = refusals.current if time.monotonic() > began + MOMENT else ""
            if not refused and time.monotonic() < began + timeout:
                continue
            words = refused or f"{error.args[0].str()} (kafka.security_protocol says {kafka.security_protocol})"
            raise (Fatal if refused else Retry)(f"no Kafka broker answers at {kafka.brokers!r} (kafka.brokers): {words}") from error
        else:
            return


def failure(message: Message) -> KafkaError | None:
    """Return a consumed message's error, where it has one that is not the end of a partition."""
    error: KafkaError | None = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
        return None
    return error


__all__ = ["GATHER_BYTES", "PERMANENT", "Publisher", "connection", "consumer", "ensure_reachable", "failure"]
