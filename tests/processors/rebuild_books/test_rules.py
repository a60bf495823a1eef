"""Books by each venue's rule: what joins, what replaces, what breaks, and what is told of it."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects import rules
from dialects.continuity import Rule
from processors.rebuild_books.core import SNAPSHOT_WAIT, Book, BookSettings
from schemas.errors import InvalidDatum
from schemas.events import BookDelta
from tests.examples import examples
from tests.processors.rebuild_books.building import SECOND, Levels, best, delta, feed, gaps, proofs, state_of

SPOT, OKX, BYBIT = rules.BINANCE_SPOT_BOOK, rules.OKX_BOOK, rules.BYBIT_BOOK
KRAKEN, COINBASE, FUTURES = rules.KRAKEN_BOOK, rules.COINBASE_ADVANCED, rules.BINANCE_FUTURES_BOOK
ASK: Levels = [(100, 1)]
HOUR = 3600 * SECOND


def book(rule: Rule) -> Book:
    """Return a book that publishes every microsecond."""
    return Book(BookSettings(every=1), rule)


def link(at: int, previous: int, last: int, price: int, **more: Any) -> BookDelta:
    """Return a linked message; a predecessor of -1 marks a snapshot."""
    snapshot = previous == -1
    asks = ASK if snapshot else []
    return delta(at, [(price, last)], asks, sequence=(last, last), previous=previous, snapshot=snapshot, received_at=at, time=at, **more)


def test_a_linked_feed_without_loss_is_a_live_book_and_no_gap() -> None:
    """OKX's own example, over its quiet and its maintenance: applied to the last, never broken, nothing told."""
    one = book(OKX)
    made = feed(one, link(1, -1, 10, 1), link(2, 10, 15, 2), link(3, 15, 15, 3), link(4, 15, 3, 4), link(5, 3, 5, 5))

    assert gaps(made) == []
    assert best(one)[0] == [(5, 5), (4, 3), (3, 15), (2, 15), (1, 10)]
    assert proofs(made) == ["sequence"] * 5


def test_a_missing_link_breaks_the_book_until_it_comes() -> None:
    """Links that come late, in whatever order, make the book whole again without a snapshot."""
    one = book(OKX)
    feed(one, link(1, -1, 10, 1), link(2, 30, 40, 4))
    assert state_of(one) == "broken"
    feed(one, link(3, 20, 30, 3))
    assert state_of(one) == "broken"

    assert gaps(feed(one, link(4, 10, 20, 2))) == []

    assert state_of(one) == "live"
    assert one.last_sequence == 40
    assert best(one)[0] == [(4, 40), (3, 30), (2, 20), (1, 10)]


def test_a_futures_book_joins_its_snapshot_by_the_ids_within() -> None:
    """The first delta holds the snapshot's id or names it; those that end before it are dropped, the next ones are linked."""
    one = book(FUTURES)
    feed(
        one,
        *(
            delta(n, [(n, n)], [], sequence=span, previous=p)
            for n, span, p in ((1, (80, 90), 70), (2, (91, 105), 90), (3, (108, 110), 105))
        ),
    )
    made = feed(one, delta(4, [(9, 9)], ASK, sequence=(100, 100), snapshot=True))

    assert (state_of(one), one.last_sequence, gaps(made)) == ("live", 110, [])
    assert best(one)[0] == [(9, 9), (3, 3), (2, 2)]


@pytest.mark.parametrize("connection", ["a", "b"])
def test_a_pushed_snapshot_always_replaces(connection: str) -> None:
    """Bybit's restart: u = 1 replaces a book of a higher id; the reset is told and ended by it, and the book goes on from there."""
    one = book(BYBIT)
    feed(
        one,
        delta(1, [(9, 1)], ASK, sequence=(100, 100), snapshot=True, received_at=1, time=1),
        delta(2, [(8, 1)], [], sequence=(101, 101), received_at=2, time=2),
    )
    made = feed(one, delta(3, [(5, 5)], ASK, sequence=(1, 1), snapshot=True, connection=connection, received_at=3, time=3))
    made += feed(one, delta(4, [(4, 4)], [], sequence=(2, 2), connection=connection, received_at=4, time=4))

    assert gaps(made) == [("venue_reset", "open"), ("venue_reset", "filled")]
    assert best(one)[0] == [(5, 5), (4, 4)]
    assert (one.last_sequence, proofs(made)) == (2, ["sequence"] * 2)


