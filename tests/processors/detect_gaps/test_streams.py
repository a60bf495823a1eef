"""Every hole is found with its range and cause, none is invented, and each ends."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.continuity import Step
from dialects.judge import SKEW
from processors.detect_gaps.holes import MOST_OPEN, MOST_PARTS
from processors.detect_gaps.streams import QUIET, Streams
from schemas.events import Gap
from tests.examples import examples
from tests.processors.detect_gaps.feeding import HOUR, SECOND, copy, feed, ledger, seen, streams, told

NOBODY = frozenset[str]()


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        ({}, "wire"),
        ({"lost": 2}, "ours"),
        ({"venue_lost": 2}, "wire"),
        ({"connection": "b"}, "reconnect"),
        ({"connection": "b", "lost": 1}, "reconnect"),
    ],
)
def test_a_jump_is_a_gap_with_its_cause(after: dict[str, Any], cause: str) -> None:
    """The same jump is ours when our frame counter jumped too, a reconnect's when the connection changed, else the wire's."""
    one = streams()
    feed(one, seen(5), seen(6, 10), seen(9, 20, **after))

    assert told(one.tick(20 + SECOND, NOBODY)) == [(7, 8, cause, "open")]
    assert told(one.tick(20 + 9 * SECOND, NOBODY)) == []


def test_the_first_event_opens_nothing() -> None:
    """Where a stream begins is where we begin to count; what came before, sent again, is no gap and no reset."""
    assert feed(streams(0), seen(1000), seen(990, 1), seen(991, 2), seen(1001, 3)) == []


def test_what_proves_nothing_is_not_kept() -> None:
    """A stream whose ids show no loss leaves no gap and no entry."""
    one = streams(0)

    assert feed(one, seen(1), seen(9, 1), venue="plain") == []
    assert one.dump() == {}


def test_out_of_order_is_no_gap() -> None:
    """What comes late but within the bound was only out of order."""
    one = streams()
    feed(one, seen(1), seen(4, 1), seen(3, 2), seen(2, 3), seen(5, 4))

    assert one.tick(10 * SECOND, NOBODY) == []


def test_what_comes_later_closes_the_gap() -> None:
    """A gap is filled when its last missing event is there, and says from where; each state has a higher version."""
    one = streams()
    made = feed(one, seen(1), seen(5, 10), seen(6, 2 * SECOND))
    made += feed(one, *(seen(n, 3 * SECOND, "backfill", time=5, sent="reply") for n in (3, 2)))
    assert told(made) == [(2, 4, "wire", "open")]

    made += feed(one, seen(4, 3 * SECOND, "backfill", time=5, sent="reply"))

    assert told(made[1:]) == [(2, 4, "wire", "filled")]
    assert made[1]["repair"] == "filled from backfill"
    assert made[1]["gap_id"] == made[0]["gap_id"]
    assert made[1]["version"] > made[0]["version"]
    assert (made[0]["from_time"], made[0]["to_time"]) == (0, 10)


def test_a_reply_does_not_move_the_feed_to_its_connection() -> None:
    """Trades fetched meanwhile are of no feed: the next hole on the same connection is the wire's, not a reconnect's."""
    one = streams(0)
    made = feed(one, seen(1), seen(2, 5, "backfill", sent="reply"), seen(5, 9))

    assert told(made + one.tick(10, NOBODY)) == [(3, 4, "wire", "open")]


def test_what_came_late_parts_a_gap() -> None:
    """Of a hole some of which came in time, only what is missing is announced."""
    one = streams()
    feed(one, seen(1), seen(10, 1), seen(5, 2))

    assert told(one.tick(2 * SECOND, NOBODY)) == [(2, 4, "wire", "open"), (6, 9, "wire", "open")]


def test_two_connections_overlapping_leave_no_gap() -> None:
    """At rotation both connections deliver the same trades; neither order makes a gap or a reset."""
    one = streams(0)
    made = feed(
        one, seen(1, 1), seen(2, 2), seen(2, 3, "b", time=2), seen(3, 4, "b"), seen(3, 5, time=4), seen(4, 6), seen(4, 7, "b", time=6)
    )

    assert made + one.tick(9 * SECOND, NOBODY) == []


@pytest.mark.parametrize("connection", ["a", "b"])
def test_numbers_begun_again_are_a_reset(connection: str) -> None:
    """Lower numbers, two in a row and later than all, are a new count on the same connection or another; then holes are told as before."""
    one = streams(0)
    made = feed(one, *(seen(900 + n, n) for n in range(3)))
    made += feed(one, *(seen(n, (5 + n) * SECOND, connection) for n in (1, 2, 3, 10)))
    made += one.tick(HOUR, NOBODY)

    assert told(made) == [(None, None, "venue_reset", "open"), (None, None, "venue_reset", "unfillable"), (4, 9, "wire", "open")]
    assert feed(one, seen(903, HOUR, "old", time=9)) == []


@pytest.mark.parametrize("ahead", [-20 * HOUR, 16 * SECOND, 20 * HOUR])
def test_one_wrong_time_hides_neither_a_reset_nor_a_loss(ahead: int) -> None:
    """A trade dated twenty hours ahead, then numbers that begin again with some missing: all is told."""
    one = streams()
    made = feed(one, *(seen(1000 + n, n * SECOND, time=n * SECOND + (ahead if n == 5 else 0)) for n in range(10)))
    made += feed(one, *(seen(n, (20 + n) * SECOND) for n in range(1, 600) if n not in {11, 12, 501}))

    assert told(made) == [
        (None, None, "venue_reset", "open"),
        (None, None, "venue_reset", "unfillable"),
        (11, 12, "wire", "open"),
        (501, 501, "wire", "open"),
    ]


@pytest.mark.parametrize("off", [-20 * HOUR, 20 * HOUR, 10**18])
def test_a_gap_is_never_asked_for_since_a_time_that_cannot_be(off: int) -> None:
    """Its times are those of the venue where receipt bears them out; else they are bounded by receipt, on the side that misses nothing."""
    begin, one = 100 * HOUR, streams(0)
    (gap,) = feed(one, seen(1, begin), seen(2, begin + SECOND, time=begin + off), seen(5, begin + 2 * SECOND), seen(6, begin + 3 * SECOND))
    assert (gap["from_time"], gap["to_time"]) == (begin + SECOND - SKEW, begin + 2 * SECOND)

    (gap,) = feed(one, seen(9, begin + 4 * SECOND, time=begin + off), seen(10, begin + 5 * SECOND))
    assert (gap["from_time"], gap["to_time"]) == (begin + 3 * SECOND, begin + 4 * SECOND)


def test_a_reset_names_no_trade_that_is_there_and_no_time_that_cannot_be() -> None:
    """Which numbers the old count had left nobody knows; where the new begins is said in words. Dated wrong, it ends with its receipt."""
    one = streams()
    made = feed(one, seen(900, SECOND), seen(17, 70 * SECOND, time=20 * HOUR), seen(18, 71 * SECOND, time=20 * HOUR))

    assert told(made) == [(None, None, "venue_reset", "open"), (None, None, "venue_reset", "unfillable")]
    assert made[-1]["repair"] == "the venue began its numbers again, with 17"
    assert [(gap["gap_id"], gap["from_time"], gap["to_time"]) for gap in made] == [("v|S|trade|reset|17|70000000", SECOND, 70 * SECOND)] * 2


def test_a_stray_number_at_an_absurd_time_is_taken_back() -> None:
    """Nobody asks for a trillion trades for a day: the hole goes when the numbers go on from before it."""
    one = streams()
    made = feed(one, seen(1), seen(10**15, 10, time=20 * HOUR), *(seen(n, n * 20_000) for n in (2, 3, 6)))

    assert told(made + one.tick(HOUR, NOBODY)) == [(4, 5, "wire", "open")]


def test_a_hole_of_the_old_count_ends_with_it_and_is_not_mixed_up_with_the_new() -> None:
    """A reset closes what was missing before it; the same numbers missing again are a gap of their own."""
    one = streams(0)
    made = feed(one, seen(1), seen(4, 10), seen(5, 20), seen(1, 9 * SECOND), seen(2, 10 * SECOND))
    made += feed(one, seen(2, 11 * SECOND, "backfill", time=12, sent="reply"), seen(5, 12 * SECOND), *one_by_one(6, 13 * SECOND))

    assert [(gap["from_sequence"], gap["to_sequence"], gap["cause"], gap["state"]) for gap in ledger(made).values()] == [
        (2, 3, "wire", "closed"),
        (None, None, "venue_reset", "unfillable"),
        (3, 4, "wire", "open"),
    ]
    again = feed(one, seen(1, 30 * SECOND), seen(2, 31 * SECOND), *one_by_one(3, 32 * SECOND))
    assert told(again)[-2:] == [(None, None, "venue_reset", "open"), (None, None, "venue_reset", "unfillable")]
    assert not {gap["gap_id"] for gap in again if gap["cause"] == "venue_reset"} & {gap["gap_id"] for gap in made}


def one_by_one(first: int, at: int) -> list[Step]:
    """Return two trades that let all that waits ripen."""
    return [seen(first, at), seen(first + 1, at + SECOND)]


def test_a_stray_number_is_neither_gap_nor_reset() -> None:
    """One absurd id, and the numbers go on from before it: nothing is missing, and what is missing afterwards is told."""
    one = streams()
    made = feed(one, seen(1), seen(10**15, 10), seen(2, 20_000), seen(3, 30_000), seen(6, 40_000))

    assert told(made + one.tick(HOUR, NOBODY)) == [(4, 5, "wire", "open")]


def test_a_stray_number_whose_gap_was_told_closes_it() -> None:
    """Where the market was too quiet to tell in time, the gap that was told is taken back."""
    one = streams()
    made = feed(one, seen(1), seen(10**15, 10)) + one.tick(SECOND + 10, NOBODY)
    made += feed(one, seen(2, 3 * SECOND), seen(3, 4 * SECOND))

    assert told(made) == [(2, 10**15 - 1, "wire", "open"), (2, 10**15 - 1, "wire", "closed")]


def test_a_snapshot_makes_up_for_missing_updates() -> None:
    """A hole in a book is told even when a snapshot closes it at once."""
    one = streams()
    made = feed(one, Step(1, 5, "a", 0, 0), Step(9, 12, "a", 10, 10), Step(11, 11, "a", 20, None, is_snapshot=True), channel="book")

    assert told(made) == [(6, 8, "wire", "open"), (6, 8, "wire", "filled")]
    assert one.tick(9 * SECOND, NOBODY) == []


def test_a_requested_snapshot_does_not_begin_or_move_the_feed() -> None:
    """Updates between the last delta and a snapshot that is ahead are still to come: they are missing only if they don't."""
    one = streams(0)
    snapshot = Step(20, 20, "a", 5, None, is_snapshot=True)
    assert feed(one, snapshot, Step(31, 32, "a", 6, 6), Step(33, 35, "a", 7, 7), channel="book") == []

    made = feed(one, Step(50, 50, "a", 8, None, is_snapshot=True), Step(36, 40, "a", 9, 9), Step(45, 60, "a", 10, 10), channel="book")

    assert told(made + one.tick(20, NOBODY)) == [(41, 44, "wire", "open")]


