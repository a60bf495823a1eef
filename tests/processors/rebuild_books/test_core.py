"""Books are rebuilt right or said to be broken: against a plain model, the venue's checksum, and every way to lose an update."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import rules
from dialects.kraken.checksum import checksum
from processors.rebuild_books.core import Book, BookSettings
from processors.rebuild_books.sides import Side
from schemas.decimals import encode, from_bytes
from schemas.events import BookDelta
from tests.examples import examples
from tests.processors.rebuild_books.building import UNIT, Levels, best, delta, proofs, state_of


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=120), st.booleans(), st.integers(1, 30))
@examples(200)
def test_a_side_is_what_a_plain_dict_is(changes: Levels, highest_first: bool, count: int) -> None:
    """After any changes, the best levels are those of a sorted dict, and truncating keeps the best."""
    side, model = Side(highest_first=highest_first), dict[int, int]()
    for price, size in changes:
        side.put(price, size)
        model.pop(price, None)
        if size:
            model[price] = size

    expected = sorted(model.items(), reverse=highest_first)
    assert expected[:count] == side.best(count)
    side.truncate(count)
    assert expected[:count] == side.best(100)
    assert len(side.sizes) == len(side.prices) == min(count, len(expected))


def test_deltas_wait_for_the_snapshot_and_join_it() -> None:
    """What came before the snapshot is kept; what it covers is dropped; what goes on from it is applied."""
    book = Book(BookSettings())
    book.apply(delta(1, [(9, 1)], [], sequence=(5, 7)))
    book.apply(delta(2, [(9, 2)], [], sequence=(8, 12)))
    book.apply(delta(3, [(9, 3)], [(11, 4)], sequence=(13, 13)))
    assert state_of(book) == "waiting"

    book.apply(delta(4, [(9, 7), (8, 7)], [(10, 7)], sequence=(10, 10), snapshot=True))

    assert state_of(book) == "live"
    assert best(book) == ([(9, 3), (8, 7)], [(10, 7), (11, 4)])
    assert book.last_sequence == 13


def test_a_missing_update_breaks_the_book_until_a_snapshot() -> None:
    """A jump in update ids stops publication; a snapshot that covers the jump heals it, with the deltas kept meanwhile."""
    book = Book(BookSettings(every=1))
    book.apply(delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True, received_at=1))
    assert book.apply(delta(2, [(9, 5)], [], sequence=(12, 12), received_at=2)) == []
    assert state_of(book) == "broken"
    assert book.apply(delta(3, [(8, 5)], [], sequence=(13, 13), received_at=3)) == []

    made = book.apply(delta(4, [(9, 4)], [(10, 1)], sequence=(11, 11), snapshot=True, received_at=4))

    assert [name for name, _ in made] == ["book_snapshot"]
    assert best(book) == ([(9, 5), (8, 5)], [(10, 1)])


@pytest.mark.parametrize("ids", [True, False])
def test_a_clock_that_is_set_back_delays_nothing(ids: bool) -> None:
    """After receipt has jumped back an hour the book is published each second as before, and a new connection's snapshot is taken."""
    book, hour = Book(BookSettings(every=1_000_000), rules.BINANCE_SPOT_BOOK if ids else rules.KRAKEN_BOOK), 3_600_000_000
    ahead = [delta(n, [(9, n)], [(11, 1)], sequence=(n, n) if ids else None, snapshot=n == 1, received_at=hour + n) for n in (1, 2)]
    back = [delta(n, [(9, n)], [], sequence=(n, n) if ids else None, received_at=n * 1_000_000) for n in range(3, 8)]
    for one in ahead:
        book.apply(one)
    assert [name for one in back for name, _ in book.apply(one)] == ["book_snapshot"] * len(back)
    if not ids:
        other = delta(1, [(5, 5)], [(6, 6)], snapshot=True, received_at=9_000_000, connection="another")
        assert [name for name, _ in book.apply(other)] == ["book_snapshot"]
        assert best(book) == ([(5, 5)], [(6, 6)])