def test_a_rotations_snapshot_is_no_reset() -> None:
    """The next connection's snapshot may be a little behind the old one's deltas: it replaces, nothing is told, and both feeds go on."""
    one = book(BYBIT)
    made = feed(
        one,
        delta(1, [(9, 1)], ASK, sequence=(100, 100), snapshot=True, received_at=1, time=10),
        delta(2, [(9, 2)], [], sequence=(101, 101), received_at=2, time=20),
        delta(3, [(9, 3)], [], sequence=(102, 102), received_at=3, time=30),
        delta(1, [(9, 2)], ASK, sequence=(101, 101), snapshot=True, connection="b", received_at=4, time=20),
        delta(4, [(9, 4)], [], sequence=(103, 103), received_at=5, time=40),
        delta(2, [(9, 3)], [], sequence=(102, 102), connection="b", received_at=6, time=30),
        delta(3, [(9, 4)], [], sequence=(103, 103), connection="b", received_at=7, time=40),
    )
    assert gaps(made) == []
    assert (state_of(one), one.last_sequence, best(one)[0]) == ("live", 103, [(9, 4)])


@pytest.mark.parametrize("rule", [BYBIT, KRAKEN])
def test_a_snapshot_received_before_the_books_own_is_of_the_past(rule: Rule) -> None:
    """Read late, from another partition of the raw topic: the connection that was replaced does not take the book back."""
    one = book(rule)
    ids: dict[str, Any] = {"sequence": (50, 50)} if rule is BYBIT else {}
    feed(one, delta(1, [(9, 1)], ASK, snapshot=True, connection="new", received_at=100, **ids))
    feed(
        one,
        delta(1, [(1, 1)], ASK, snapshot=True, connection="old", received_at=10, **ids),
        delta(2, [(2, 1)], [], connection="old", received_at=20, **ids),
    )

    assert best(one)[0] == [(9, 1)]


def test_a_requested_snapshot_that_does_not_reach_the_deltas_is_asked_for_again() -> None:
    """Each one that is too old opens the gap anew, with a higher version, for the backfill; one that joins ends it."""
    one = book(SPOT)
    made = feed(one, delta(1, [(10, 1)], [], sequence=(1001, 1005), received_at=1))
    made += feed(one, delta(2, [(9, 1)], ASK, sequence=(900, 900), snapshot=True, received_at=2))
    made += feed(one, delta(3, [(10, 2)], [], sequence=(1006, 1010), received_at=3))
    made += feed(one, delta(4, [(9, 1)], ASK, sequence=(950, 950), snapshot=True, received_at=5))
    assert (gaps(made), state_of(one)) == ([("snapshot", "open")] * 2, "broken")

    made += feed(one, delta(5, [(8, 1)], ASK, sequence=(1000, 1000), snapshot=True, received_at=9))

    told = [record for name, record in made if name == "gap"]
    assert gaps(made)[2:] == [("snapshot", "filled")]
    assert len({gap["gap_id"] for gap in told}) == 1
    assert told[0]["version"] < told[0]["version"] + 1 < told[1]["version"] < told[1]["version"] + 1 < told[2]["version"]
    assert (state_of(one), one.last_sequence, best(one)[0]) == ("live", 1010, [(10, 2), (8, 1)])


@pytest.mark.parametrize("heard", [True, False])
def test_a_snapshot_that_lags_behind_a_fault_is_asked_for_again(heard: bool) -> None:
    """The delta that met the fault is gone: a snapshot from before it is not final, though none waits; `heard`: the judge had seen it."""
    one = book(SPOT)
    feed(
        one,
        delta(1, [(10, 1)], ASK, sequence=(300, 300), snapshot=True, received_at=1),
        delta(2, [(10, 2)], [], sequence=(301, 301), received_at=2),
    )
    bad = delta(3, [(11, 5)], [], sequence=(302, 302), received_at=3)
    if heard:
        feed(one, bad)
    told = one.give_up(bad, "a bug of ours")
    made = feed(one, delta(4, [(10, 2)], ASK, sequence=(301, 301), snapshot=True, received_at=4))
    assert ([gap["cause"] for gap in told], gaps(made), state_of(one)) == (["fault"], [("snapshot", "open")], "broken")
    made = feed(
        one,
        delta(5, [(10, 4)], [], sequence=(303, 303), received_at=5),
        delta(6, [(10, 2)], ASK, sequence=(301, 301), snapshot=True, received_at=6),
    )
    assert (gaps(made), state_of(one)) == ([("snapshot", "open")], "broken")
    made = feed(one, delta(7, [(11, 5)], ASK, sequence=(302, 302), snapshot=True, received_at=7))
    assert gaps(made) == [("fault", "filled"), ("snapshot", "filled")]
    assert (state_of(one), one.last_sequence, best(one)[0]) == ("live", 303, [(11, 5), (10, 4)])


