"""Where everything goes that nobody could use: the dead_letters topic, with its bytes and the reason."""

from collections.abc import Callable

from schemas.catalogue import event
from schemas.events import DeadLetter
from topology.errors import Fatal
from topology.kafka import Publisher
from topology.metrics import dead_letters
from topology.registry import Registry

WINDOW = 1_000
MOST_REASON = 2_000


class DeadLetters:
    """Publish dead letters for one stage; stop the stage when too large a share of what it reads is refused."""

    def __init__(self, publisher: Publisher, registry: Registry, stage: str, now: Callable[[], int], share: float = 0.5) -> None:
        self._publisher = publisher
        self._event = event("dead_letter")
        self._codec = registry.codec(self._event.topic.of(), self._event)
        self._stage = stage
        self._now = now
        self._share = share
        self._read = 0
        self._refused = 0

    def send(
        self, topic: str, partition: int, offset: int, key: bytes | None, payload: bytes | None, reason: str, *, suspect: bool = True
    ) -> None:
        """Publish one refused message with its coordinates; it is delivered by the publisher's next flush.

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
        self._publisher.publish(self._event.topic.of(), self._event.topic.key_of(record), self._codec.encode(record))
        dead_letters.labels(self._stage, topic).inc()
        self._refused += suspect

    def watch(self, read: int) -> None:
        """Count `read` messages; Fatal where, of the last 1,000 or more, too large a share was refused."""
        self._read += read
        if self._read < WINDOW:
            return
        if self._refused > self._read * self._share:
            raise Fatal(
                f"{self._stage} refused {self._refused} of its last {self._read} messages: see dead_letters "
                f"(`tidewire consume dead_letters`); the bound is the stage's reject_share setting"
            )
        self._read = self._refused = 0
