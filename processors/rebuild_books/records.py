"""What leaves a book: the snapshot that is published, and what a checkpoint keeps."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from dialects.continuity import Place
from processors.rebuild_books.contents import Contents, Levels
from schemas.decimals import to_bytes
from schemas.events import BookSnapshot

State = Literal["waiting", "live", "broken"]
Verified = Literal["checksum", "sequence", "unverified"]


class Saved(msgspec.Struct, array_like=True):
    """A book between two checkpoints."""

    state: State
    verified: Verified
    feed: Place | None
    last_sequence: int | None
    joined: bool
    connection_id: str
    frame: tuple[int, int]
    began_at: int
    heard_at: int
    waiting_since: int | None
    depth: int
    slot: int
    last_time: int | None
    bids: Levels
    asks: Levels
    pending: list[dict[str, Any]]
    gaps: list[dict[str, Any]]


MOST_WRITTEN = 65_536
"""Counts whose bytes are remembered: a few megabytes."""
PLAIN = Saved.__struct_fields__[:-4]
"""Fields of a book that are kept as they are: all but its contents, what waits, and its gaps."""


class _Written(dict[int, bytes]):
    """Counts as bytes: the best levels of a book are much the same a second later."""

    def __missing__(self, count: int) -> bytes:
        if len(self) >= MOST_WRITTEN:
            self.clear()
        self[count] = to_bytes(count)
        return self[count]


_written = _Written()


def book_snapshot(delta: Mapping[str, Any], contents: Contents, depth: int, last: int | None, verified: Verified) -> BookSnapshot:
    """Return the best levels of a book after a delta, of which its header is looked at; a crossed book is never called verified."""
    bids, asks = contents.bids.best(depth), contents.asks.best(depth)
    crossed = bids and asks and bids[0][0] >= asks[0][0]
    return BookSnapshot(
        venue=delta["venue"],
        symbol=delta["symbol"],
        origin=delta["origin"],
        connection_id=delta["connection_id"],
        connection_sequence=delta["connection_sequence"],
        received_at=delta["received_at"],
        frame_index=delta["frame_index"],
        frames_lost=delta["frames_lost"],
        venue_lost=delta["venue_lost"],
        event_time=delta["event_time"],
        bid_prices=[_written[price] for price, _ in bids],
        bid_sizes=[_written[size] for _, size in bids],
        ask_prices=[_written[price] for price, _ in asks],
        ask_sizes=[_written[size] for _, size in asks],
        depth=depth,
        last_sequence=last,
        verified="unverified" if crossed else verified,
    )
