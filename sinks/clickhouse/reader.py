"""The sink's consumer: what is read of each partition, where it goes on, and what was lost before it was read.

The consumer resets no offset by itself (`auto.offset.reset=error`): where the broker has no record at the offset we are owed, it is found
out why, the loss is told as a gap, and only then is the partition read from its first record. A topic made anew may have a record at that
offset: so the id that the broker gives a topic when it is made (KIP-516) is committed with each offset, and looked at when a partition is
given to us and every two seconds after. Nothing of a partition is committed before that is known. Not seen: a topic that was made anew
while no sink ran, for the broker forgets the group's offsets with it; it is read from its start.

All methods are called on the sink's one thread, `on_*` by the consumer inside `read`; the broker is asked for ids on a thread of its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import methodcaller
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sinks.clickhouse.batch import Message, Place
from sinks.clickhouse.lane import STAGE
from sinks.clickhouse.positions import Loss, Positions, judge, runs
from topology.damage import QUIET_SECONDS
from topology.errors import Fatal, Retry
from topology.kafka import DAMAGED, consumer, failure
from topology.log import logger
from topology.metrics import retries
from topology.settings import Kafka
from topology.topics import Described

ASK_SECONDS = 10.0
"""How long the broker may take to say an offset."""
LOOK_SECONDS = 2.0
"""Between two looks at whether the topics are still those that were read before."""
NOW = float("-inf")
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
        describe: Callable[[Iterable[str]], Mapping[str, Described]],
        lost: Lost,
        restarted: Restarted,
        revoked: Callable[[], None],
        left: Callable[[Sequence[Place]], None],
        readable_from: Callable[[str, int, int], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`describe` asks the broker what topics are now, and raises Retry where it does not say; called on a thread of its own.

        `readable_from` finds, given topic, partition and offset, from which offset on the log is sound (topology/damage.py).
        """
        self.refused: dict[str, str] = {}
        """Topics that Kafka does not let us read, with its words."""
        self.paused: set[Place] = set()
        self._consumer = consumer
        self._topics = list(topics)
        self._describe = describe
        self._lost = lost
        self._restarted = restarted
        self._on_revoke = revoked
        self._left = left
        self._readable_from = readable_from
        self._monotonic = monotonic
        self._positions = Positions()
        self._places: set[Place] = set()
        self._astray: set[Place] = set()
        self._given: set[Place] = set()
        self._topic_ids: dict[Place, str] = {}
        self._asking = ThreadPoolExecutor(1, "topics")
        self._look: Future[Mapping[str, Described]] | None = None
        self._asked: dict[Place, int | None] = {}
        """How far each partition was read when the look under way began."""
        self._sure: dict[Place, int] = {}
        """How far it was read when a look last found the topic to be the same: what is read after may be of another."""
        self._look_at = NOW
        self._holes: dict[Place, int] = {}
        self._doubtful: set[Place] = set()
        """Partitions whose log may be damaged where we are."""
        self._quiet: dict[Place, tuple[int, float]] = {}
        self._quiet_look_at = 0.0
        self._uncommitted: dict[Place, int] = {}
        self._commit_at = 0.0
        self._told: dict[tuple[str, int], float] = {}

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._gone)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._asking.shutdown(wait=True, cancel_futures=True)

    def read(self, most: int, timeout: float) -> Iterator[tuple[Place, Sequence[Message]]]:
        """Yield at most so many messages that have come within `timeout` seconds, in runs of one partition.

        Raises Fatal where Kafka refuses the group.
        """
        self._identify()
        self._find_damage()
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
        """Commit, with what could not be before. Where the broker takes none now it is asked again."""
        self._uncommitted |= offsets
        ready = self._uncommitted.keys() - self._given
        if not ready or (not offsets and self._monotonic() < self._commit_at):
            return
        try:
            asked = [TopicPartition(*place, self._uncommitted[place], self._topic_ids.get(place, "")) for place in ready]
            self._consumer.commit(offsets=asked, asynchronous=False)
        except KafkaException as error:
            # The rows are in: whoever reads them again, for the next commit or after a rebalance, changes nothing.
            self._commit_at = self._monotonic() + AGAIN_SECONDS
            retries.labels(STAGE, "commit").inc()
            self._tell("", error.args[0], "offsets not committed")
        else:
            for place in ready:
                del self._uncommitted[place]

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
                raise Fatal(f"Kafka refuses {topic or 'the group'}: {error.str()} (kafka.*; `tidewire acls clickhouse`)")
            if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - librdkafka's own codes are named so
                self._astray.add((topic, message.partition()))
                self._look_at = NOW
                continue
            if error.code() in DAMAGED:
                self._doubtful.add((topic, message.partition()))
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self.refused[topic] = f"Kafka does not let us read it: {error.str()} (kafka.*; `tidewire acls clickhouse`)"
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

    def _identify(self) -> None:
        """Look from time to time whether each topic is the one that was read before, and at once for what is astray or new to us."""
        if self._look is None:
            if self._places and self._monotonic() >= self._look_at:
                self._look = self._asking.submit(self._describe, {topic for topic, _ in self._places})
                self._look_at = self._monotonic() + LOOK_SECONDS
                self._asked = {place: self._positions.owed(place) for place in self._places}
            return
        if not self._look.done():
            return
        look, self._look = self._look, None
        if self._look_at == NOW:
            return  # it was asked before what is now in question
        try:
            self._judge({topic: one.topic_id for topic, one in look.result().items()})
        except KafkaException as error:
            self._look_at = self._monotonic() + AGAIN_SECONDS
            self._tell("", error.args[0], "the broker does not say its offsets")
        except Retry as error:
            self._look_at = self._monotonic() + AGAIN_SECONDS
            logger().warning("waiting", what="topics and gaps", reason=str(error))

    def _judge(self, topic_ids: Mapping[str, str]) -> None:
        """Find out where partitions go on that are astray or of a topic made anew, and what is lost by it."""
        places = [place for place in sorted(self._places - self.paused) if place[0] in topic_ids]
        unsure = {
            place for place in places if place in self._astray or place in self._given or self._topic_ids[place] != topic_ids[place[0]]
        }
        sure = {place for place in places if place not in unsure}
        self._sure |= {place: offset for place, offset in self._asked.items() if place in sure and offset is not None}
        if not unsure:
            return
        answer = self._consumer.committed([TopicPartition(*place) for place in unsure & self._given], timeout=ASK_SECONDS)
        committed = {(one.topic, one.partition): (one.offset, one.metadata or "") for one in answer if one.offset >= 0}
        for place in sorted(unsure):
            now = topic_ids[place[0]]
            owed, known = committed.get(place, (self._positions.owed(place), self._topic_ids.get(place, "")))
            anew = "" not in (known, now) and known != now
            if anew and place not in committed:
                owed = None if owed is None else self._sure.get(place, 0)
            if anew or place in self._astray:
                low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ASK_SECONDS)
                verdict = judge(owed, low, high, anew=anew)
                self._go_on(place, verdict.begin, verdict.loss)
            else:
                if owed is not None:
                    self._positions.expect(place, owed)
                asked = self._asked.get(place)
                self._sure[place] = asked if asked is not None else committed.get(place, (0, ""))[0]
            self._given.discard(place)
            self._topic_ids[place] = now

    def _go_on(self, place: Place, offset: int, loss: Loss | None) -> None:
        if loss is None:
            self.begin(place, offset)
            return
        self._lost(place, loss)
        if loss.cause == "topic_reset":
            self._uncommitted.pop(place, None)
            self._sure.pop(place, None)
        self.begin(place, offset)
        if self._restarted(place, offset, anew=loss.cause == "topic_reset"):
            self._uncommitted[place] = offset

    def _hole(self, place: Place, owed: int, found: int) -> None:
        """Go back to the offset that is owed, unless the broker has it no more."""
        try:
            low, _ = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ASK_SECONDS)
            if low <= owed and self._is_damaged(place, owed):
                return
            again = self._holes.get(place) == owed
            self._holes[place] = owed
            gone = found if again else min(max(low, owed), found)
            self._go_on(place, gone, Loss(owed, gone, "retention") if gone > owed else None)
        except (KafkaException, Retry) as error:
            self._tell_waiting(place, error)
            self.begin(place, owed)

    def _tell_waiting(self, place: Place, error: Exception) -> None:
        logger().warning("waiting", what="offsets", topic=place[0], reason=str(error))

    def _find_damage(self) -> None:
        """Look for damage where the consumer has met some, and where nothing comes of a partition though it has more."""
        now = self._monotonic()
        if now >= self._quiet_look_at:
            self._quiet_look_at = now + LOOK_SECONDS
            before, self._quiet = self._quiet, {}
            for place in self._places - self.paused - self._astray - self._given:
                owed = self._positions.owed(place)
                _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                if owed is not None and high > owed:
                    offset, since = before.get(place, (owed, now))
                    self._quiet[place] = owed, since if offset == owed else now
            self._doubtful |= {place for place, (_, since) in self._quiet.items() if now >= since + QUIET_SECONDS}
        for place in sorted(self._doubtful & self._places - self.paused - self._astray - self._given):
            owed = self._positions.owed(place)
            try:
                if owed is not None and not self._is_damaged(place, owed):
                    self.begin(place, owed)
            except Retry as error:
                self._tell_waiting(place, error)
            self._doubtful.discard(place)
            self._quiet.pop(place, None)

    def _is_damaged(self, place: Place, owed: int) -> bool:
        until = self._readable_from(*place, owed)
        if until > owed:
            self._go_on(place, until, Loss(owed, until, "corrupt"))
        return until > owed

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        places = {(one.topic, one.partition) for one in partitions}
        self._places |= places
        self._given |= places
        self._look_at = NOW

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
        self._given.difference_update(places)
        self._doubtful.difference_update(places)
        self._positions.leave(places)
        for place in places:
            self._uncommitted.pop(place, None)
        self._left(places)