def test_a_linked_feed_without_loss_leaves_no_gap() -> None:
    """Ids that skip are no loss where each message names the one before: also over the quiet and the maintenance of OKX."""
    chain = [(-1, 10), (10, 15), (15, 15), (15, 3), (3, 5), (5, 90)]
    one = streams(0)
    made = feed(one, *(Step(n, n, "a", at, at, previous=p) for at, (p, n) in enumerate(chain)), channel="book", venue="okx")

    assert made + one.tick(HOUR, NOBODY) == []


def test_a_missing_link_is_a_gap_until_it_comes_or_a_snapshot_does() -> None:
    """A message whose predecessor never came opens a gap from the last to that; another connection's message fills it, or a snapshot."""
    one = streams(0)
    made = feed(
        one,
        *(Step(n, n, "a", at, at, previous=p) for at, (p, n) in enumerate([(-1, 10), (10, 15), (18, 20), (24, 30)])),
        channel="book",
        venue="okx",
    )
    made += one.tick(5, NOBODY)
    made += feed(one, Step(18, 18, "b", 6, 2, previous=15), Step(31, 31, "b", 9 * SECOND, 9, previous=-1), channel="book", venue="okx")
    made += one.tick(10 * SECOND, NOBODY)

    assert told(made) == [
        (16, 18, "wire", "open"),
        (21, 24, "wire", "open"),
        (16, 18, "wire", "filled"),
        (21, 24, "wire", "filled"),
        (31, 31, "reconnect", "open"),
        (31, 31, "reconnect", "filled"),
    ]


