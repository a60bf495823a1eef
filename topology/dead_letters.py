"""Where everything goes that nobody could use: the dead_letters topic, with its bytes and the reason."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from schemas.catalogue import event
from schemas.events import DeadLetter
from topology.errors import Fatal
from topology.kafka import Publisher
from topology.metrics import dead_letters
from topology.registry import Registry

WINDOW = 1_000
MOST_REASON = 2_000


@dataclass(slots=True)
class Window:
    """Messages of one source since its window began, and whether the window before had too many refused."""

    read: int = 0
    refused: int = 0
    suspect: bool = False


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
        found = (window.refused, window.read)
        window.suspect = self._too_many(window)
        window.read = window.refused = 0
        return found if window.suspect else None

    def all_suspect(self) -> bool:
        """Whether no source is left that is read well."""
        return all(window.suspect or self._too_many(window) for window in self._windows.values())

    def _too_many(self, window: Window) -> bool:
        return window.refused > window.read * self._share


class DeadLetters:
    """Publish dead letters for one stage; stop the stage when too large a share of all that it reads is refused."""

    def __init__(self, publisher: Publisher, registry: Registry, stage: str, now: Callable[[], int], share: float = 0.5) -> None:
        self._publisher = publisher
        self._event = event("dead_letter")
        self._codec = registry.codec(self._event.topic.of(), self._event)
        self._stage = stage
        self._now = now
        self._shares = Shares(share)
        self._refused: Counter[str] = Counter()

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
        self._refused[topic] += suspect

    def watch(self, read: int, source: str = "") -> str:
        """Count `read` messages of a source topic (empty: of all); say it where, of its last 1,000 or more, too large a share was refused.

        Returns the words while another topic is read well: one venue that speaks otherwise must not stop the others. Fatal where
        none is: then it is the stage that reads wrongly.
        """
        refused = self._refused.pop(source, 0) if source else self._refused.total()
        if not source:
            self._refused.clear()
        found = self._shares.count(source, read, refused)
        if found is None:
            return ""
        words = (
            f"{self._stage} refused {found[0]} of its last {found[1]} messages{source and f' of {source}'}: see dead_letters "
            f"(`tidewire consume dead_letters`); the bound is the stage's reject_share setting"
        )
        if self._shares.all_suspect():
            raise Fatal(words)
        return words
