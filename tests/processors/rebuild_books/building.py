"""Deltas with whole-number prices and sizes, and what a book holds in such numbers."""

from collections.abc import Iterable
from typing import Any

from processors.rebuild_books.core import Book
from schemas.decimals import to_bytes
from schemas.events import BookDelta

UNIT = 10**18
SECOND = 1_000_000
Levels = list[tuple[int, int]]


def delta(
    place: int,
    bids: Levels,
    asks: Levels,
    *,
    sequence: tuple[int, int] | None = None,
    previous: int | None = None,
    snapshot: bool = False,
    connection: str = "a",
    received_at: int = 0,
    time: int | None = None,
    check: int | None = None,
    depth: int = 0,
    frames_lost: int = 0,
    venue_lost: int = 0,
) -> BookDelta:
    """Return a delta, the `place`-th frame of its connection."""
    return BookDelta(
        venue="v",
        symbol="S",
        origin="live",
        connection_id=connection,
        connection_sequence=place,
        received_at=received_at,
        frame_index=0,
        frames_lost=frames_lost,
        venue_lost=venue_lost,
        event_time=time,
        bid_prices=[to_bytes(price * UNIT) for price, _ in bids],
        bid_sizes=[to_bytes(size * UNIT) for _, size in bids],
        ask_prices=[to_bytes(price * UNIT) for price, _ in asks],
        ask_sizes=[to_bytes(size * UNIT) for _, size in asks],
        is_snapshot=snapshot,
        depth=depth,
        first_sequence=sequence[0] if sequence else None,
        last_sequence=sequence[1] if sequence else None,
        previous_sequence=previous,
        checksum=check,
        price_scale=None if check is None else 0,
        size_scale=None if check is None else 0,
    )


def best(book: Book) -> tuple[Levels, Levels]:
    """Return the book in whole numbers."""
    bids = [(price // UNIT, size // UNIT) for price, size in book.contents.bids.best(100)]
    return bids, [(price // UNIT, size // UNIT) for price, size in book.contents.asks.best(100)]


def state_of(book: Book) -> str:
    """Return the state as plain text: mypy would hold on to the literal it saw last."""
    return book.state


def feed(book: Book, *deltas: BookDelta) -> list[tuple[str, Any]]:
    """Apply deltas and return all that is told."""
    return [made for one in deltas for made in book.apply(one)]


def gaps(made: Iterable[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Return cause and state of each gap."""
    return [(one["cause"], one["state"]) for name, one in made if name == "gap"]


def proofs(made: Iterable[tuple[str, Any]]) -> list[str]:
    """Return what each published snapshot says that it is verified by."""
    return [one["verified"] for name, one in made if name == "book_snapshot"]
