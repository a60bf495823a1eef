"""The judge of continuity: every venue's documented rule as a chain with its verdicts, and what must never look like a loss or a reset."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from dialects import rules
from dialects.continuity import NONE, Finding, Join, Place, Rule, Step
from dialects.judge import SKEW, begin, joins, judge

NEXT, REPEAT, HOLE, SUSPECT, RESET, RETURN = Finding
SECOND = 1_000_000
HOUR = 3600 * SECOND


def chain(rule: Rule, steps: Iterable[Step]) -> list[tuple[Any, ...]]:
    """Return the verdict of each step: its finding, and for a hole what is missing."""
    found: list[tuple[Any, ...]] = []
    place: Place | None = None
    for step in steps:
        verdict = judge(rule, place, step)
        place = verdict.place
        missing = (verdict.first, verdict.last)
        found.append((verdict.finding, *missing) if verdict.finding is HOLE or missing != (None, None) else (verdict.finding,))
    return found


def counted(*numbers: int, **more: Any) -> list[Step]:
    """Return trades by id, a second apart."""
    return [Step(number, number, "a", at * SECOND, at * SECOND, **more) for at, number in enumerate(numbers)]


def seen(number: int, at: int, connection: str = "a") -> Step:
    """Return one trade, received at its own time."""
    return Step(number, number, connection, at, at)


def ranges(*spans: tuple[int, int], **more: Any) -> list[Step]:
    """Return deltas by first and last update id, 100 milliseconds apart."""
    return [Step(first, last, "a", at * 100_000, at * 100_000, **more) for at, (first, last) in enumerate(spans)]


def linked(*links: tuple[int, int], at: int = 0, connection: str = "a") -> list[Step]:
    """Return messages by predecessor and id, 100 milliseconds apart; a predecessor of -1 marks a snapshot, as OKX has it."""
    times = [(at + place) * 100_000 for place in range(len(links))]
    return [Step(last, last, connection, time, time, previous=previous) for time, (previous, last) in zip(times, links, strict=True)]


def snapshot(last: int | None, at: int, connection: str = "a", time: int | None = None) -> Step:
    """Return a snapshot that ends at an id."""
    return Step(last, last, connection, at, time, is_snapshot=True)


TABLE: list[tuple[str, Rule, list[Step], list[tuple[Any, ...]]]] = [
    ("trades in order", rules.TRADES_COUNTED, counted(1, 2, 3), [(NEXT,), (NEXT,), (NEXT,)]),
    ("trades with a jump", rules.TRADES_COUNTED, counted(1, 2, 5, 6), [(NEXT,), (NEXT,), (HOLE, 3, 4), (NEXT,)]),
    (
        "Binance spot: U is the last u + 1, and may overlap where another connection cuts the same updates otherwise",
        rules.BINANCE_SPOT_BOOK,
        ranges((157, 160), (161, 165), (163, 170), (171, 171)),
        [(NEXT,), (NEXT,), (NEXT,), (NEXT,)],
    ),
    (
        "Binance spot: U above the last u + 1",
        rules.BINANCE_SPOT_BOOK,
        ranges((157, 160), (163, 165), (166, 170)),
        [(NEXT,), (HOLE, 161, 162), (NEXT,)],
    ),
    (
        "Binance futures: pu is the last u, ids skip",
        rules.BINANCE_FUTURES_BOOK,
        [Step(105, 120, "a", 1, 1, previous=90), Step(131, 140, "a", 2, 2, previous=120), Step(160, 170, "a", 3, 3, previous=155)],
        [(NEXT,), (NEXT,), (HOLE, 141, 155)],
    ),
    (
        "OKX's own example: snapshot (-1,10), (10,15), no change (15,15), maintenance (15,3), (3,5)",
        rules.OKX_BOOK,
        linked((-1, 10), (10, 15), (15, 15), (15, 3), (3, 5)),
        [(NEXT,)] * 5,
    ),
    ("OKX: a link is missing", rules.OKX_BOOK, linked((-1, 10), (10, 15), (21, 30), (30, 31)), [(NEXT,), (NEXT,), (HOLE, 16, 21), (NEXT,)]),
    (
        "OKX: the message of the maintenance is lost, the chain goes on below",
        rules.OKX_BOOK,
        linked((-1, 10), (10, 15)) + linked((3, 5), (5, 8), (8, 9), at=50),
        [(NEXT,), (NEXT,), (SUSPECT,), (RESET,), (NEXT,)],
    ),
    (
        "OKX: the other connection repeats what came before the maintenance",
        rules.OKX_BOOK,
        linked((-1, 10), (10, 15), (15, 3)) + linked((10, 15), at=1, connection="b") + linked((15, 3), at=2, connection="b"),
        [(NEXT,), (NEXT,), (NEXT,), (REPEAT,), (REPEAT,)],
    ),
    (
        "Deribit: prev_change_id is the last change_id",
        rules.DERIBIT_BOOK,
        [snapshot(297217, 1), *linked((297217, 297218), (297218, 297219), (297222, 297225))],
        [(NEXT,), (NEXT,), (NEXT,), (HOLE, 297220, 297222)],
    ),
    (
        "Bybit: u by one; u = 1 is the snapshot of a restart",
        rules.BYBIT_BOOK,
        [snapshot(100, 1), *ranges((101, 101), (102, 102)), snapshot(1, 9, time=9), Step(2, 2, "a", 10, 10)],
        [(NEXT,), (NEXT,), (NEXT,), (RESET,), (NEXT,)],
    ),
    ("Bybit: u jumps on a delta", rules.BYBIT_BOOK, [snapshot(100, 1), *ranges((104, 104))], [(NEXT,), (HOLE, 101, 103)]),
    (
        "a pushed snapshot ahead: the updates between were never sent",
        rules.BYBIT_BOOK,
        [snapshot(100, 1), snapshot(120, 2, "b"), Step(121, 121, "b", 3, 3)],
        [(NEXT,), (HOLE, 101, 120), (NEXT,)],
    ),
    (
        "Bybit level 1: each is a snapshot, and the same u comes again after three seconds without change",
        rules.BYBIT_BOOK_LEVEL_1,
        [snapshot(7, 1), snapshot(7, 2), snapshot(9, 3)],
        [(NEXT,)] * 3,
    ),
    (
        "Coinbase Exchange full: sequence by one per product",
        rules.COINBASE_FULL,
        ranges((50, 50), (51, 51), (54, 54)),
        [(NEXT,), (NEXT,), (HOLE, 52, 53)],
    ),
    (
        "Coinbase Advanced: sequence_num spans a connection and begins anew with the next",
        rules.COINBASE_ADVANCED,
        [Step(n, n, c, at) for at, (n, c) in enumerate([(0, "a"), (1, "a"), (3, "a"), (3, "a"), (0, "b"), (1, "b")])],
        [(NEXT,), (NEXT,), (HOLE, 2, 2), (REPEAT,), (NEXT,), (NEXT,)],
    ),
    (
        "Coinbase Advanced: what the connection has lost is missing from each of its streams",
        rules.COINBASE_ADVANCED,
        [snapshot(None, 1), Step(None, None, "a", 2), Step(None, None, "a", 3, venue_lost=2), Step(None, None, "a", 4, venue_lost=2)],
        [(NEXT,), (NEXT,), (HOLE, None, None), (NEXT,)],
    ),
    (
        "Kraken: a book goes on on its own connection, another's updates are not its own",
        rules.KRAKEN_BOOK,
        [snapshot(None, 1), Step(None, None, "a", 2), Step(None, None, "b", 3), snapshot(None, 4, "b"), Step(None, None, "b", 5)],
        [(NEXT,), (NEXT,), (REPEAT,), (NEXT,), (NEXT,)],
    ),
    (
        "Kraken: what was lost on the connection may be the book's, at levels that the checksum does not cover",
        rules.KRAKEN_BOOK,
        [snapshot(None, 1), Step(None, None, "a", 2, frames_lost=1)],
        [(NEXT,), (HOLE, None, None)],
    ),
    (
        "Kraken: the connection has gone, and another speaks whose snapshot never came",
        rules.KRAKEN_BOOK,
        [snapshot(None, 1), Step(None, None, "b", 20 * SECOND)],
        [(NEXT,), (HOLE, None, None)],
    ),
    ("Hyperliquid: each message is the whole", rules.HYPERLIQUID_BOOK, [snapshot(None, 1), snapshot(None, 9, "b")], [(NEXT,), (NEXT,)]),
    ("opaque ids prove nothing", NONE, counted(7, 3, 900), [(NEXT,)] * 3),
    (
        "numbers begin again on the same connection",
        rules.TRADES_COUNTED,
        counted(500, 501, 502, 1, 2, 3, 10),
        [(NEXT,), (NEXT,), (NEXT,), (SUSPECT,), (RESET,), (NEXT,), (HOLE, 4, 9)],
    ),
    (
        "numbers begin again and the second is lost",
        rules.TRADES_COUNTED,
        counted(500, 1, 3, 4),
        [(NEXT,), (SUSPECT,), (RESET, 2, 2), (NEXT,)],
    ),
    ("one low id is no reset", rules.TRADES_COUNTED, counted(500, 1, 501, 502), [(NEXT,), (SUSPECT,), (NEXT,), (NEXT,)]),
    (
        "one absurd id is neither a reset nor a hole",
        rules.TRADES_COUNTED,
        counted(500, 10**15, 501, 502, 503),
        [(NEXT,), (HOLE, 501, 10**15 - 1), (SUSPECT,), (RETURN,), (NEXT,)],
    ),
    (
        "one absurd id, and the one after it is lost",
        rules.TRADES_COUNTED,
        counted(500, 10**15, 502, 503, 504),
        [(NEXT,), (HOLE, 501, 10**15 - 1), (SUSPECT,), (RETURN, 501, 501), (NEXT,)],
    ),
    (
        "the REST reply of old trades is no reset",
        rules.TRADES_COUNTED,
        [*counted(500, 501), *(Step(n, n, "r", 9 * SECOND, (2 + n) * SECOND, sent="reply") for n in (1, 2, 3)), *counted(502)],
        [(NEXT,), (NEXT,), (REPEAT,), (REPEAT,), (REPEAT,), (NEXT,)],
    ),
    (
        "history sent again at subscription is no reset",
        rules.TRADES_COUNTED,
        [*counted(500, 501), *(Step(n, n, "b", 9 * SECOND, (2 + n) * SECOND, sent="history") for n in (1, 2)), *counted(502)],
        [(NEXT,), (NEXT,), (REPEAT,), (REPEAT,), (NEXT,)],
    ),
    (
        "a reply that is ahead of the feed proves nothing of the feed",
        rules.TRADES_COUNTED,
        [*counted(500), Step(700, 700, "r", 9, 9, sent="reply"), *counted(501)],
        [(NEXT,), (REPEAT,), (NEXT,)],
    ),
    (
        "the old connection's last words, after a reset, are the old count's",
        rules.TRADES_COUNTED,
        [*counted(500, 501, 502, 1, 2), Step(503, 503, "old", 5 * SECOND, 2 * SECOND), Step(3, 3, "a", 6 * SECOND, 6 * SECOND)],
        [(NEXT,), (NEXT,), (NEXT,), (SUSPECT,), (RESET,), (REPEAT,), (NEXT,)],
    ),
    (
        "a snapshot by request agrees with the suspect: update ids begin again",
        rules.BINANCE_SPOT_BOOK,
        [*ranges((1000, 1010)), Step(51, 55, "b", 600 * SECOND, 600 * SECOND), snapshot(60, 601 * SECOND), Step(61, 61, "b", 602 * SECOND)],
        [(NEXT,), (SUSPECT,), (RESET,), (NEXT,)],
    ),
    (
        "a snapshot by request that lags behind the feed is no reset",
        rules.BINANCE_SPOT_BOOK,
        [*ranges((1000, 1010)), snapshot(1005, 1), *ranges((1011, 1012))],
        [(NEXT,), (REPEAT,), (NEXT,)],
    ),
]


@pytest.mark.parametrize(("rule", "steps", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_chain_is_judged_as_its_venue_says(rule: Rule, steps: list[Step], wanted: list[tuple[Any, ...]]) -> None:
    """Each rule's own example, each exception it names, and one discontinuity at least, has the verdicts its page says."""
    assert chain(rule, steps) == wanted


