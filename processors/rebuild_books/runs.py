"""Many deltas of one book at once, each the very next after the one before: nearly all that ever comes. Pure.

What a book is after them, and what is published of it, is what `Book.apply` makes of one after the other (a test compares).
"""

from bisect import bisect_left
from typing import Any

from dialects.continuity import Kind, Place
from dialects.judge import moved_over
from processors.rebuild_books.block import Block
from processors.rebuild_books.contents import MOST_LEVELS
from processors.rebuild_books.core import Book
from processors.rebuild_books.gaps import time_of
from processors.rebuild_books.records import Verified, book_snapshot
from schemas.events import BookSnapshot

ALONE = (Kind.LINKED, Kind.CHECKSUM, Kind.WHOLE)
"""Kinds of rules by which each delta is looked at."""


def end_of(book: Book, block: Block, row: int, end: int) -> int:
    """Return the row behind those that may be taken at once from one on, `end` at most; that row itself where none may."""
    rule = book.rule
    if rule is None or rule.kind in ALONE or not block.plain[row] or book.state != "live" or book.pending.deltas:
        return row
    return min(end, block.end(row, by_ids=rule.shows_losses))


def take(book: Book, block: Block, begin: int, end: int) -> list[BookSnapshot] | None:
    """Apply the rows up to `end_of`, and return what is published.

    None where they must be looked at one by one: nothing has changed then.
    """
    rule, feed, contents = book.rule, book.feed, book.contents
    if rule is None or feed is None or contents.room + block.most_levels(begin, end) > MOST_LEVELS:
        return None
    if rule.shows_losses:
        run = block.run(begin, end)
        if run is None or feed.last != book.last_sequence or not book.joined or not moved_over(rule, feed, run):
            return None
    elif not _moved_with_its_connection(book, feed, block, begin, end):
        return None
    proof: Verified = "sequence" if rule.shows_losses or rule.kind is Kind.CONNECTION else "unverified"
    received_at, every, depth = block.received_at, book.settings.every, book.settings.depth
    made: list[BookSnapshot] = []
    done = begin
    while (row := bisect_left(received_at, (book.slot + 1) * every, done, end)) < end:
        contents.change_many(*block.changes(done, row + 1))
        book.slot, done = received_at[row] // every, row + 1
        made.append(book_snapshot(block.header(row), contents, depth, block.last(row), proof))
    if done < end:
        contents.change_many(*block.changes(done, end))
    last: Any = block.header(end - 1)
    book.last_sequence, book.joined, book.last_time = block.last(end - 1), True, time_of(last)
    book.verified, book.waiting_since = proof, None
    book.heard_at = max(book.heard_at, received_at[end - 1])
    return made


def _moved_with_its_connection(book: Book, feed: Place, block: Block, begin: int, end: int) -> bool:
    """Move a book that has no ids over rows; False where the judge must look."""
    first, last = block.header(begin), block.header(end - 1)
    frame = (first["connection_sequence"], first["frame_index"])
    if not (
        first["connection_id"] == book.connection_id == feed.connection_id
        and first["frames_lost"] == feed.frames_lost
        and first["venue_lost"] == feed.venue_lost
        and first["received_at"] >= feed.received_at
        and frame > book.frame
    ):
        return False
    feed.received_at, book.frame = last["received_at"], (last["connection_sequence"], last["frame_index"])
    return True
