"""How much of what a stage reads it has not yet read, by consumer group.

A group acknowledges in checkpoints, so what it has acknowledged may be seconds behind what it has read; where its workers say their
positions (`tidewire_position`), those count. Where none does, what is not acknowledged counts as unread.

Asked of consumers that never join: the admin client's list_consumer_group_offsets ends the whole process (a segmentation
fault) where the broker does not answer, and its list_offsets leaks (confluent-kafka-python #1982, #1901).
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from topology.errors import Retry
from topology.login import connection, made
from topology.settings import Kafka

Place = tuple[str, int]
ONLOOKER = "tidewire.onlooker"
QUIET = {"enable.auto.commit": False, "log_level": 2, "reconnect.backoff.max.ms": 1_000}
"""librdkafka would write to stderr, across the live view, each time a broker is away; what it could not answer is a Retry here."""


class Offsets:
    """Ask the broker for offsets. `timeout` in seconds, for each question."""

    def __init__(self, kafka: Kafka, timeout: float = 5.0) -> None:
        self._kafka = kafka
        self._timeout = timeout
        self._consumers: dict[str, Consumer] = {}

    def _consumer(self, group: str) -> Consumer:
        if group not in self._consumers:
            self._consumers[group] = made(Consumer, connection(self._kafka) | QUIET | {"group.id": group})
        return self._consumers[group]

    def close(self) -> None:
        """Let the connections go."""
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers = {}

    def _silent(self, what: str, error: KafkaException) -> str:
        return f"the broker at {self._kafka.brokers} (kafka.brokers) did not say {what}: {error.args[0].str()}"

    def partitions(self, topics: Iterable[str]) -> list[Place]:
        """Return the partitions of those topics that exist."""
        wanted = set(topics)
        try:
            there = self._consumer(ONLOOKER).list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            raise Retry(self._silent("which topics there are", error)) from error
        return [(name, number) for name, topic in there.items() if name in wanted for number in topic.partitions]

    def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offset after the last message of each partition."""
        return self._listed(places, OFFSET_END)

    def begins(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offset of the first message of each partition."""
        return self._listed(places, OFFSET_BEGINNING)

    def _listed(self, places: Iterable[Place], which: int) -> dict[Place, int]:
        # ListOffsets takes -1 and -2 for a time: the end and the beginning (KIP-79), all partitions in one question.
        asked = [TopicPartition(*place, which) for place in places]
        if not asked:
            return {}
        try:
            answer = self._consumer(ONLOOKER).offsets_for_times(asked, timeout=self._timeout)
        except KafkaException as error:
            raise Retry(self._silent("its offsets", error)) from error
        return _offsets(answer)

    def committed(self, group: str, places: Iterable[Place]) -> dict[Place, int]:
        """Return what a group has acknowledged, by partition; a partition it never acknowledged is left out."""
        asked = [TopicPartition(*place) for place in places]
        if not asked:
            return {}
        try:
            answer = self._consumer(group).committed(asked, timeout=self._timeout)
        except KafkaException as error:
            raise Retry(self._silent(f"what {group} has read", error)) from error
        return _offsets(answer)

    def commit(self, group: str, offsets: Mapping[Place, int]) -> None:
        """Set what a group has acknowledged; Retry where it has members (stop its stage first) or the broker is away."""
        asked = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        try:
            _offsets(self._consumer(group).commit(offsets=asked, asynchronous=False) or ())
        except KafkaException as error:
            raise Retry(f"the broker did not take the offsets of {group}: {error.args[0].str()}") from error

    def lag(
        self, group: str, topics: Iterable[str], ends: Mapping[Place, int] | None = None, positions: Mapping[Place, int] | None = None
    ) -> int:
        """Return how many messages of the topics a group has not acknowledged, and not read as far as `positions` say."""
        wanted = set(topics)
        last = {place: end for place, end in (ends or self.ends(self.partitions(wanted))).items() if place[0] in wanted}
        done = self.committed(group, last)
        never = [place for place in last if place not in done]
        done |= self.begins(never) if never else {}
        read = positions or {}
        return sum(max(0, end - max(done[place], read.get(place, 0))) for place, end in last.items())


def _offsets(answer: Iterable[TopicPartition]) -> dict[Place, int]:
    for one in answer:
        if one.error is not None:
            raise Retry(f"the broker did not say an offset of {one.topic}: {one.error.str()}")
    return {(one.topic, one.partition): one.offset for one in answer if one.offset >= 0}
