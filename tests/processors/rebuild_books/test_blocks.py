"""Many deltas at once leave what each of them by itself leaves: books, what is published of them, gaps and refusals."""

import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.engine import messages as reading
from processors.rebuild_books import sides
from processors.rebuild_books.__main__ import OFFSET, RebuildBooks
from processors.rebuild_books.core import Book, BookSettings
from processors.rebuild_books.records import PLAIN
from processors.rebuild_books.sides import DeepSide, Side
from schemas.decimals import to_bytes
from schemas.events import BookDelta
from tests.examples import examples
from tests.processors.desk import Desk, batch, messages
from tests.processors.rebuild_books.building import SECOND, UNIT, Levels, delta

VENUES = ("binance", "bybit_spot", "coinbase", "coinbase_exchange", "hyperliquid", "kraken", "okx", "nobody")
"""One of each kind of rule, ranges with a snapshot that is asked for and one that is pushed; and one that nobody knows."""
MESSAGES = messages("book_delta")


@given(
    st.lists(st.tuples(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2)), max_size=30), st.integers(0, 9)), max_size=20),
    st.lists(st.integers(1, 60)),
    st.booleans(),
    st.integers(1, 8),
)
@examples(300)
def test_a_deep_side_is_what_a_side_is(blocks: list[tuple[Levels, int]], before: list[int], highest_first: bool, near: int) -> None:
    """However many changes come between two looks, and however few levels are kept in order: the best are the best, and all are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "NEAR", near)
        patch.setattr(sides, "ROOM", 2 * near)
        levels = [(price, 1) for price in before]
        deep, plain = (DeepSide(Side(highest_first=highest_first, levels=levels)), Side(highest_first=highest_first, levels=levels))
        for changes, count in blocks:
            deep.change([price for price, _ in changes], [size for _, size in changes])
            plain.put_all(changes)
            if count:
                assert deep.best(count) == plain.best(count)
            assert len(plain) <= deep.room
    assert (dict(deep.levels()), len(deep), deep.best(100)) == (plain.sizes, len(plain), plain.best(100))
    deep.truncate(3)
    plain.truncate(3)
    assert (dict(deep.levels()), deep.best(100)) == (plain.sizes, plain.best(100))


def stream(rng: random.Random, venue: str, symbol: str, count: int) -> list[BookDelta]:
    """Return what a venue may send of a book: nearly always what goes on from before, and all that may be wrong."""
    sent: list[BookDelta] = []
    last, at, place, connection = 100, 1_000 * SECOND, 0, "a"
    for number in range(count):
        odd = rng.random() if number else 1.0
        snapshot = number == rng.randrange(3) or odd < 0.02
        place += 1
        at += rng.choice((0, 1, 400_000, SECOND))
        first, last = last + 1, last + rng.randint(1, 3)
        if 0.02 <= odd < 0.04:
            connection, place = rng.choice("abc"), rng.randint(1, 5)
        elif odd < 0.06:
            first, last = first + 2, last + 2
        elif odd < 0.07:
            first, last = 1, 3
        elif odd < 0.09:
            at -= rng.choice((1, 100 * SECOND))
        timed = venue != "coinbase_exchange" and odd > 0.1
        time = at + (rng.choice((-50 * SECOND, 6 * SECOND, 40 * SECOND)) if 0.1 < odd < 0.12 else -rng.randint(0, 3)) if timed else None
        numbered = venue not in {"coinbase_exchange", "hyperliquid", "kraken"} and not 0.12 < odd < 0.125
        one = delta(
            place,
            [(rng.randint(1, 12), rng.randint(0, 3)) for _ in range(rng.randint(0, 4))],
            [(rng.randint(9, 25), rng.randint(0, 3)) for _ in range(rng.randint(0, 4))],
            sequence=((place, place) if venue == "coinbase" else (first, last)) if numbered else None,
            previous=first - 1 if venue == "okx" else None,
            snapshot=snapshot,
            connection=connection,
            received_at=at,
            time=time,
            check=rng.randint(0, 9) if venue == "kraken" and odd < 0.2 else None,
            depth=5 if venue == "kraken" else 0,
            frames_lost=number // 40 if odd < 0.5 else 0,
        )
        if 0.125 < odd < 0.135:
            one["bid_sizes"] = [*one["bid_sizes"], to_bytes(UNIT)]
        elif odd < 0.14:
            one["ask_prices"] = [to_bytes(UNIT + 1) for _ in one["ask_prices"]]
        sent += [BookDelta(**{**one, "venue": venue, "symbol": symbol})] * (2 if 0.14 < odd < 0.16 else 1)
    return sent


def worked(sent: list[BookDelta], cuts: list[int], columns_from: int) -> tuple[Any, ...]:
    """Return what all of it leaves, read in batches: published by book, refused, and the books."""
    desk, work, begin = Desk(), RebuildBooks(MESSAGES, BookSettings(depth=3), {}), 0
    state: dict[str, bytes] = {}
    lasts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "COLUMNS_FROM", columns_from)
        for end in [*cuts, len(sent)]:
            if begin < end:
                lasts.append(work.apply(batch("book_delta", sent[begin:end], begin, 7_000 * begin), desk))  # type: ignore[arg-type]
                state |= {name: data for name, data in work.dump().items() if data is not None}
            begin = max(begin, end)
    assert not desk.faults
    made: dict[str, list[Any]] = defaultdict(list)
    for name, record in desk.made:
        made[f"{record['venue']}|{record['symbol']}"].append((name, record))
    books = {}
    for name, data in state.items():
        if name != OFFSET:
            book = Book.load(data, BookSettings())
            levels = [sorted(side.levels()) for side in (book.contents.bids, book.contents.asks)]
            books[name] = ({field: getattr(book, field) for field in PLAIN}, levels, book.pending.dump(), book.gaps.dump())
    return dict(made), sorted(desk.refused), books, state[OFFSET] if state else b"", lasts


@given(st.integers(0, 2**32), st.lists(st.sampled_from(VENUES), min_size=1, max_size=3), st.lists(st.integers(0, 120), max_size=3))
@examples(200)
def test_a_block_of_deltas_is_each_of_them_in_turn(seed: int, venues: list[str], cuts: list[int]) -> None:
    """Whatever is lost, repeated, misdated, malformed or begun again, and however it is cut into batches."""
    rng = random.Random(seed)
    streams = [stream(rng, venue, f"S{place}", 60) for place, venue in enumerate(venues)]
    sent = []
    while streams := [one for one in streams if one]:
        sent.append(rng.choice(streams).pop(0))
    assert worked(sent, sorted(cuts), 1) == worked(sent, sorted(cuts), 10**9)


def test_most_of_a_backlog_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deltas that go on from each other cost no look at each: only those do with which a book begins."""
    alone = 0
    apply = Book.apply

    def counted(book: Book, one: BookDelta) -> list[tuple[str, Any]]:
        nonlocal alone
        alone += 1
        return apply(book, one)

    monkeypatch.setattr(Book, "apply", counted)
    snapshot = delta(1, [(9, 1)], [(10, 1)], sequence=(10, 10), snapshot=True, received_at=1)
    changes = [delta(n, [(8, n)], [(11, n)], sequence=(n + 9, n + 9), received_at=n, time=n) for n in range(2, 200)]
    desk, work = Desk(), RebuildBooks(MESSAGES, BookSettings(every=10**9), {})
    work.apply(batch("book_delta", [BookDelta(**{**one, "venue": "binance"}) for one in (snapshot, *changes)]), desk)  # type: ignore[arg-type]
    assert (alone, [record["last_sequence"] for _, record in desk.made]) == (2, [10])
