"""What leaves a book: the snapshot that is published, and what a checkpoint keeps."""

from typing import Any, Literal

import msgspec

from dialects.continuity import Place
from processors.rebuild_books.contents import Contents, Levels
from schemas.decimals import to_bytes
from schemas.events import BookDelta, BookSnapshot

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


PLAIN = Saved.__struct_fields__[:-4]
"""Fields of a book that are kept as they are: all but its contents, what waits, and its gaps."""


def book_snapshot(delta: BookDelta, contents: Contents, depth: int, last: int | None, verified: Verified) -> BookSnapshot:
    """Return the best levels of a book after a delta; a crossed book is never called verified."""
    bids, asks = contents.bids.best(depth), contents.asks.best(depth)
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
        bid_prices=[to_bytes(price) for price, _ in bids],
        bid_sizes=[to_bytes(size) for _, size in bids],
        ask_prices=[to_bytes(price) for price, _ in asks],
        ask_sizes=[to_bytes(size) for _, size in asks],
        depth=depth,
        last_sequence=last,
        verified="unverified" if contents.crossed else verified,
    )
