"""What a candle says of its interval: proven by ids, never by luck, and told again when a neighbour proves more."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.builder import Builder
from processors.build_candles.intervals import NAMES, span
from processors.build_candles.settings import Settings
from tests.examples import examples
from tests.processors.build_candles.checkpoints import restarted
from tests.processors.build_candles.tape import LONG, SECOND, START, UNKNOWN, Print, block, blocks, newest, writer_of

MINUTE = 60 * SECOND
OPEN = MINUTE - START % MINUTE
"""Where the first whole minute of a tape begins."""
SETTINGS = Settings(smallest=1, ids=LONG, retention=dict.fromkeys(NAMES, LONG))


def told(prints: list[Print], minute: int = 0, interval: str = "1m") -> list[dict[str, Any]]:
    """Return what is published of a candle that is not open any more, the trades given one by one."""
    builder, made = Builder(writer_of, SETTINGS), list[dict[str, Any]]()
    for at, one in enumerate(prints):
        made += builder.apply(block([one], at), START + at * SECOND).candles
    opens = span(interval, START + OPEN + minute * MINUTE)[0]
    return [one for one in made if (one["interval"], one["open_time"]) == (interval, opens) and one["state"] != "provisional"]


def proof(candle: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a candle says of its completeness, times from the first whole minute on."""
    times = [None if candle[name] is None else candle[name] - START - OPEN for name in ("covered_from", "covered_to")]
    return candle["completeness"], candle["missing_trades"], *times


def at(number: int, second: float, **more: Any) -> Print:
    """Return a trade so many seconds after the first whole minute began."""
    return Print(number, OPEN + int(second * SECOND), **more)


def test_a_candle_whose_beginning_was_not_seen_is_partial() -> None:
    """Where the feed begins at :45 the minute says so, with the first moment that is known; the next one is complete."""
    prints = [at(7, 45), at(8, 50), at(9, 61), at(10, 100), at(11, 130), at(12, 200)]
    (first,), (second,) = told(prints), told(prints, 1)
    assert proof(first) == ("partial", 0, 45 * SECOND, MINUTE)
    assert proof(second) == ("complete", 0, None, None)


def test_an_open_candle_says_up_to_where_it_was_seen() -> None:
    """It is partial up to its last trade; a late one, told when the next interval's first is known, shows that it was seen to its end."""
    builder, made = Builder(writer_of, SETTINGS), list[dict[str, Any]]()
    for number, one in enumerate((at(7, 45), at(8, 50), at(10, 60.5), at(9, 55))):
        made += builder.apply(block([one], number), START + number * SECOND).candles
    minute = [one for one in made if (one["interval"], one["open_time"]) == ("1m", START + OPEN)]
    assert {one["state"] for one in minute} == {"provisional"}
    assert [proof(one) for one in minute] == [("partial", 0, 45 * SECOND, seen_to) for seen_to in (45 * SECOND, 50 * SECOND, MINUTE)]


def test_trades_fetched_later_complete_it() -> None:
    """The trades before are revisions as far as they are its own; the last one before the interval completes it, as no revision."""
    prints = [at(7, 45), at(8, 61), at(9, 130), at(6, 20, origin="rest"), at(5, -1, origin="rest")]
    made = told(prints)
    assert [(one["state"], one["revision"], one["version"], proof(one)) for one in made] == [
        ("final", 0, 5, ("partial", 0, 45 * SECOND, MINUTE)),
        ("revised", 1, 7, ("partial", 0, 20 * SECOND, MINUTE)),
        ("revised", 1, 9, ("complete", 0, None, None)),
    ]


def test_a_final_candle_waits_for_its_symbols_next_trade() -> None:
    """Final by the watermark of another symbol it is partial; the next trade, with the next id, completes it with a higher version."""
    other = Print(1, OPEN + 70 * SECOND, symbol="ETHUSDT")
    made = told([at(1, -1), at(2, 10), other, at(3, 3600)])
    assert [(one["state"], one["revision"], one["version"], proof(one)) for one in made] == [
        ("final", 0, 5, ("partial", 0, 0, 10 * SECOND)),
        ("final", 0, 7, ("complete", 0, None, None)),
    ]


def test_a_hole_at_the_edge_is_of_both_candles() -> None:
    """Ids missing between the last trade of a minute and the first of the next may be of either: both say all, until they come."""
    prints = [at(1, -1), at(2, 10), at(6, 70), at(7, 125), at(8, 200)]
    assert [proof(told(prints, minute)[-1]) for minute in (0, 1)] == [("incomplete", 3, None, None)] * 2
    filled = [*prints, at(4, 59), at(5, 60), at(3, 58)]
    assert [proof(told(filled, minute)[-1]) for minute in (0, 1)] == [("complete", 0, None, None)] * 2
    half = [*prints, at(3, 58), at(4, 60)]
    assert [proof(told(half, minute)[-1]) for minute in (0, 1)] == [("complete", 0, None, None), ("incomplete", 1, None, None)]