def test_updates_out_of_order_are_put_in_order() -> None:
    """An update that comes late makes the book whole again without a snapshot, and what waited for it is applied after it."""
    book = Book(BookSettings())
    book.apply(delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True))
    book.apply(delta(2, [(9, 5)], [], sequence=(13, 13)))
    book.apply(delta(3, [(9, 4)], [], sequence=(12, 12)))
    assert state_of(book) == "broken"

    book.apply(delta(4, [(9, 3)], [], sequence=(11, 11)))

    assert state_of(book) == "live"
    assert best(book) == ([(9, 5)], [(10, 1)])


def test_a_snapshot_older_than_the_deltas_is_not_enough() -> None:
    """A snapshot that ends before the first delta kept leaves the book broken, not wrong."""
    book = Book(BookSettings())
    book.apply(delta(1, [(9, 5)], [], sequence=(20, 21)))

    book.apply(delta(2, [(9, 1)], [(10, 1)], sequence=(15, 15), snapshot=True))

    assert state_of(book) == "broken"
    book.apply(delta(3, [(9, 2)], [(10, 1)], sequence=(20, 20), snapshot=True))
    assert state_of(book) == "live"
    assert best(book) == ([(9, 5)], [(10, 1)])


def test_old_and_repeated_updates_change_nothing() -> None:
    """Updates seen before, of this connection or another, and snapshots behind the book, are passed over."""
    book = Book(BookSettings())
    book.apply(delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True))
    book.apply(delta(2, [(9, 2)], [], sequence=(11, 12)))
    before = best(book)
    book.apply(delta(7, [(9, 9)], [], sequence=(11, 12), connection="b"))
    book.apply(delta(8, [(1, 1)], [], sequence=(11, 11), snapshot=True, connection="b"))

    assert before == best(book)


def checked(place: int, book: tuple[Levels, Levels], bids: Levels, asks: Levels, **more: Any) -> BookDelta:
    """Return a delta with the checksum of the book it leads to."""
    scaled = [[(price * UNIT, size * UNIT) for price, size in side] for side in book]
    return delta(place, bids, asks, check=checksum(scaled[0], scaled[1], 0, 0), **more)


@pytest.mark.parametrize("scales", [(19, 0), (0, 400), (-1, 0), (0, -400)])
def test_a_scale_that_no_number_has_proves_nothing(scales: tuple[int, int]) -> None:
    """With a scale that is not from 0 to 18 no checksum can be made: the book is kept, and is unverified."""
    book = Book(BookSettings(every=1), rules.KRAKEN_BOOK)
    first = delta(1, [(9, 1)], [(11, 1)], snapshot=True, check=5)
    first["price_scale"], first["size_scale"] = scales
    assert proofs(book.apply(first)) == ["unverified"]
    assert best(book) == ([(9, 1)], [(11, 1)])


def test_a_checksum_proves_or_breaks() -> None:
    """A right checksum marks the book verified; a wrong one is a gap, open until the next snapshot, then filled."""
    book = Book(BookSettings(every=1))
    first = checked(1, ([(9, 1)], [(10, 1)]), [(9, 1)], [(10, 1)], snapshot=True, depth=2, received_at=1)
    assert [(name, one["verified"]) for name, one in book.apply(first)] == [("book_snapshot", "checksum")]
    book.apply(checked(2, ([(9, 1), (8, 1)], [(10, 1)]), [(8, 1)], [], received_at=2))

    broken = book.apply(delta(3, [(7, 3)], [], check=1, received_at=3))
    assert [(name, one["state"], one["channel"], one["cause"]) for name, one in broken] == [("gap", "open", "book", "wire")]
    assert book.apply(delta(4, [(7, 3)], [], check=1, received_at=4)) == []

    healed = book.apply(checked(5, ([(9, 2)], [(10, 1)]), [(9, 2)], [(10, 1)], snapshot=True, depth=2, received_at=5))
    assert [name for name, _ in healed] == ["gap", "book_snapshot"]
    assert healed[0][1]["state"] == "filled"
    assert healed[0][1]["gap_id"] == broken[0][1]["gap_id"]
    assert healed[0][1]["version"] > broken[0][1]["version"]


def test_levels_beyond_the_depth_are_forgotten() -> None:
    """A level pushed out of the depth is gone without the venue saying so."""
    book = Book(BookSettings())
    book.apply(delta(1, [(9, 1), (8, 1)], [(10, 1)], snapshot=True, depth=2))
    book.apply(delta(2, [(7, 1), (9, 0)], []))
    assert best(book) == ([(8, 1), (7, 1)], [(10, 1)])
    book.apply(delta(3, [(9, 1)], []))

    assert best(book) == ([(9, 1), (8, 1)], [(10, 1)])


