"""Numbers that begin again, and numbers that cannot be: no trade counts twice, and no missing trade is invented."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.builder import Builder, Uncounted
from processors.build_candles.intervals import NAMES
from processors.build_candles.settings import Settings
from processors.engine.seen import KEPT, Seen
from schemas.block_reader import Block
from tests.examples import examples
from tests.processors.build_candles.checkpoints import restarted
from tests.processors.build_candles.tape import LONG, SECOND, START, UNKNOWN, Print, block, blocks, newest, writer_of

MINUTE = 60 * SECOND
OPEN = MINUTE - START % MINUTE
"""Where the first whole minute of a tape begins."""
STRAY = 2**62
COLUMNS, ROWS = Settings(smallest=1), Settings(smallest=10**9)
both_ways = pytest.mark.parametrize("parameters", [COLUMNS, ROWS], ids=["columns", "rows"])


def count(number: int, *seconds: float) -> list[Print]:
    """Return trades numbered one after another, at these seconds after the first whole minute began."""
    return [Print(number + place, OPEN + int(second * SECOND)) for place, second in enumerate(seconds)]


def again(prints: list[Print], second: float) -> list[Print]:
    """Return the same trades as they come once more, later."""
    return [replace(one, after=OPEN + int(second * SECOND)) for one in prints]


def built(parts: list[Block], parameters: Settings) -> tuple[list[dict[str, Any]], list[Uncounted]]:
    """Return what is published in the end, the clock included, and what is told as not counted."""
    builder, candles, uncounted = Builder(writer_of, parameters), list[dict[str, Any]](), list[Uncounted]()
    for part in parts:
        made = builder.apply(part, START)
        candles += made.candles
        uncounted += made.uncounted
    builder.tick(START + LONG)
    return candles + builder.tick(START + 3 * LONG), uncounted


def candles(prints: list[Print], parameters: Settings, interval: str = "1m") -> dict[int, dict[str, Any]]:
    """Return the candles of an interval that stay, by the interval's place behind the first whole minute."""
    width = MINUTE if interval == "1m" else SECOND
    rows, uncounted = built([block(prints)], parameters)
    assert uncounted == []
    return {(key[3] - START - OPEN) // width: one for key, one in newest(rows).items() if key[2] == interval}


OLD = count(1_000_000, 0, 0.1, 0.2, 0.3, 0.4)


@both_ways
@pytest.mark.parametrize(
    ("prints", "trades"),
    [
        ([*OLD, *count(1, 1, 1.1, 1.2), *again(OLD[4:], 1.25), *count(4, 1.3, 1.4)], 10),
        ([*OLD, *count(5, 1), *again(OLD, 2)], 6),
        ([*OLD, *count(5, 1), *again(OLD, 2), *count(1_000_005, 3, 4), *count(5, 1)], 8),
        ([*OLD, *count(5000, 2), *count(5, 4), *again(OLD, 5)], 7),
        ([*OLD, *count(5000, 2, 2.1, 2.2), *count(5, 4, 4.1, 4.2), *again(OLD, 5), *again(count(5000, 2, 2.1, 2.2), 6)], 11),
        ([*count(1, 0, 1, 2), *count(1, 10, 11, 12), *count(1, 20, 21), *again(count(1, 0, 1, 2), 22), *count(3, 22)], 9),
        ([*OLD, *count(STRAY, 1), *count(1_000_005, 2, 3, 4), *again(count(STRAY, 1), 5), *again(OLD, 6)], 9),
    ],
    ids=["one old", "one absurd low", "it goes on", "two absurd low", "twice begun", "the same numbers thrice", "one absurd high"],
)
def test_an_old_trade_that_comes_again_is_not_counted_again(prints: list[Print], trades: int, parameters: Settings) -> None:
    """Whatever has become of the numbers since, a trade is looked for among those of its time."""
    assert candles(prints, parameters)[0]["trades"] == trades


@both_ways
def test_a_reset_makes_no_trade_missing(parameters: Settings) -> None:
    """The minute in which the count began again is unknown, far or near; its seconds are never said to lack what never was."""
    for old in (500, 1000, 1_000_000):
        prints = [*count(old, 0, 1, 2, 3, 4), *count(1, 20, 21, 22), *count(10, 23, 24, 25), *count(13, 70)]
        minute = candles(prints, parameters)[0]
        assert {name: minute[name] for name in UNKNOWN} == UNKNOWN
        missing = {second: one["missing_trades"] for second, one in candles(prints, parameters, "1s").items()}
        assert missing == {second: 6 if second in (22, 23) else 0 for second in missing}


@both_ways
@pytest.mark.parametrize("stray", [STRAY, 900, 5], ids=["far above", "near above", "far below"])
@pytest.mark.parametrize("at", [70, 119.9, 120], ids=["within", "last", "first"])
def test_a_stray_number_makes_no_trade_missing(stray: int, at: float, parameters: Settings) -> None:
    """Its own minute is unknown or partial, those around it are right again, and the newest is as it would be without it."""
    low = 10_000 if stray < 100 else 100
    prints = [*count(low, *range(int(at))), *count(stray, at), *count(low + int(at), *[at + 0.5 + one for one in range(300)])]
    made = candles(prints, parameters)
    whole = {minute: one["completeness"] for minute, one in made.items()}
    assert all(not one["missing_trades"] for one in [*made.values(), *candles(prints, parameters, "1s").values()])
    assert {whole[minute] for minute in range(3, max(whole))} == {"complete"}
    assert whole[max(whole)] == whole[0] == "partial"


@both_ways
def test_trades_that_a_stray_hid_are_missing_and_no_more(parameters: Settings) -> None:
    """Behind a stray the count goes on two numbers later: of these two the seconds beside them say that they are missing."""
    prints = [*count(100, 0, 1, 2, 3), *count(STRAY, 4), *count(106, 5, 6, 7, 8, 9)]
    made = candles(prints, parameters, "1s")
    assert {second: one["missing_trades"] for second, one in made.items() if one["missing_trades"]} == {3: 2, 5: 2}


@both_ways
def test_a_trade_of_an_epoch_that_is_not_kept_is_told(parameters: Settings) -> None:
    """It may have been counted, and is not counted again; one of an epoch that is kept is known."""
    epochs = [count(1, 10 * place, 10 * place + 1) for place in range(KEPT + 2)]
    prints = [one for epoch in epochs for one in epoch]
    rows, uncounted = built([block([*prints, *again(epochs[0], 200), *again(epochs[1], 201)])], parameters)
    assert [(one.offset, one.intervals) for one in uncounted] == [(len(prints), NAMES), (len(prints) + 1, NAMES)]
    assert next(one for key, one in newest(rows).items() if key[2] == "1d")["trades"] == len(prints)


def test_what_was_dumped_with_one_epoch_before_is_read() -> None:
    """Numbers of both epochs are known; a time older than the one before, where there were others, is forgotten."""
    seen = Seen(LONG)
    for number, time in ((1, 10), (2, 20), (1, 9_000), (2, 9_100)):
        seen.take(number, "", time * SECOND, time * SECOND, timed=True, offset=0, mark=0)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(seen.dump()))
    older = [state[0], state[1][0][0], state[1][0][1], 3, state[4]]
    for written, lost in ((state, 0), (older, 2)):
        now = Seen(LONG)
        now.load(written)
        times = [(1, 10), (2, 20), (1, 9_000), (2, 9_100), (1, 5)]
        verdicts = [now.take(number, "", at * SECOND, at * SECOND, timed=True, offset=0, mark=0)[0] for number, at in times]
        assert verdicts == [1, 1, 1, 1, 1 + lost // 2]


@st.composite
def wild(draw: st.DrawFn) -> list[Print]:
    """Draw trades of a venue whose count begins again, shows strays and holes, and whose trades come late and again."""
    prints: list[Print] = []
    number, clock = 10_000, 0
    for _ in range(draw(st.integers(2, 40))):
        clock += draw(st.sampled_from([0, 1, 700, 1_000, 100_000, 300_000, 1_500_000, 61 * SECOND, 3_700 * SECOND]))
        number += draw(st.sampled_from([1, 1, 1, 1, 2, 5]))
        what = draw(st.integers(0, 19))
        if what == 0:
            number = draw(st.sampled_from([1, 3, number - 3, number - 500, number - 1200, number + 5000, 10_000]))
        stray = what == 1
        its = draw(st.sampled_from([0, 5, 9_990, 10_020, number + 300, number + 2000, STRAY])) if stray else max(number, 0)
        late = draw(st.sampled_from([0] * 8 + [500, 400_000, 4 * SECOND]))
        ahead = draw(st.sampled_from([0] * 12 + [3 * SECOND, 6 * SECOND]))
        kind = draw(st.sampled_from(["normal"] * 9 + ["block"]))
        prints.append(Print(its, max(clock - late, 0) + ahead, after=clock + 1_000, kind=kind))
        more = draw(st.integers(0, 7))
        if more == 0:
            prints.append(replace(draw(st.sampled_from(prints)), after=clock + 2_000))
        elif more == 1 and len(prints) > 1:
            prints[-1], prints[-2] = prints[-2], prints[-1]
        elif more == 2:
            prints.append(Print(len(prints), clock, symbol="ETHUSDT"))
    return prints


@given(wild(), st.lists(st.integers(1, 50), max_size=6))
@examples(100)
def test_wild_numbers_give_the_same_rows_however_they_are_read(prints: list[Print], cuts: list[int]) -> None:
    """As columns or as rows, in one block, in some, or in as many as there are trades, started again between them: the same rows stay."""
    whole = _finals([block(prints)], ROWS)
    assert _finals([block(prints)], COLUMNS) == whole
    assert _finals(blocks(prints, cuts), COLUMNS) == whole
    assert _finals(blocks(prints, list(range(len(prints)))), ROWS) == whole
    assert _finals(blocks(prints, cuts), COLUMNS, restart=True) == whole


def _finals(parts: list[Block], parameters: Settings, *, restart: bool = False) -> tuple[Any, list[Uncounted]]:
    builder, rows, uncounted = Builder(writer_of, parameters), list[dict[str, Any]](), list[Uncounted]()
    entries: dict[str, bytes] = {}
    for part in parts:
        made = builder.apply(part, START + LONG)
        rows += made.candles
        uncounted += made.uncounted
        if restart:
            builder = restarted(builder, entries, parameters)
    return {key: one for key, one in newest(rows).items() if one["state"] != "provisional"}, sorted(uncounted, key=lambda one: one.offset)


@given(wild())
@examples(60)
def test_a_trade_with_its_own_time_is_never_counted_twice(prints: list[Print]) -> None:
    """Sent once more from the beginning, behind all others, wild trades add nothing to any candle."""
    timed = [one for one in prints if (one.at or 0) <= (one.after or 0) + 5 * SECOND]
    once, _ = built([block(timed)], COLUMNS)
    twice, _ = built([block([*timed, *again(timed, 500_000)])], COLUMNS)
    counts = [{key: one["trades"] for key, one in newest(rows).items()} for rows in (once, twice)]
    assert counts[0] == counts[1]