def test_a_pushed_snapshot_on_the_next_connection_tells_what_was_never_sent() -> None:
    """The updates between the last and a new connection's snapshot never came: told and filled by it, unless the old one brings them."""
    for late, wanted in (([], [(3, 5, "reconnect", "open"), (3, 5, "reconnect", "filled")]), ([3, 4, 5], [])):
        one = streams()
        made = feed(one, Step(1, 1, "a", 0, 0, is_snapshot=True), Step(2, 2, "a", 1, 1), channel="book", venue="bybit")
        made += feed(one, Step(5, 5, "b", 2, 2, is_snapshot=True), channel="book", venue="bybit")
        made += feed(one, *(Step(n, n, "a", 3, 2) for n in late), Step(6, 6, "b", 4, 4), channel="book", venue="bybit")
        assert told(made + one.tick(HOUR, NOBODY)) == wanted


def test_frames_that_we_lost_are_told_as_such_and_never_waited_for() -> None:
    """A jump of our own counter is open and at once unfillable, and nothing is kept of it."""
    one = streams()
    made = feed(one, *(Step(n, n, "a", n) for n in (1, 2, 5)), channel="frame", name="a") + one.tick(99 * HOUR, NOBODY)

    assert told(made) == [(3, 4, "ours", "open"), (3, 4, "ours", "unfillable")]
    assert list(one.open()) == []
    assert not one.streams["a"].holes


