"""One partition in a stage's hands: its work, and which reading of which log that is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from processors.engine.bookmarks import Bookmark
from processors.engine.output import Output
from processors.engine.transport import Batch, Receipt

Place = tuple[str, int]
"""A partition: topic and number."""


class PartitionTask(Protocol):
    """The work of a stage on one source partition. The engine calls every method on the event loop's thread, never two at once.

    None may block, wait, or keep the batch: its records are cleared when `apply` returns. `output` queues; nothing is delivered before
    the checkpoint. After an exception the work is dropped, and begun again from what the last checkpoint kept.
    """

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Do a batch; return the receipt time of its last event (microseconds), for the latency metric, where it has one.

        Called for each batch in the order of the log. Some of its records may have been applied before: pass over them.
        """

    def tick(self, now: int, output: Output) -> None:
        """Do what time alone asks for; called about once a checkpoint, and only while nothing is left to read.

        `now` (microseconds since 1970 UTC) is when the broker last said so: it stands still while the broker does not answer, and
        no tick comes while a backlog is read. What time does to events must not be decided from here alone, then.
        """

    def dump(self) -> Mapping[str, bytes | None]:
        """Return the state's entries that changed since the last dump, by name, in the order to write them; None deletes one.

        Called once a checkpoint, for a partition that had events. What it returns is kept, or the stage ends: it is not asked for again.
        """


@runtime_checkable
class Holding(Protocol):
    """A task that may hold records back: they are not acknowledged, and what a checkpoint keeps knows nothing of them."""

    @property
    def holds_from(self) -> int | None:
        """The offset of the first record held back; None: none is."""

    def settle(self, output: Output) -> None:
        """Hold nothing back: do all of it now."""


@runtime_checkable
class Remaking(Protocol):
    """A task that does otherwise with what has been read before, where its state is lost or was deleted (`tidewire rewind --forget`)."""

    def remake(self, end: int) -> None:
        """Take that all below the offset `end` has been read, and no entry tells of it. Called once, before its first batch or tick."""


NewTask = Callable[[str, int, Mapping[str, bytes]], PartitionTask]
"""Make the task of (topic, partition) from its saved entries, all that `dump` gave so far. Called before its first batch or tick."""


@dataclass(slots=True)
class Reading:
    """One epoch of a partition (see Batch): the topic it reads, and what the saved entries are worth to it."""

    epoch: int
    topic_id: str = ""
    """Empty: not known yet."""
    forget: bool = False
    """The saved entries belong to a log that is gone."""
    unsaved: bool = False
    """The saved bookmark says something else, and must be written though there are no events."""
    remade: int = 0
    """The state is made of what has been read before: up to this offset, exclusive. 0: it is not."""


@dataclass(slots=True)
class PartitionState:
    """One partition in hand: its task, and the receipts of the batches read but not yet acknowledged."""

    task: PartitionTask
    generation: int
    reading: Reading
    end: int
    """The offset after the last that has been applied."""
    read: int
    """The offset after the last that the task was given: beyond `end` where it holds some back."""
    kept: int
    """The offset after the last that a checkpoint has kept."""
    receipts: list[Receipt] = field(default_factory=list)

    def given(self, end: int) -> None:
        """Take that the task was given everything up to an offset, and has done what it does not hold back."""
        held = self.task.holds_from if isinstance(self.task, Holding) else None
        self.read = max(self.read, end)
        self.end = self.read if held is None else held

    def done(self) -> list[Receipt]:
        """Take the receipts of the batches that are wholly applied."""
        done = [one for one in self.receipts if one.end <= self.end]
        self.receipts = [one for one in self.receipts if one.end > self.end]
        return done

    @property
    def bookmark(self) -> Bookmark:
        """What is to be written beside the state as it is now."""
        return Bookmark(self.reading.topic_id, self.end)

    @property
    def to_keep(self) -> bool:
        """Whether a checkpoint has something to write."""
        return bool(self.receipts) or self.reading.forget or self.reading.unsaved