def delta(first: int, last: int, previous: int | None = None) -> Step:
    """Return one delta."""
    return Step(first, last, "a", 1, 1, previous=previous)


@pytest.mark.parametrize(
    ("rule", "last", "step", "wanted"),
    [
        (rules.BINANCE_SPOT_BOOK, 160, delta(150, 159), Join.COVERED),
        (rules.BINANCE_SPOT_BOOK, 160, delta(150, 160), Join.COVERED),
        (rules.BINANCE_SPOT_BOOK, 160, delta(157, 165), Join.JOINS),
        (rules.BINANCE_SPOT_BOOK, 160, delta(161, 165), Join.JOINS),
        (rules.BINANCE_SPOT_BOOK, 160, delta(162, 165), Join.TOO_OLD),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(150, 159, 140), Join.COVERED),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(150, 160, 140), Join.JOINS),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(157, 165, 140), Join.JOINS),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(170, 175, 160), Join.JOINS),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(170, 175, 155), Join.JOINS),
        (rules.BINANCE_FUTURES_BOOK, 160, delta(170, 175, 168), Join.TOO_OLD),
        (rules.OKX_BOOK, 10, delta(15, 15, 10), Join.JOINS),
        (rules.OKX_BOOK, 10, delta(9, 9, 8), Join.COVERED),
        (rules.OKX_BOOK, 10, delta(15, 15, 12), Join.TOO_OLD),
        (rules.BYBIT_BOOK, 10, delta(11, 11), Join.JOINS),
        (rules.BYBIT_BOOK, 10, delta(10, 10), Join.COVERED),
        (rules.BYBIT_BOOK, 10, delta(12, 12), Join.TOO_OLD),
    ],
)
def test_a_delta_joins_a_snapshot_as_its_venue_says(rule: Rule, last: int, step: Step, wanted: Join) -> None:
    """The first delta behind a snapshot, one within it, and one that shows the snapshot to be too old, at their very borders."""
    assert joins(rule, last, step) is wanted