def test_a_newer_connection_takes_over_and_the_older_is_ignored() -> None:
    """At rotation the new connection's snapshot becomes the book; what the old one still says is not mixed in."""
    book = Book(BookSettings())
    book.apply(delta(5, [(9, 1)], [(10, 1)], snapshot=True, depth=10, connection="old"))
    book.apply(delta(1, [(9, 2)], [(10, 2)], snapshot=True, depth=10, connection="new"))
    book.apply(delta(6, [(9, 7)], [], connection="old"))
    book.apply(delta(2, [(8, 1)], [], connection="new"))
    book.apply(delta(2, [(8, 0)], [], connection="new"))

    assert best(book) == ([(9, 2), (8, 1)], [(10, 2)])


def test_a_crossed_book_is_never_called_verified() -> None:
    """A bid at or above the best ask is published as unverified."""
    book = Book(BookSettings(every=1))
    made = book.apply(delta(1, [(11, 1)], [(10, 1)], sequence=(1, 1), snapshot=True, received_at=1))

    assert [one["verified"] for _, one in made] == ["unverified"]


@pytest.mark.parametrize("state", ["waiting", "live", "broken"])
def test_a_book_survives_a_checkpoint(state: str) -> None:
    """A book loaded from its dump goes on exactly as the one that was never stopped."""
    events = [delta(1, [(9, 5)], [], sequence=(20, 21))]
    if state != "waiting":
        events.append(delta(2, [(9, 1)], [(10, 1)], sequence=(19 if state == "live" else 15,) * 2, snapshot=True))
    rest = [
        delta(3, [(8, 2)], [(12, 1)], sequence=(22, 22), received_at=5_000_000),
        delta(4, [(9, 3)], [(10, 4)], sequence=(22, 22), snapshot=True, received_at=6_000_000),
        delta(5, [(7, 3)], [], sequence=(23, 24), received_at=9_000_000),
    ]
    straight, halted = Book(BookSettings()), Book(BookSettings())
    for one in events:
        straight.apply(one)
        halted.apply(one)
    loaded = Book.load(halted.dump(), BookSettings())

    assert state == loaded.state
    assert [straight.apply(one) for one in rest] == [loaded.apply(one) for one in rest]
    assert best(straight) == best(loaded)


def test_publishes_at_the_set_interval_and_depth() -> None:
    """One snapshot for each interval of receipt time in which the book changed, cut to the depth asked for, exact to the last digit."""
    book = Book(BookSettings(depth=1, every=1_000_000))
    first = delta(1, [], [], sequence=(1, 1), snapshot=True, received_at=1_000_000)
    first["bid_prices"] = [encode("1.000000000000000001"), encode("0.999999999999999999")]
    first["bid_sizes"] = [encode("123456789.123456789"), encode("1")]
    published = [len(book.apply(first))]
    published += [len(book.apply(delta(n, [(1, n)], [], sequence=(n, n), received_at=1_000_000 + n * 300_000))) for n in range(2, 9)]

    assert published == [1, 0, 0, 1, 0, 0, 1, 0]
    record = Book(BookSettings(depth=1, every=1)).apply(first)[0][1]
    assert [from_bytes(price) for price in record["bid_prices"]] == [1_000_000_000_000_000_001]


def test_a_broken_checksum_spans_from_the_last_right_book_to_the_wrong_one() -> None:
    """The gap begins at the last delta after which the checksum was right, and ends at the one after which it is not."""
    book = Book(BookSettings())
    right = checksum([(9 * UNIT, UNIT)], [(11 * UNIT, UNIT)], 0, 0)
    book.apply(delta(1, [(9, 1)], [(11, 1)], snapshot=True, received_at=100, check=right))
    book.apply(delta(2, [], [(11, 1)], received_at=200, check=right))
    gaps = [record for name, record in book.apply(delta(3, [(9, 2)], [], received_at=300, check=right)) if name == "gap"]
    assert [(gap["from_time"], gap["to_time"], gap["cause"]) for gap in gaps] == [(200, 300, "wire")]
