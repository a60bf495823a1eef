"""Where everything goes that nobody could use: the dead_letters topic, with its bytes and the reason."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from schemas.catalogue import event
from schemas.events import DeadLetter
from topology.errors import Reject
from topology.kafka import Publisher
from topology.metrics import dead_letters
from topology.registry import Registry

WINDOW = 1_000
MOST_REASON = 2_000
MOST_BYTES = 1_000_000
"""Bytes kept of a message that Kafka would not take as a dead letter, and of its key."""


@dataclass(slots=True)
class Window:
    """Messages of one source since its window began."""

    read: int = 0
    refused: int = 0


class Shares:
    """Which sources have too large a share of their messages refused. Pure."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._windows: dict[str, Window] = {}

    def count(self, source: str, read: int, refused: int) -> tuple[int, int] | None:
        """Count messages of a source; where that fills a window with too many refused, return (refused, read)."""
        window = self._windows.setdefault(source, Window())
        window.read += read
        window.refused += refused
        if window.read < WINDOW:
            return None
        refused, read = window.refused, window.read
        window.read = window.refused = 0
        return (refused, read) if refused > read * self._share else None


class DeadLetters:
    """Publish dead letters for one stage, and say where too large a share of what it reads is refused."""

    def __init__(self, publisher: Publisher, registry: Registry, stage: str, now: Callable[[], int], share: float = 0.5) -> None:
        self._publisher = publisher
        self._event = event("dead_letter")
        self._codec = registry.codec(self._event.topic.of(), self._event)
        self._stage = stage
        self._now = now
        self._shares = Shares(share)
        self._refused: Counter[str] = Counter()
        self._unplaced = 0

    def send_unplaced(self, topic: str, key: bytes, payload: bytes, reason: str) -> None:
        """Publish a message that Kafka never took, as `send` does.

        It has no place in its topic: its partition is -1, and its offset below zero and no other's, so that each stays a row of its own.
        """
        self._unplaced = min(self._unplaced - 1, -self._now())
        self.send(topic, -1, self._unplaced, key, payload, reason)

    def send(
        self, topic: str, partition: int, offset: int, key: bytes | None, payload: bytes | None, reason: str, *, suspect: bool = True
    ) -> None:
        """Publish one refused message with its coordinates; it is delivered by the publisher's next flush.

        One that Kafka would not take is cut: its reason then says so, with the whole size and hash, by which it is found at its place.

        One that is not `suspect` is well read and of no use (a trade too late for any candle): it does not count in `watch`.
        """
        record = DeadLetter(
            stage=self._stage,
            topic=topic,
            partition=partition,
            offset=offset,
            reason=reason[:MOST_REASON],
            key=key,
            payload=payload,
            failed_at=self._now(),
        )
        try:
            self._publish(record)
        except Reject:
            self._publish(_cut(record))
        dead_letters.labels(self._stage, topic).inc()
        self._refused[topic] += suspect

    def _publish(self, record: DeadLetter) -> None:
        self._publisher.publish(self._event.topic.of(), self._event.topic.key_of(record), self._codec.encode(record))

    def watch(self, read: int, source: str = "") -> str:
        """Count `read` messages of a source topic (empty: of all); say it where, of its last 1,000 or more, too large a share was refused.

        Returns the words, or nothing. It is for its caller to turn the source red or to hold it; whatever is refused, no other stops.
        """
        refused = self._refused.pop(source, 0) if source else self._refused.total()
        if not source:
            self._refused.clear()
        found = self._shares.count(source, read, refused)
        if found is None:
            return ""
        return (
            f"{self._stage} refused {found[0]} of its last {found[1]} messages{source and f' of {source}'}: see dead_letters "
            f"(`tidewire consume dead_letters`); the bound is the stage's reject_share setting"
        )


def _cut(record: DeadLetter) -> DeadLetter:
    key, payload = record["key"] or b"", record["payload"] or b""
    words = f" [cut: of {len(payload):,} bytes, sha256 {sha256(payload).hexdigest()}, the first {MOST_BYTES:,} are kept]"
    cut = record.copy()
    cut["reason"] = record["reason"][: MOST_REASON - len(words)] + words
    cut["key"], cut["payload"] = key[:MOST_BYTES], payload[:MOST_BYTES]
    return cut
