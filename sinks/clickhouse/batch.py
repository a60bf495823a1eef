"""Messages on their way into a table: grouped by topic and schema id, counted, and remembered by offset. No I/O.

A flush takes a whole batch: an insert per group, and the offsets to commit when all of them are in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, repeat
from operator import methodcaller
from typing import Protocol

from schemas.codec import MAGIC, PREFIX

MESSAGE_BYTES = 400
"""What a message takes of memory besides its value: its object, key, topic and places in lists. Most messages are smaller than that."""
NOT_WIRE_FORMAT = "not in the Confluent wire format: a zero byte and a 4-byte schema id must come first"


class Message(Protocol):
    """A consumed message, as confluent-kafka gives it."""

    def topic(self) -> str:
        """Return the topic's name."""

    def partition(self) -> int:
        """Return the partition."""

    def offset(self) -> int:
        """Return the offset."""

    def key(self) -> bytes | None:
        """Return the key."""

    def value(self) -> bytes | None:
        """Return the value; null for a tombstone."""


Place = tuple[str, int]
"""Topic and partition."""
_topic, _partition, _value = methodcaller("topic"), methodcaller("partition"), methodcaller("value")


@dataclass(slots=True)
class Batch:
    """What has been read and is not yet in.

    `groups` holds messages by topic and the 5 bytes which lead every message of one schema; `refused` those in no wire format, with the
    reason; `offsets` the next offset to read of each partition; `size` the memory of all, about.
    """

    groups: dict[tuple[str, bytes], list[Message]] = field(default_factory=dict)
    refused: list[tuple[Message, str]] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    rows: int = 0
    size: int = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Put messages to their groups, in order; those of one partition that follow each other at once, where they are alike."""
        end = 0
        for place, run in groupby(zip(map(_topic, messages), map(_partition, messages), strict=True)):
            start, end = end, end + sum(1 for _ in run)
            self.add_run(place, messages[start:end])

    def add_run(self, place: Place, run: Sequence[Message]) -> None:
        """Put messages of one partition, in order, to their groups."""
        self.offsets[place] = run[-1].offset() + 1
        self.rows += len(run)
        self.size += MESSAGE_BYTES * len(run)
        values = list(map(_value, run))
        prefix = (values[0] or b"")[:PREFIX]
        if len(prefix) == PREFIX and prefix[0] == MAGIC and None not in values and all(map(bytes.startswith, values, repeat(prefix))):
            self.size += sum(map(len, values))
            self.groups.setdefault((place[0], prefix), []).extend(run)
            return
        for message, value in zip(run, values, strict=True):
            self.size += len(value or b"")
            if value is None or len(value) < PREFIX or value[0] != MAGIC:
                self.refused.append((message, NOT_WIRE_FORMAT if value is not None else "a null value: no table has a row for it"))
            else:
                self.groups.setdefault((place[0], value[:PREFIX]), []).append(message)

    def forget(self, places: Iterable[Place]) -> None:
        """Leave out what came from partitions now read by others, who begin at the offset last committed."""
        gone = set(places)
        for key, messages in list(self.groups.items()):
            self.groups[key] = [message for message in messages if (message.topic(), message.partition()) not in gone]
            if not self.groups[key]:
                del self.groups[key]
        self.refused = [one for one in self.refused if (one[0].topic(), one[0].partition()) not in gone]
        self.offsets = {place: offset for place, offset in self.offsets.items() if place not in gone}
        self.rows = sum(map(len, self.groups.values())) + len(self.refused)
        self.size = sum(len(message.value() or b"") for messages in self.groups.values() for message in messages)
        self.size += MESSAGE_BYTES * self.rows
