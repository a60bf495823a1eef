"""The sink's consumer: what is read of each partition, where it goes on, and what was lost before it was read.

The consumer resets no offset by itself (`auto.offset.reset=error`): where the broker has no record at the offset we are owed, it is found
out why, the loss is told as a gap, and only then is the partition read from its first record. Not seen: a topic that was made anew while
no sink ran (the broker forgets the group's offsets with it, so it is read from its start), or that had grown past our offset before the
broker was asked. All methods are called on the sink's one thread, `on_*` by the consumer inside `read`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import methodcaller
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sinks.clickhouse.batch import Message, Place
from sinks.clickhouse.lane import STAGE
from sinks.clickhouse.positions import Loss, Positions, judge, runs
from topology.errors import Fatal, Retry
from topology.kafka import consumer, failure
from topology.log import logger
from topology.metrics import retries
from topology.settings import Kafka

ASK_SECONDS = 10.0
"""How long the broker may take to say an offset."""
AGAIN_SECONDS = 1.0
"""Until the broker is asked again what it did not say, or to take what it did not commit."""
TOLD_EVERY = 60.0
"""Seconds between two log lines of one trouble of one topic."""

ERROR = methodcaller("error")


def group_consumer(kafka: Kafka, group: str, **overrides: Any) -> Any:
    """Return a consumer as a Reader needs it."""
    return consumer(kafka, group, auto_offset_reset="error", **overrides)


class Restarted(Protocol):
    """Hears that a partition begins at an offset because nothing before is there; `anew`: in another topic of the same name."""

    def __call__(self, place: Place, offset: int, *, anew: bool) -> bool:
        """Return whether the offset can be committed now; where not, it is once all that was read before is in."""


class Lost(Protocol):
    """Tells of a loss and returns once it is published. Raises Retry where it cannot be now."""

    def __call__(self, place: Place, loss: Loss) -> None:
        """Publish it."""


class Reader:
    """Read topics of a group.

    `revoked` is called when partitions are about to be given up, while they may still be committed; `left` once they are gone.
    """

    def __init__(
        self,
        consumer: Any,
        topics: Iterable[str],
        lost: Lost,
        restarted: Restarted,
        revoked: Callable[[], None],
        left: Callable[[Sequence[Place]], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: dict[str, str] = {}
        """Topics that Kafka does not let us read, with its words."""
        self.paused: set[Place] = set()
        self._consumer = consumer
        self._topics = list(topics)
        self._lost = lost
        self._restarted = restarted
        self._on_revoke = revoked
        self._left = left
        self._monotonic = monotonic
        self._positions = Positions()
        self._places: set[Place] = set()
        self._astray: set[Place] = set()
        self._ask_at = 0.0
        self._holes: dict[Place, int] = {}
        self._committed: set[Place] = set()
        self._uncommitted: dict[Place, int] = {}
        self._commit_at = 0.0
        self._told: dict[tuple[str, int], float] = {}

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._gone)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def read(self, most: int, timeout: float) -> Iterator[tuple[Place, Sequence[Message]]]:
        """Yield at most so many messages that have come within `timeout` seconds, in runs of one partition.

        Raises Fatal where Kafka refuses the group.
        """
        if self._astray and self._monotonic() >= self._ask_at:
            self._find()
        messages = self._consumer.consume(most, timeout)
        if any(map(ERROR, messages)):
            messages = self._sound(messages)
        passed: set[Place] = set()
        for place, run in runs(messages):
            if place in passed or place not in self._places:
                continue  # fetched before it was begun elsewhere, or given up
            taken, owed = self._positions.take(place, run)
            if owed is not None:
                passed.add(place)
                self._hole(place, owed, run[0].offset())
            elif taken:
                yield place, taken

    def steer(self, reads: Mapping[str, bool]) -> None:
        """Pause the partitions of topics that take no more now, and let the others go on."""
        wanted = {place for place in self._places if not reads[place[0]]}
        if wanted == self.paused:
            return
        for places, call in ((wanted - self.paused, self._consumer.pause), (self.paused - wanted, self._consumer.resume)):
            if places:
                call([TopicPartition(*place) for place in places])
        self.paused = wanted

    def begin(self, place: Place, offset: int) -> None:
        """Read a partition from an offset, where it is ours. What was fetched of it is thrown away."""
        if place not in self._places:
            return
        # No seek: it is refused while a partition has no position, which is so after an offset that is not there.
        if place in self.paused:
            self._consumer.resume([TopicPartition(*place)])  # a pause outlives what follows
        self._consumer.incremental_unassign([TopicPartition(*place)])
        self._consumer.incremental_assign([TopicPartition(*place, offset)])
        self.paused.discard(place)
        self._astray.discard(place)
        self._positions.begin(place, offset)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit, with what the broker did not take before. Where it takes none now it is asked again."""
        self._uncommitted |= offsets
        if not self._uncommitted or (not offsets and self._monotonic() < self._commit_at):
            return
        try:
            asked = [TopicPartition(*place, offset) for place, offset in self._uncommitted.items()]
            self._consumer.commit(offsets=asked, asynchronous=False)
        except KafkaException as error:
            # The rows are in: whoever reads them again, for the next commit or after a rebalance, changes nothing.
            self._commit_at = self._monotonic() + AGAIN_SECONDS
            retries.labels(STAGE, "commit").inc()
            self._tell("", error.args[0], "offsets not committed")
        else:
            self._committed |= self._uncommitted.keys()
            self._uncommitted.clear()

    def _sound(self, messages: Iterable[Any]) -> list[Message]:
        found: list[Message] = []
        for message in messages:
            error = failure(message)
            if error is None:
                if message.error() is None:
                    found.append(message)
                continue
            topic = message.topic() or ""
            if error.fatal() or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise Fatal(f"Kafka refuses {topic or 'the group'}: {error.str()} (kafka.*)")
            if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes are named so
                self._astray.add((topic, message.partition()))
                continue
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self.refused[topic] = f"Kafka does not let us read it: {error.str()} (kafka.*)"
            retries.labels(STAGE, "kafka").inc()
            self._tell(topic, error, "Kafka says")
        for topic in [topic for topic in self.refused if any(message.topic() == topic for message in found)]:
            del self.refused[topic]
        return found

    def _tell(self, topic: str, error: KafkaError, what: str) -> None:
        key = (topic, error.code())
        if self._monotonic() >= self._told.get(key, float("-inf")) + TOLD_EVERY:
            self._told[key] = self._monotonic()
            logger().warning(what, topic=topic, reason=error.str())

    def _find(self) -> None:
        """Find out where partitions go on whose broker has no record at the offset we are owed, and what is lost by it."""
        places = sorted(self._astray - self.paused)
        if not places:
            return
        try:
            answer = self._consumer.committed([TopicPartition(*place) for place in places], timeout=ASK_SECONDS)
            committed = {(one.topic, one.partition): one.offset for one in answer if one.offset >= 0}
            for place in places:
                low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ASK_SECONDS)
                owed = self._positions.owed(place, committed.get(place))
                verdict = judge(owed, low, high, anew=place in self._committed and place not in committed)
                self._go_on(place, verdict.begin, verdict.loss)
        except KafkaException as error:
            self._ask_at = self._monotonic() + AGAIN_SECONDS
            self._tell("", error.args[0], "the broker does not say its offsets")
        except Retry as error:
            self._ask_at = self._monotonic() + AGAIN_SECONDS
            logger().warning("waiting", what="gaps", reason=str(error))

    def _go_on(self, place: Place, offset: int, loss: Loss | None) -> None:
        if loss is None:
            self.begin(place, offset)
            return
        self._lost(place, loss)
        if loss.cause == "topic_reset":
            self._committed.discard(place)
            self._uncommitted.pop(place, None)
        self.begin(place, offset)
        if self._restarted(place, offset, anew=loss.cause == "topic_reset"):
            self.commit({place: offset})

    def _hole(self, place: Place, owed: int, found: int) -> None:
        """Go back to the offset that is owed, unless the broker has it no more."""
        try:
            low, _ = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ASK_SECONDS)
            again = self._holes.get(place) == owed
            self._holes[place] = owed
            gone = found if again else min(max(low, owed), found)
            self._go_on(place, gone, Loss(owed, gone, "retention") if gone > owed else None)
        except (KafkaException, Retry) as error:
            logger().warning("waiting", what="offsets", topic=place[0], reason=str(error))
            self.begin(place, owed)

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        self._places |= {(one.topic, one.partition) for one in partitions}

    def _revoked(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._on_revoke()
        self._leave(partitions)

    def _gone(self, _consumer: Any, partitions: list[TopicPartition]) -> None:
        self._leave(partitions)

    def _leave(self, partitions: list[TopicPartition]) -> None:
        places = [(one.topic, one.partition) for one in partitions]
        self._places.difference_update(places)
        self.paused.difference_update(places)
        self._astray.difference_update(places)
        self._positions.leave(places)
        for place in places:
            self._uncommitted.pop(place, None)
        self._left(places)