def test_a_snapshot_before_a_hole_in_what_waits_is_asked_for_again() -> None:
    """It joins the first delta that waits, and leads no further than the hole: only one from behind the hole makes the book right."""
    one = book(SPOT)
    feed(one, *(delta(n, [(10, n)], [], sequence=(n, n), received_at=n) for n in (10, 12)))
    made = feed(one, delta(3, [(9, 1)], ASK, sequence=(9, 9), snapshot=True, received_at=13))
    assert (gaps(made), state_of(one)) == ([("snapshot", "open")], "broken")
    made = feed(one, delta(4, [(9, 2)], ASK, sequence=(11, 11), snapshot=True, received_at=14))
    assert (gaps(made), state_of(one), best(one)[0]) == ([("snapshot", "filled")], "live", [(10, 12), (9, 2)])


def test_a_requested_snapshot_behind_the_book_is_covered() -> None:
    """What REST gives late changes nothing, on whichever connection it was asked."""
    one = book(SPOT)
    feed(one, delta(1, [(9, 1)], ASK, sequence=(10, 10), snapshot=True), delta(2, [(9, 2)], [], sequence=(11, 12)))
    for connection in "ab":
        assert gaps(feed(one, delta(8, [(1, 1)], [], sequence=(11, 11), snapshot=True, connection=connection, received_at=1))) == []
    assert best(one) == ([(9, 2)], ASK)


@pytest.mark.parametrize(("rule", "lost", "cause"), [(COINBASE, {"venue_lost": 1}, "wire"), (KRAKEN, {"frames_lost": 1}, "ours")])
def test_what_a_connection_has_lost_breaks_its_books(rule: Rule, lost: dict[str, Any], cause: str) -> None:
    """Messages lost on a connection may have been of any of its books: each breaks, says so, and is whole with its next snapshot."""
    one = book(rule)
    made = feed(
        one,
        delta(1, [(9, 1)], ASK, snapshot=True, received_at=1),
        delta(2, [(9, 2)], [], received_at=2),
        delta(3, [(9, 3)], [], received_at=3, **lost),
    )
    assert (gaps(made), state_of(one)) == ([(cause, "open")], "broken")
    assert feed(one, delta(4, [(9, 4)], [], received_at=4, **lost)) == []

    made = feed(one, delta(5, [(9, 5)], ASK, snapshot=True, received_at=5, **lost), delta(6, [(9, 6)], [], received_at=6, **lost))

    assert gaps(made) == [(cause, "filled")]
    assert (state_of(one), best(one)[0]) == ("live", [(9, 6)])


def test_a_connection_whose_snapshot_never_came_is_told() -> None:
    """Where the old connection has gone and the next one speaks without a snapshot, the book is broken, not frozen."""
    one = book(KRAKEN)
    made = feed(one, delta(1, [(9, 1)], ASK, snapshot=True, received_at=1), delta(2, [(9, 2)], [], connection="b", received_at=20 * SECOND))
    assert (gaps(made), state_of(one)) == ([("reconnect", "open")], "broken")


def test_a_whole_book_is_each_of_its_messages() -> None:
    """Where each message is the whole state, the newest is the book, and an older connection's is not."""
    one = book(rules.HYPERLIQUID_BOOK)
    feed(one, delta(1, [(9, 1)], ASK, snapshot=True, received_at=1), delta(2, [(8, 1)], ASK, snapshot=True, received_at=2))
    assert best(one)[0] == [(8, 1)]


@pytest.mark.parametrize("rule", [SPOT, KRAKEN, OKX])
def test_a_book_without_a_snapshot_asks_for_one_again_and_again(rule: Rule) -> None:
    """Deltas and no snapshot for five minutes: a gap that is opened anew every five, keeps little, and ends with a snapshot."""
    one, made = book(rule), list[tuple[str, Any]]()
    ids = rule is not KRAKEN
    minutes = range(1, 32)
    for n in minutes:
        made += feed(
            one,
            delta(
                n,
                [(9, n)],
                [],
                sequence=(n, n) if ids else None,
                previous=n - 1 if rule is OKX else None,
                received_at=n * SNAPSHOT_WAIT // 5,
            ),
        )
    assert gaps(made) == [("snapshot", "open")] * 5
    assert len(one.pending) <= 6

    made = feed(one, delta(99, [(8, 1)], ASK, sequence=(31, 31) if ids else None, snapshot=True, received_at=40 * SNAPSHOT_WAIT))
    assert gaps(made) == [("snapshot", "filled")]


@pytest.mark.parametrize("rule", [SPOT, OKX])
def test_an_update_without_ids_is_refused_where_the_venue_numbers_them(rule: Rule) -> None:
    """It can't be put in order, so it is a dead letter, and the book stays as it was."""
    one = book(rule)
    feed(one, delta(1, [(9, 1)], ASK, sequence=(10, 10), snapshot=True))
    with pytest.raises(InvalidDatum):
        one.apply(delta(2, [(8, 1)], []))
    assert (state_of(one), best(one)[0]) == ("live", [(9, 1)])


