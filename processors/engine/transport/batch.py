"""One partition's fetched records as one value, and what went missing, as data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Record(Protocol):
    """One record as aiokafka unpacks it in C: nothing is copied or wrapped a second time in Python."""

    @property
    def offset(self) -> int:
        """Its offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Kafka's own timestamp, milliseconds since 1970."""

    @property
    def timestamp_type(self) -> int:
        """0: set by the producer; 1: set by the broker on append."""

    @property
    def key(self) -> bytes | None:
        """The key's bytes; None where the producer gave none."""

    @property
    def value(self) -> bytes | None:
        """The value's bytes; None is a tombstone."""

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """The headers in the order they were written."""


class Batch(list[Record]):
    """The records of one partition, in order, that one fetch brought: the value of one event.

    `first` and `end` (exclusive) are the offsets it covers; in a topic without holes `end - first == len(batch)`.
    They stay when the list is emptied with `clear()`, which frees the records' memory while the event
    still waits for its acknowledgement.
    `generation` is the consumer group's generation it was fetched in: hand it to `write`.
    `epoch` grows whenever the partition's position was set anew: what was made of batches of another epoch does not belong to it.
    """

    __slots__ = ("end", "epoch", "first", "generation", "partition", "topic")

    def __init__(
        self, records: Iterable[Record], *, topic: str, partition: int, first: int, end: int, generation: int, epoch: int = 0
    ) -> None:
        super().__init__(records)
        self.topic = topic
        self.partition = partition
        self.first = first
        self.end = end
        self.generation = generation
        self.epoch = epoch

    @property
    def offsets(self) -> Sequence[int]:
        """The offsets of its records: known without asking each, where there are no holes."""
        if self.end - self.first == len(self):
            return range(self.first, self.end)
        return [record.offset for record in self]

    def at(self, offset: int) -> Record:
        """Return its record of an offset; LookupError where it has none."""
        place = offset - self.first  # where no offset is missing before it: nearly always
        if 0 <= place < len(self) and self[place].offset == offset:
            return self[place]
        for record in self:
            if record.offset == offset:
                return record
        raise LookupError(f"{self!r} has no record {offset}")

    def part(self, first: int, end: int) -> "Batch":
        """Return the records from `first` to `end` (exclusive) as a batch of their own."""
        records = [record for record in self if first <= record.offset < end]
        return Batch(
            records, topic=self.topic, partition=self.partition, first=first, end=end, generation=self.generation, epoch=self.epoch
        )

    def __repr__(self) -> str:
        return f"<Batch {self.topic}[{self.partition}] {self.first}..{self.end}>"


class Cause(Enum):
    """Why records that were owed can not be had."""

    RETENTION = "retention"
    """The log's start has moved past them: deleted before they were read."""
    RESET = "topic_reset"
    """The log is another one, or ends before them: the topic was made anew, or an unclean election cut it."""
    CORRUPT = "corrupt"
    """The broker's disk gives them back damaged, however often they are fetched."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Offsets `first` to `end` (exclusive) of a partition, owed to the agents and gone.

    After a reset `end` equals `first`, because what the part that is gone held is unknown; delivery starts over at the
    start of the log, in batches of `epoch`. After the other causes it goes on at `end`, in the epoch that was.
    """

    topic: str
    partition: int
    first: int
    end: int
    cause: Cause
    epoch: int = 0

    def __str__(self) -> str:
        where = f"{self.topic}[{self.partition}]"
        if self.cause is Cause.RESET:
            return f"{where}: offsets from {self.first} on are gone, the topic was truncated or made anew"
        return f"{where}: offsets {self.first}..{self.end} lost to {self.cause.value}"