def test_a_hole_inside_is_counted_and_of_every_longer_candle() -> None:
    """Two ids missing within a minute are missing from it, from the hour around it, and from no other minute."""
    prints = [at(1, -1), at(2, 10), at(5, 30), at(6, 70), at(7, 130), at(8, 3700), at(9, 7300)]
    assert proof(told(prints)[-1]) == ("incomplete", 2, None, None)
    assert proof(told(prints, 1)[-1]) == ("complete", 0, None, None)
    hour = told(prints, interval="1h")[-1]
    assert (hour["completeness"], hour["missing_trades"]) == ("incomplete", 2)


def test_before_the_number_zero_there_is_nothing() -> None:
    """A symbol's first trade of all, numbered 0, proves the beginning of its candle; one numbered 1 does not."""
    assert proof(told([at(0, 10), at(1, 70), at(2, 130)])[-1]) == ("complete", 0, None, None)
    assert proof(told([at(1, 10), at(2, 70), at(3, 130)])[-1])[0] == "partial"


def test_ids_that_prove_nothing_make_it_unknown() -> None:
    """Where a venue does not count, or begins its count again within the interval, nothing is said of what is missing."""
    uncounted = [at(number, second, counted=False) for number, second in ((1, -1), (2, 10), (3, 70), (4, 130))]
    again = [at(50_001, -1), at(50_002, 10), at(1, 20), at(2, 70), at(3, 130)]
    for prints in (uncounted, again):
        assert {name: told(prints)[-1][name] for name in UNKNOWN} == UNKNOWN
    assert proof(told(again, 1)[-1]) == ("complete", 0, None, None)


def test_what_came_too_late_to_be_counted_completes_nothing() -> None:
    """A trade that came after its candle had been given up closes the hole of ids, and the candle still says that it is missing."""
    prints = [at(1, -1), at(2, 0.1), at(4, 0.3), at(5, 1.5), at(6, 4), at(7, 4 * 3600), at(3, 0.2)]
    builder, made = Builder(writer_of, Settings(smallest=1)), list[dict[str, Any]]()
    for number, one in enumerate(prints):
        made += builder.apply(block([one], number), START + number * SECOND).candles
    second = newest(made)["binance", "BTCUSDT", "1s", START + OPEN]
    assert (second["trades"], proof(second)) == (2, ("incomplete", 1, None, None))


@dataclass(frozen=True)
class History:
    """What a venue traded in truth, in order, and what was received of it, in the order it came."""

    truth: list[Print]
    received: list[Print]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw a symbol's trades, of which the first, the last and some between may be missing or come later, beside another symbol's."""
    clock, truth = 0, list[Print]()
    for number in range(draw(st.integers(2, 40))):
        clock += draw(st.sampled_from([0, 1, 200_000, 1_000_000, 7_000_000, 59_000_000, 61_000_000]))
        truth.append(Print(number + 100, clock))
    heard = truth[draw(st.integers(0, 5)) : len(truth) - draw(st.integers(0, 5))]
    lost = draw(st.sets(st.sampled_from(range(100, 140)), max_size=8))
    fetched = [one for one in truth if (one.number in lost or one not in heard) and draw(st.booleans())]
    received = [one for one in heard if one.number not in lost]
    for one in draw(st.permutations(fetched)):
        received.insert(draw(st.integers(0, len(received))), one)
    for number in range(draw(st.integers(0, 3))):
        other = Print(number, draw(st.sampled_from(truth)).at, symbol="ETHUSDT")
        received.insert(draw(st.integers(0, len(received))), other)
    return History(truth, received)


@given(histories(), st.lists(st.integers(1, 50), max_size=6), st.data())
@examples(150)
def test_what_is_said_of_completeness_is_true(history: History, places: list[int], data: st.DataObject) -> None:
    """Beside what the venue traded in truth nothing is said that is not so, and whatever could be proven is.

    Complete lacks nothing; incomplete lacks no more than it says, between the ends that were seen; partial nothing between them.
    """
    builder, published = Builder(writer_of, SETTINGS), list[dict[str, Any]]()
    entries: dict[str, bytes] = {}
    for part in blocks(history.received, places):
        published += builder.apply(part, START).candles
        if data.draw(st.booleans()):
            published += builder.tick(START + LONG)
        if data.draw(st.booleans()):
            builder = restarted(builder, entries, SETTINGS)
    published += builder.tick(START + LONG)
    published += builder.tick(START + 3 * LONG)
    got = {one.number: one for one in history.received if one.symbol == "BTCUSDT"}
    for (_, symbol, interval, start), candle in newest(published).items():
        if symbol == "BTCUSDT":
            _is_true(candle, history.truth, got, *span(interval, start))


def _is_true(candle: dict[str, Any], truth: list[Print], got: dict[int, Print], start: int, end: int) -> None:
    there = [one for one in truth if start <= one.time < end]
    missing = [one for one in there if one.number not in got]
    state, told_missing = candle["completeness"], candle["missing_trades"]
    seen_from, seen_to = candle["covered_from"] or start, candle["covered_to"] or end
    assert candle["trades"] == len(there) - len(missing)
    if state == "complete":
        assert not missing
    elif state == "partial":
        assert not [one for one in missing if seen_from < one.time < seen_to]
    else:
        assert told_missing > 0
        assert len([one for one in missing if seen_from < one.time < seen_to]) <= told_missing
    inside = [one.number for one in there if one.number in got]
    whole = all(number in got for number in range(min(inside) - 1, max(inside) + 2))
    assert (state == "complete") == whole