def test_a_fault_of_ours_breaks_one_book_and_is_told_once() -> None:
    """After our own code has failed on a delta, nothing of the book is trusted until a snapshot; the gap says why."""
    one = book(SPOT)
    feed(one, delta(1, [(9, 1)], ASK, sequence=(10, 10), snapshot=True))
    (gap,) = one.give_up(delta(2, [(9, 2)], [], sequence=(11, 11)), "ZeroDivisionError")
    assert one.give_up(delta(3, [(9, 3)], [], sequence=(12, 12)), "ZeroDivisionError") == []
    assert (gap["cause"], gap["state"], gap["repair"]) == ("fault", "open", "ZeroDivisionError")
    assert feed(one, delta(4, [(9, 4)], [], sequence=(13, 13))) == []

    assert gaps(feed(one, delta(5, [(7, 1)], ASK, sequence=(12, 12), snapshot=True))) == [("fault", "filled")]
    assert best(one)[0] == [(9, 4), (7, 1)]


def test_a_book_that_is_forgotten_ends_its_gaps() -> None:
    """Nobody speaks of it any more: what was open is closed."""
    one = book(SPOT)
    one.give_up(delta(2, [(9, 2)], [], sequence=(11, 11)), "KeyError")
    assert [(gap["cause"], gap["state"]) for gap in one.end(99)] == [("fault", "closed")]
    assert one.end(100) == []


@st.composite
def markets(draw: st.DrawFn) -> tuple[Rule, list[BookDelta], dict[int, tuple[Levels, Levels]]]:
    """Return a rule, what a feed of it may send (lost, repeated, misdated, out of order), and the true book by update id."""
    rule = draw(st.sampled_from([SPOT, OKX, BYBIT, FUTURES]))
    rng = random.Random(draw(st.integers(0, 2**32)))
    truth: dict[int, tuple[Levels, Levels]] = {}
    sides: tuple[dict[int, int], dict[int, int]] = ({5: 1}, {50: 1})
    last, at, sent = 100, 0, list[BookDelta]()

    def snapshot() -> BookDelta:
        bids, asks = (sorted(side.items()) for side in sides)
        return delta(at, bids, asks, sequence=(last, last), previous=-1 if rule is OKX else None, snapshot=True, received_at=at, time=at)

    def note() -> None:
        truth[last] = (sorted(sides[0].items(), reverse=True), sorted(sides[1].items()))

    note()
    sent.append(snapshot())
    for _ in range(draw(st.integers(1, 30))):
        at += rng.randint(1, 20_000)
        previous, first = last, last + (rng.randint(1, 4) if rule in (OKX, FUTURES) else 1)
        last = first if rule is BYBIT else first + rng.randint(0, 2)
        bids: Levels = [(rng.randint(1, 9), rng.randint(0, 3))]
        asks: Levels = [(rng.randint(50, 59), rng.randint(0, 3))]
        for side, changes in zip(sides, (bids, asks), strict=True):
            for price, size in changes:
                side.pop(price, None)
                if size:
                    side[price] = size
        note()
        time = at + (rng.choice([-20 * HOUR, SECOND, 9 * SECOND, 16 * SECOND, HOUR]) if rng.random() < 0.1 else 0)
        one = delta(
            at, bids, asks, sequence=(first, last), previous=previous if rule in (OKX, FUTURES) else None, received_at=at, time=time
        )
        if rng.random() > 0.15:
            sent.append(one)
            if rng.random() < 0.2:
                sent.append(BookDelta(**{**one, "connection_id": "b", "received_at": at + 1}))
        if rng.random() < 0.1:
            sent.append(snapshot())
        if rng.random() < 0.1 and len(sent) > 2 and not sent[-1]["is_snapshot"] and not sent[-2]["is_snapshot"]:
            sent[-1], sent[-2] = sent[-2], sent[-1]
    sent.append(snapshot())
    return rule, sent, truth


@given(markets())
@examples(400)
def test_a_live_book_is_the_venues_and_is_live_again_after_a_snapshot(
    market: tuple[Rule, list[BookDelta], dict[int, tuple[Levels, Levels]]],
) -> None:
    """Whatever is lost, repeated, misdated or out of order, over restarts: each book published is true at its id, no reset is invented."""
    rule, sent, truth = market
    one, made = book(rule), list[tuple[str, Any]]()
    for place, each in enumerate(sent):
        now = feed(one, each)
        made += now
        if any(name == "book_snapshot" for name, _ in now):
            assert one.last_sequence is not None
            assert best(one) == truth[one.last_sequence]
        if place % 7 == 3:
            one = Book.load(one.dump(), BookSettings(every=1), rule)

    assert state_of(one) == "live"
    assert best(one) == truth[max(truth)]
    assert {cause for cause, _ in gaps(made)} <= {"snapshot"}
    assert gaps(made).count(("snapshot", "filled")) >= (1 if gaps(made) else 0)