def test_a_linked_chain_goes_on_from_a_requested_snapshot() -> None:
    """The first delta behind a requested snapshot begins within it; only those after it name their predecessor."""
    rule = rules.BINANCE_FUTURES_BOOK
    steps = [snapshot(160, 1), delta(140, 150, 130), delta(151, 170, 150), delta(180, 190, 170), delta(195, 200, 192)]

    assert chain(rule, steps) == [(NEXT,), (REPEAT,), (NEXT,), (NEXT,), (HOLE, 191, 192)]


def test_where_the_venue_gives_no_time_a_reset_is_seen_by_receipt() -> None:
    """Without a time of the event, or with one that cannot be, only what comes a minute after all else may begin a new count."""
    for time in (None, 10**18):
        early = [Step(n, n, "a", at, time) for n, at in ((9, 0), (1, 2 * SECOND), (2, 3 * SECOND))]
        late = [Step(n, n, "a", at, time) for n, at in ((9, 0), (1, 61 * SECOND), (2, 62 * SECOND))]
        assert chain(rules.TRADES_COUNTED, early) == [(NEXT,), (REPEAT,), (REPEAT,)]
        assert chain(rules.TRADES_COUNTED, late) == [(NEXT,), (SUSPECT,), (RESET,)]


WRONG = [-20 * HOUR, 16 * SECOND, HOUR, 20 * HOUR, 10**18]
"""How far a venue's time may lie from the truth, where receipt shows it to be wrong."""


