"""The saved state of a stage's partitions: named entries in one Faust table, and beside them a bookmark (bookmarks.py)."""

from collections.abc import Mapping
from typing import Any, Final

from processors.engine import bookmarks
from processors.engine.bookmarks import Bookmark
from processors.engine.transport import Loss, write_many
from schemas.decimals import shown
from schemas.errors import InvalidDatum
from topology.errors import Fatal

TABLE: Final = "state"
"""Part of the changelog's name: flow.changelog_of."""
ROOM: Final = 1_000
"""Bytes of a message beside its key and its value, and more."""


class SavedState:
    """What the table of a stage has of each partition (topic, number). Called on the event loop's thread."""

    def __init__(self, table: Any, stage: str, most_bytes: int) -> None:
        """Keep states in a table. `most_bytes`: of one entry with its key, as Kafka takes it (`kafka.message_max_bytes`)."""
        self._table = table
        self._stage = stage
        self._most = most_bytes - ROOM

    def entries(self, topic: str, partition: int) -> dict[str, bytes]:
        """Return the entries of a partition, by name."""
        head = _head(topic, partition)
        return {key[len(head) :].decode(): value for key, value in list(self._table.items()) if key.startswith(head)}

    def bookmark(self, topic: str, partition: int) -> Bookmark | None:
        """Return which log the entries of a partition were made of; Fatal where that can't be read."""
        try:
            return bookmarks.decode(self._table.get(bookmarks.key_of(topic, partition)))
        except InvalidDatum as error:
            raise Fatal(f"{unreadable(self._stage, topic, partition)}: {error}") from error

    async def forget(self, topic: str, partition: int, bookmark: Bookmark, *, generation: int) -> None:
        """Delete the entries of a partition, whose log is gone; raises as `write_many` does.

        The bookmark is made void first: whoever is killed in between begins with nothing, and not with a part.
        """
        void = bookmarks.encode(Bookmark(bookmark.topic_id, bookmark.end, void=True))
        gone = dict.fromkeys([_head(topic, partition) + name.encode() for name in self.entries(topic, partition)])
        await write_many(self._table, {bookmarks.key_of(topic, partition): void} | gone, partition, generation=generation)

    async def write(self, topic: str, partition: int, entries: Mapping[str, bytes | None], bookmark: Bookmark, *, generation: int) -> None:
        """Write entries in their order (None deletes one), and the bookmark behind them; raises as `write_many` does.

        Fatal, with nothing written, where one is larger than Kafka takes: the task bounds what it keeps, or the setting is too low for it.
        """
        head = _head(topic, partition)
        for name, value in entries.items():
            if value is not None and len(head) + len(name.encode()) + len(value) > self._most:
                raise Fatal(too_large(self._stage, topic, partition, name, len(value)))
        named = {head + name.encode(): value for name, value in entries.items()}
        await write_many(
            self._table, named | {bookmarks.key_of(topic, partition): bookmarks.encode(bookmark)}, partition, generation=generation
        )


def unreadable(stage: str, topic: str, partition: int) -> str:
    """Return how to say that a saved state is of no use, with the cure."""
    return (
        f"the state that {stage} has saved of {topic}[{partition}] can't be read: stop it, and let it read its topics again with "
        f"`tidewire rewind {stage} --forget`"
    )


def too_large(stage: str, topic: str, partition: int, name: str, size: int) -> str:
    """Return how to say that Kafka would not take an entry of a state, with the cure."""
    return (
        f"the state that {stage} has to save of {topic}[{partition}] has an entry {shown(name)} of {size:,} bytes, more than a Kafka "
        "message may have: raise kafka.message_max_bytes; what it has read since its last checkpoint it then reads again"
    )


def damaged(stage: str, loss: Loss) -> str:
    """Return how to say that the log of a saved state is damaged, with the cure."""
    return (
        f"{loss}: the state that {stage} has saved is damaged on the broker's disk, and without it nothing {stage} makes would be right. "
        f"See to that disk (its file system and SMART); then stop {stage}, and let it read its topics again with "
        f"`tidewire rewind {stage} --forget`, which deletes this log"
    )


def _head(topic: str, partition: int) -> bytes:
    return f"{topic}|{partition}|".encode()