def test_a_connection_that_has_ended_leaves_nothing_behind() -> None:
    """When a connection closes, what waits of it is told at once, and its entry goes."""
    one = streams(9 * SECOND)
    feed(one, Step(1, 1, "a", 1), Step(3, 3, "a", 2), channel="frame", name="a")

    assert told(one.end("a", 3)) == [(2, 2, "ours", "open"), (2, 2, "ours", "unfillable")]
    assert one.dump() == {"stream|a": None}
    assert one.end("a", 4) == []


def test_what_others_have_ended_is_forgotten() -> None:
    """A gap that the backfill has given up is no longer open here, and trades that come of it afterwards change nothing."""
    one = streams(0)
    (gap,) = feed(one, seen(1), seen(5, 10), seen(6, 20))
    assert list(one.open()) == [("v", "trade")]

    assert one.tick(30, {gap["gap_id"]}) == []

    assert list(one.open()) == []
    assert feed(one, *(seen(n, 40, "backfill", time=5, sent="reply") for n in (2, 3, 4)), seen(7, 50)) == []
    assert not copy(one).streams["v|S|trade"].holes


def test_a_hole_of_which_nobody_speaks_ends_by_itself() -> None:
    """After a day a hole is closed, by a word that any other outranks: the backfill may have given it up meanwhile."""
    one = streams(0)
    (gap,) = feed(one, seen(1), seen(5, 10), seen(6, 20))
    (closed,) = one.tick(24 * HOUR + 10, NOBODY)

    assert (closed["gap_id"], closed["state"]) == (gap["gap_id"], "closed")
    assert gap["version"] + 1 < closed["version"] < 20
    assert list(one.open()) == []


def test_a_stream_of_nothing_but_holes_stays_small() -> None:
    """However many holes there are, or into how many parts one falls: state is bounded, and each gap ends."""
    one, made = streams(0), list[Gap]()
    for number in range(1, 6000, 2):
        made += feed(one, seen(number, number))
    made += one.tick(7000, NOBODY)
    states = [gap["state"] for gap in ledger(made).values()]

    assert (states.count("open"), states.count("closed")) == (MOST_OPEN, 2999 - MOST_OPEN)
    assert sum(len(data or b"") for data in one.dump().values()) < 20_000

    two = streams(0)
    feed(two, seen(1), seen(10**6, 1), seen(10**6 + 1, 2))
    feed(two, *(seen(number, 3, "backfill", time=0, sent="reply") for number in range(2, 10_000, 2)))
    (hole,) = two.streams["v|S|trade"].holes.open
    assert len(hole.missing) <= MOST_PARTS


