"""`python -m processors.rebuild_books`: book deltas → the best levels of each book, verified, and a gap where one breaks."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

import msgspec

from dialects.catalogue import all_dialects, rule_of
from dialects.continuity import Kind, Rule
from processors.engine.messages import Messages
from processors.engine.output import Output
from processors.engine.stage import NewTask, main
from processors.engine.transport import Batch, Record
from processors.rebuild_books import STAGE
from processors.rebuild_books.block import FIELDS, Block
from processors.rebuild_books.core import Book, BookSettings
from processors.rebuild_books.runs import ALONE, end_of, take
from schemas.catalogue import event
from schemas.errors import InvalidDatum
from schemas.events import BookDelta
from topology.faults import reason_of
from topology.registry import Registry
from topology.settings import Settings

OFFSET = "applied"
QUIET = 86_400_000_000
"""A book of which nothing was received or published for so long is forgotten: delisted, or no longer followed (microseconds)."""


class RebuildBooks:
    """The books of one partition, by venue and symbol."""

    def __init__(self, messages: Messages, settings: BookSettings, entries: Mapping[str, bytes]) -> None:
        self._messages = messages
        self._settings = settings
        self._applied: int = msgspec.msgpack.decode(entries[OFFSET]) if OFFSET in entries else -1
        self._books = {name: Book.load(data, settings, _rule(name.partition("|")[0])) for name, data in entries.items() if name != OFFSET}
        self._changed: set[str] = set()

    def apply(self, batch: Batch, output: Output) -> int | None:
        """Apply a batch of deltas and publish what follows. A book whose code fails on a delta is broken; all others go on."""
        messages: Sequence[Record] = batch
        if batch.first <= self._applied:
            messages = [message for message in batch if message.offset > self._applied]
        frame = None
        if any((message.key or b"").partition(b"|")[0] not in _one_by_one() for message in messages):  # else columns would be made in vain
            frame = self._messages.frame([message.value for message in messages], FIELDS)
        if frame is None:
            last = None
            for message in messages:
                at = self._apply_one(batch, message, output)
                last = last if at is None else at
        else:
            last = frame["received_at"][-1]
            self._apply_block(batch, messages, Block(frame), output)
        if messages:
            self._applied = messages[-1].offset
        return last

    def _apply_block(self, batch: Batch, messages: Sequence[Record], block: Block, output: Output) -> None:
        """Apply deltas book by book: many at once where they go on from each other, else one by one."""
        published_at = [messages[place].timestamp * 1000 for place in block.messages]
        for begin, stop in block.books():
            venue, symbol = block.name(begin)
            name = f"{venue}|{symbol}"
            row = begin
            while row < stop:
                book = self._books.get(name)
                end = row if book is None else end_of(book, block, row, stop)
                made = take(book, block, row, end) if book is not None and end > row else None
                if book is None or made is None:
                    self._apply_one(batch, messages[block.messages[row]], output)
                    row += 1
                    continue
                book.heard_at = max(book.heard_at, *published_at[row:end])
                self._changed.add(name)
                for record in made:
                    output.publish("book_snapshot", record)
                row = end

    def _apply_one(self, batch: Batch, message: Record, output: Output) -> int | None:
        """Apply one delta; return when it was received, None where the message is none that can be read."""
        record = next(self._messages.records([message.value]))
        if isinstance(record, Exception):
            output.refuse(batch, message.offset, str(record))
            return None
        delta = cast("BookDelta", record)
        if len(delta["bid_prices"]) != len(delta["bid_sizes"]) or len(delta["ask_prices"]) != len(delta["ask_sizes"]):
            output.refuse(batch, message.offset, "a side has more prices than sizes, or fewer")
            return delta["received_at"]
        name = f"{delta['venue']}|{delta['symbol']}"
        book = self._books.get(name)
        if book is None:
            book = self._books[name] = Book(self._settings, _rule(delta["venue"]))
        self._changed.add(name)
        book.heard_at = max(book.heard_at, message.timestamp * 1000)  # what is replayed was received long ago, and spoken of just now
        try:
            for made in book.apply(delta):
                output.publish(*made)
        except InvalidDatum as error:
            output.refuse(batch, message.offset, str(error))
        except Exception as error:  # noqa: BLE001 - `fault` raises what is no message's affair
            output.fault(batch, message.offset, error, venue=delta["venue"] if delta["venue"] in all_dialects() else "", event="book_delta")
            for gap in book.give_up(delta, reason_of(error)):
                output.publish("gap", gap)
        return delta["received_at"]

    def tick(self, now: int, output: Output) -> None:
        """Forget the books that nobody speaks of any more; one is published by the time of its deltas."""
        for name in [name for name, book in self._books.items() if now > book.heard_at + QUIET]:
            for gap in self._books.pop(name).end(now):
                output.publish("gap", gap)
            self._changed.add(name)

    def dump(self) -> Mapping[str, bytes | None]:
        """Return the books that changed, and the offset up to which all have."""
        entries: dict[str, bytes | None] = {name: self._books[name].dump() if name in self._books else None for name in self._changed}
        self._changed.clear()
        return entries | {OFFSET: msgspec.msgpack.encode(self._applied)}


def _rule(venue: str) -> Rule | None:
    rule = rule_of(venue, "book")
    return None if rule.kind is Kind.NONE else rule


@cache
def _one_by_one() -> frozenset[bytes]:
    """Return the venues of whose books each delta is looked at."""
    return frozenset(venue.encode() for venue in all_dialects() if (rule := _rule(venue)) is not None and rule.kind in ALONE)


def topics_of(_settings: Settings) -> tuple[str, ...]:
    """Return the topic of book deltas."""
    return (event("book_delta").topic.of(),)


def begin_of(settings: Settings, registry: Registry) -> NewTask:
    """Return how the work of a partition begins."""
    messages = Messages(event("book_delta"), registry, bytes)
    books = BookSettings(settings.books.depth, int(settings.books.every_seconds * 1_000_000))
    return lambda _topic, _partition, entries: RebuildBooks(messages, books, entries)


def checkpoint_seconds_of(settings: Settings) -> float:
    """Return how often the books are written: their state is larger than that of others."""
    return settings.books.checkpoint_seconds


if __name__ == "__main__":
    main("rebuild_books", topics_of, begin_of, checkpoint_seconds_of, background=STAGE.background)
