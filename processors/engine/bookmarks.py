"""Which log a partition's state was made of, and up to where: kept beside the state, and compared with the topic at each begin. Pure.

What is recognised: a topic made anew, by its id (KIP-516), however long it has become; a log that ends before what the state holds
(an unclean election, or made anew where the broker gives no ids); a log whose start has passed what was read; commits beyond the
state (a changelog lost or older); commits beyond the log. What is not: a log cut by an unclean election that has grown again past
the state before anybody looked; Kafka keeps no trace of that for a consumer of offsets.
"""

from typing import NamedTuple

import msgspec

from processors.engine.transport import Bounds, Cause, Loss
from schemas.errors import InvalidDatum


class Bookmark(msgspec.Struct, frozen=True):
    """Of one partition: the id of the topic its state was made of (empty: unknown), and the offset after the last one in it."""

    topic_id: str
    end: int
    void: bool = False
    """The entries beside it belong to a log that is gone, and the loss has been told."""


class Beginning(NamedTuple):
    """Where a partition is read from, and what its saved entries are worth."""

    offset: int
    loss: Loss | None
    forget: bool
    """The entries belong to a log that is gone."""
    unsaved: bool
    """The bookmark to write differs from the one that is there."""
    remade: int = 0
    """There are commits and no state: it is lost, or was deleted, and is made of what has been read before; that is taken to be all below
    this offset. 0: it is not so."""


def key_of(topic: str, partition: int) -> bytes:
    """Return the table's key of a partition's bookmark: no topic's name may begin so, so that no entry of a state has it."""
    return f"@{topic}|{partition}".encode()


def encode(bookmark: Bookmark) -> bytes:
    """Return a bookmark as the table keeps it."""
    return msgspec.json.encode(bookmark)


def decode(data: bytes | None) -> Bookmark | None:
    """Read a bookmark, None where there is none; InvalidDatum where the bytes are no bookmark."""
    try:
        return None if data is None else msgspec.json.decode(data, type=Bookmark)
    except msgspec.DecodeError as error:
        raise InvalidDatum(f"no bookmark: {error}") from error


def beginning(place: tuple[str, int], saved: Bookmark | None, topic_id: str, bounds: Bounds, epoch: int, *, entries: bool) -> Beginning:
    """Decide where a partition begins: never behind a record that its state does not hold.

    `saved` and `entries` (whether there are any) are what the table has, `topic_id` (empty: unknown) and `bounds` what the broker says.
    """
    committed, start, end, _ = bounds
    if saved is not None and saved.void:
        return Beginning(start, None, forget=True, unsaved=False)
    known = saved.end if saved is not None else committed
    another = saved is not None and bool(saved.topic_id) and bool(topic_id) and saved.topic_id != topic_id
    if known is not None and (another or known > end):
        return Beginning(start, Loss(*place, known, known, Cause.RESET, epoch), forget=True, unsaved=False)
    if saved is None:
        if entries and committed is None:
            # Kept by a version without bookmarks, and its commits are gone with the topic or by age: nobody knows whose it is.
            return Beginning(start, None, forget=True, unsaved=False)
        offset = committed if entries and committed is not None else start
    else:
        # Below the commit where the changelog is older than it; below the state after a rewind, whose repeats it passes over.
        offset = saved.end if committed is None else min(saved.end, committed)
    unsaved = entries if saved is None else saved.topic_id != topic_id
    loss = Loss(*place, known, start, Cause.RETENTION, epoch) if known is not None and known < start else None
    remade = end if saved is None and not entries and committed is not None else 0
    return Beginning(max(offset, start), loss, forget=False, unsaved=unsaved, remade=remade)