def test_a_stream_that_has_ended_is_forgotten() -> None:
    """A symbol that was delisted, or a connection that went without a word, leaves no entry for ever."""
    one = streams()
    feed(one, seen(1, 5))
    one.dump()
    one.tick(QUIET + 5, NOBODY)
    assert one.dump() == {}
    one.tick(QUIET + 6, NOBODY)
    assert one.dump() == {"stream|v|S|trade": None}


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.integers(0, 2**32))
@examples(300)
def test_the_ledger_is_what_is_missing(numbers: list[int], seed: int) -> None:
    """Whatever comes in whatever order, however often, over restarts: the gaps still open are exactly the numbers that never came."""
    one, rng, at = streams(3), random.Random(seed), 0
    made = list[Gap]()
    for number in numbers:
        at += rng.randint(0, 3)
        made += feed(one, seen(number, at, time=0))
        if rng.random() < 0.2:  # a checkpoint and a new owner
            one = copy(one)
    made += one.tick(at + 10, NOBODY)

    missing = {
        number
        for gap in ledger(made).values()
        if gap["state"] == "open"
        for number in range(gap["from_sequence"] or 0, (gap["to_sequence"] or 0) + 1)
    }
    never = set(range(numbers[0], max(numbers) + 1)) - set(numbers)
    assert never <= missing
    assert still(one) == never


def still(one: Streams) -> set[int]:
    """Return the numbers that are still waited for."""
    return {n for entry in one.streams.values() for hole in entry.holes.open for a, b in hole.missing for n in range(a, b + 1)}


@given(st.lists(st.tuples(st.integers(2, 12), st.floats(0, 0.4)), min_size=1, max_size=5), st.integers(0, 2**32))
@examples(300)
def test_over_losses_reconnects_and_resets_every_gap_is_told_once_and_ends(epochs: list[tuple[int, float]], seed: int) -> None:
    """Counts that begin again, each with losses, repeats and wrong times: every loss and every reset once, nothing else, none for ever."""
    rng, one, made, at = random.Random(seed), streams(1000), list[Gap](), 0
    lost: list[tuple[int, int]] = []
    for epoch, (length, share) in enumerate(epochs):
        at, base = at + 10 * SECOND, 10_000 * (len(epochs) - epoch)
        kept = [n for n in range(length + 2) if n in {0, 1} or n == length + 1 or rng.random() >= share]
        for n in kept:
            at += 10_000
            ahead = (
                rng.choice([16 * SECOND, 20 * HOUR]) if n > 1 and rng.random() < 0.1 else 0
            )  # dated wrong, but for the two that tell a reset
            made += feed(one, seen(base + n, at, rng.choice("ab"), time=at + ahead))
            if rng.random() < 0.3:
                made += feed(one, seen(base + n, at + 1, "c", time=at + ahead))
        lost += [(base + a + 1, base + b - 1) for a, b in pairwise(kept) if b > a + 1]
        if rng.random() < 0.3:
            one = copy(one)
    made += one.tick(at + SECOND, NOBODY)
    made += one.tick(at + 25 * HOUR, NOBODY)

    final = ledger(made).values()
    assert sorted((g["from_sequence"], g["to_sequence"]) for g in final if g["cause"] != "venue_reset") == sorted(lost)
    assert sum(gap["cause"] == "venue_reset" for gap in final) == len(epochs) - 1
    assert {gap["state"] for gap in final} <= {"filled", "unfillable", "closed"}
    assert list(one.open()) == []


def test_state_is_small() -> None:
    """A stream in order costs tens of bytes in a checkpoint."""
    one = streams()
    feed(one, *(seen(number, number) for number in range(1000)))

    assert sum(len(data or b"") for data in one.dump().values()) < 100
