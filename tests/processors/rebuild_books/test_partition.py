"""The books of one partition: a bug in one stops no other, and what nobody speaks of is forgotten."""

from typing import Any

import pytest

from processors.rebuild_books.__main__ import QUIET, RebuildBooks
from processors.rebuild_books.core import Book, BookSettings
from schemas.events import BookDelta
from tests.processors.desk import Desk, batch, messages
from tests.processors.rebuild_books.building import delta


def of(symbol: str, one: BookDelta) -> BookDelta:
    """Return a delta of another symbol, of Binance."""
    return BookDelta(**{**one, "venue": "binance", "symbol": symbol})


def work(entries: dict[str, bytes] | None = None) -> RebuildBooks:
    """Return the work of a partition."""
    return RebuildBooks(messages("book_delta"), BookSettings(every=1), entries or {})


def test_a_bug_in_one_book_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delta that meets it is a fault, its book is broken and says so, the others go on, and a snapshot makes it right again."""
    apply = Book.apply

    def breaking(book: Book, one: BookDelta) -> list[tuple[str, Any]]:
        if one["symbol"] == "BAD" and one["connection_sequence"] == 2:
            raise ZeroDivisionError
        return apply(book, one)

    monkeypatch.setattr(Book, "apply", breaking)
    desk = Desk()
    snapshot = delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True, received_at=1)
    change = delta(2, [(9, 2)], [], sequence=(11, 11), received_at=2)
    again = delta(3, [(9, 3)], [(10, 1)], sequence=(11, 11), snapshot=True, received_at=3)
    records = [of(symbol, one) for one in (snapshot, change) for symbol in ("GOOD", "BAD")]
    one = work()

    assert one.apply(batch("book_delta", [*records, of("BAD", again)], 5), desk) == 3  # type: ignore[arg-type]

    assert desk.faults == [(8, "binance", "book_delta")]
    told = [(gap["symbol"], gap["cause"], gap["state"]) for gap in desk.gaps]
    assert told == [("BAD", "fault", "open"), ("BAD", "fault", "filled")]
    assert "ZeroDivisionError" in desk.gaps[0]["repair"]
    published = [(record["symbol"], record["last_sequence"]) for name, record in desk.made if name == "book_snapshot"]
    assert published == [("GOOD", 10), ("BAD", 10), ("GOOD", 11), ("BAD", 11)]


def test_an_update_that_cannot_be_placed_is_refused() -> None:
    """Binance numbers its updates: one without ids is a dead letter, and no fault."""
    desk = Desk()
    work().apply(batch("book_delta", [of("S", delta(1, [(9, 1)], []))]), desk)  # type: ignore[arg-type]
    assert (desk.refused, desk.faults, desk.made) == ([0], [], [])


def test_a_book_that_is_replayed_is_kept() -> None:
    """Deltas received years ago and published just now: a pause in the replay forgets nothing, a day of silence after it does."""
    desk, one, now = Desk(), work(), 10 * 365 * QUIET
    snapshot = of("S", delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True, received_at=1))
    change = of("S", delta(2, [(9, 2)], [], sequence=(11, 11), received_at=2))
    one.apply(batch("book_delta", [snapshot], published_at=now), desk)  # type: ignore[arg-type]
    one.tick(now + QUIET, desk)  # type: ignore[arg-type]
    two = work({name: data for name, data in one.dump().items() if data is not None})
    two.tick(now + QUIET, desk)  # type: ignore[arg-type]
    two.apply(batch("book_delta", [change], 1, published_at=now + QUIET), desk)  # type: ignore[arg-type]

    assert [record["verified"] for name, record in desk.made if name == "book_snapshot"] == ["unverified", "sequence"]
    two.tick(now + 2 * QUIET + 1, desk)  # type: ignore[arg-type]
    assert two.dump()["binance|S"] is None


def test_a_book_that_nobody_speaks_of_is_forgotten() -> None:
    """After a day without a delta a book leaves the state, and what was open of it is closed."""
    desk, one = Desk(), work()
    waiting = of("S", delta(1, [(9, 1)], [], sequence=(20, 20), received_at=1))
    short = of("S", delta(2, [(9, 1)], [], sequence=(10, 10), snapshot=True, received_at=2))
    one.apply(batch("book_delta", [waiting, short]), desk)  # type: ignore[arg-type]
    entries = {name: data for name, data in one.dump().items() if data is not None}
    assert "binance|S" in entries

    two = work(entries)
    two.tick(QUIET + 2, desk)  # type: ignore[arg-type]
    assert "binance|S" not in two.dump()
    two.tick(QUIET + 3, desk)  # type: ignore[arg-type]

    assert two.dump()["binance|S"] is None
    assert [(gap["cause"], gap["state"]) for gap in desk.gaps] == [("snapshot", "open"), ("snapshot", "closed")]