def wrong(step: Step, by: int) -> Step:
    """Return a step whose time lies."""
    return msgspec.structs.replace(step, event_time=step.received_at + by)


@pytest.mark.parametrize("by", WRONG)
@pytest.mark.parametrize("rule", [rules.TRADES_COUNTED, rules.BINANCE_SPOT_BOOK])
def test_one_wrong_time_hides_neither_a_reset_nor_a_loss(rule: Rule, by: int) -> None:
    """Early in the old count, at its very end, or within the new one: the reset is told at its second step, and the hole after."""
    old, new = counted(500, 501, 502, 503), [seen(n, at * SECOND) for at, n in enumerate((1, 2, 3, 10), start=10)]
    wanted = [(SUSPECT,), (RESET,), (NEXT,), (HOLE, 4, 9)]

    for place in (0, 1, 3):
        told = [wrong(step, by) if at == place else step for at, step in enumerate(old)]
        assert chain(rule, [*told, *new]) == [(NEXT,)] * 4 + wanted
    for place in (2, 3):
        told = [wrong(step, by) if at == place else step for at, step in enumerate(new)]
        if by > 0 or place == 2:  # a hole shown by a step that says it is of the old count waits for the next
            assert chain(rule, [*old, *told]) == [(NEXT,)] * 4 + wanted


@pytest.mark.parametrize("by", WRONG)
def test_one_absurd_id_at_an_absurd_time_is_a_stray(by: int) -> None:
    """The numbers that go on from before it are later than what stands behind it, whatever time that names."""
    steps = counted(500, 10**15, 501, 502, 503)
    steps[1] = wrong(steps[1], by)

    assert chain(rules.TRADES_COUNTED, steps) == [(NEXT,), (HOLE, 501, 10**15 - 1), (SUSPECT,), (RETURN,), (NEXT,)]


