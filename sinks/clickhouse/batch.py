"""Messages on their way into tables: grouped by topic and schema id, counted, and remembered by offset. No I/O.

A flush takes a whole batch: an insert per group, and the offsets to commit when all of them are in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from schemas.codec import MAGIC, PREFIX

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


@dataclass(slots=True)
class Batch:
    """What has been read and is not yet in.

    `groups` holds messages by topic and the 5 bytes which lead every message of one schema; `refused` those in no wire format, with the
    reason; `offsets` the next offset to read of each partition; `size` the bytes of all values.
    """

    groups: dict[tuple[str, bytes], list[Message]] = field(default_factory=dict)
    refused: list[tuple[Message, str]] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    rows: int = 0
    size: int = 0

    def add(self, messages: Iterable[Message]) -> None:
        """Put messages to their groups, in order."""
        groups, offsets = self.groups, self.offsets
        topic, partition, prefix, offset = "", -1, b"", -1
        group: list[Message] = []
        for message in messages:
            value = message.value()
            offset = message.offset()
            if message.topic() != topic or message.partition() != partition:
                topic, partition, prefix = message.topic(), message.partition(), b""
            offsets[topic, partition] = offset + 1
            self.rows += 1
            if value is None or len(value) < PREFIX or value[0] != MAGIC:
                self.size += len(value or b"")
                self.refused.append((message, NOT_WIRE_FORMAT if value is not None else "a null value: no table has a row for it"))
                continue
            self.size += len(value)
            if not value.startswith(prefix) or not prefix:
                prefix = value[:PREFIX]
                group = groups.setdefault((topic, prefix), [])
            group.append(message)

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