@pytest.mark.parametrize("ahead", [-2 * HOUR, -SKEW, 2 * SECOND, SKEW])
def test_a_clock_that_is_off_by_a_little_or_behind_tells_as_a_right_one(ahead: int) -> None:
    """Ours and the venue's may differ: a reset is seen by the venue's own times, ahead by up to SKEW, behind by anything."""
    steps = [wrong(step, ahead) for step in counted(500, 501, 1, 2, 5)]

    assert chain(rules.TRADES_COUNTED, steps) == [(NEXT,), (NEXT,), (SUSPECT,), (RESET,), (HOLE, 3, 4)]


@pytest.mark.parametrize("by", [-HOUR, SKEW + 1, HOUR])
@pytest.mark.parametrize("connection", ["a", "b"])
def test_a_new_count_at_times_that_cannot_be_is_seen_by_receipt(by: int, connection: str) -> None:
    """A clock that goes wrong with the reset itself hides it for a minute at most, and then its holes are told."""
    old = [Step(n, n, "a", at * SECOND, at * SECOND) for at, n in enumerate((500, 501), start=7200)]
    new = [wrong(Step(n, n, connection, (7200 + 10 * n) * SECOND), by) for n in (1, 2, 7, 8, 9, 12)]

    assert chain(rules.TRADES_COUNTED, [*old, *new])[2:] == [(REPEAT,), (REPEAT,), (SUSPECT,), (RESET,), (NEXT,), (HOLE, 10, 11)]


def test_a_clock_that_drifts_past_what_is_supported_is_no_reset() -> None:
    """What one connection brings is just not supported, what another brings of the same a little later is: still a repeat."""
    for ahead in (SKEW - 20_000, SKEW + 20_000, SKEW + 3 * SECOND):
        for late in (50_000, SECOND, 4 * SECOND):
            first = [Step(n, n, "a", n * 100_000, n * 100_000 + ahead + (n % 3) * 10_000) for n in range(60)]
            again = [msgspec.structs.replace(one, connection_id="b", received_at=one.received_at + late) for one in first]
            steps = sorted([*first, *again], key=lambda one: one.received_at)
            assert {row[0] for row in chain(rules.TRADES_COUNTED, steps)} == {NEXT, REPEAT}


def test_what_was_held_up_on_a_connection_is_no_reset() -> None:
    """After our machine has slept, a second connection brings what the first had brought before, minutes after its time: repeats."""
    steps = counted(1, 2, 3)
    late = [Step(n, n, "b", 900 * SECOND, n * SECOND - SECOND) for n in (2, 3)]

    assert chain(rules.TRADES_COUNTED, [*steps, *late, seen(4, 901 * SECOND)]) == [(NEXT,)] * 3 + [(REPEAT,)] * 2 + [(NEXT,)]


def test_a_pushed_snapshot_at_a_time_that_cannot_be_hides_nothing() -> None:
    """Bybit, a new connection with lower ids whose snapshot is twenty hours ahead: its deltas tell the reset, and what is lost of them."""
    steps = [snapshot(1000, 1, time=1), Step(1001, 1001, "a", 2, 2), snapshot(50, 9 * SECOND, "b", time=20 * HOUR)]
    steps += [seen(n, at * SECOND, "b") for at, n in ((11, 51), (12, 52), (13, 57))]

    assert chain(rules.BYBIT_BOOK, steps) == [(NEXT,), (NEXT,), (REPEAT,), (SUSPECT,), (RESET,), (HOLE, 53, 56)]


def test_a_maintenance_of_a_linked_chain_after_a_wrong_time_blinds_nobody() -> None:
    """OKX goes on below itself right after a time that was ahead: what is missing next is told, not taken for the old count's."""
    steps = linked((-1, 10), (10, 15), (15, 3), (4, 5))
    steps[1] = wrong(steps[1], 8 * SECOND)

    assert chain(rules.OKX_BOOK, steps) == [(NEXT,), (NEXT,), (NEXT,), (HOLE, 4, 4)]


def test_a_place_begun_by_request_waits_to_be_joined() -> None:
    """A pushed snapshot is joined by its own feed; a requested one only when a delta goes on from it."""
    assert begin(rules.BYBIT_BOOK, snapshot(9, 1)).joined
    assert not begin(rules.BINANCE_SPOT_BOOK, snapshot(9, 1)).joined


def test_every_rule_names_its_source() -> None:
    """Each rule of a venue names the page it is from."""
    named = {name: one for name, one in vars(rules).items() if isinstance(one, Rule)}
    assert [name for name, one in named.items() if not one.source and name != "FRAMES"] == []
