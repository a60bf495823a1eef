"""Read again, at once and much later, the same trades make the same rows, with the settings as they are by default."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from processors.build_candles.builder import Builder
from processors.build_candles.settings import Settings
from tests.examples import examples
from tests.processors.build_candles.checkpoints import keep
from tests.processors.build_candles.tape import LONG, SECOND, START, Print, block, blocks, newest, tapes, writer_of

cuts = st.lists(st.integers(1, 50), max_size=6)
pauses = st.lists(st.sampled_from([0, SECOND, 12 * SECOND, 90 * SECOND, 4000 * SECOND, LONG]), min_size=7, max_size=7)
"""How long nothing comes after each of the blocks that `cuts` make; then the clock ticks."""
TWO_HOURS_LATER = [Print(1, 0), Print(1, 7_700 * SECOND, symbol="ETHUSDT"), Print(2, 7_700 * SECOND)]
"""A trade of a quiet symbol moves the watermark to an hour in which the second of the other's first trade is final, and given up."""
SETTINGS = Settings(smallest=1)


@given(tapes(), cuts, cuts, pauses)
@example(TWO_HOURS_LATER, [], [2], [0] * 7)
@examples(100)
def test_rewound_the_rows_are_the_same(prints: list[Print], places: list[int], others: list[int], quiet: list[int]) -> None:
    """The rows that stay are equal in state, revision, completeness, version and all.

    The first time the clock ticks between any two blocks, early or late; rewound it ticks once, when all is read.
    """
    first, rewound = Builder(writer_of, SETTINGS), Builder(writer_of, SETTINGS)
    live, again = list[dict[str, Any]](), list[dict[str, Any]]()
    time = START
    for part, pause in zip(blocks(prints, places), quiet, strict=False):
        live += first.apply(part, time).candles
        time += pause
        live += first.tick(time)
    for part in blocks(prints, others):
        again += rewound.apply(part, time + LONG).candles
    last = time + 3 * LONG
    live += first.tick(last)
    again += rewound.tick(last)
    assert newest(live) == newest(again)


@given(tapes(), cuts, cuts, pauses, st.lists(st.booleans(), min_size=7, max_size=7), st.booleans())
@examples(100)
def test_rewound_among_its_own_rows_it_changes_none(
    prints: list[Print], places: list[int], others: list[int], quiet: list[int], restarts: list[bool], forget: bool
) -> None:
    """With its memory or without, what it publishes when it reads all again leaves each row in the table as it was.

    It has been started again meanwhile, and ends without a last checkpoint. The stage before it was rewound too: so every trade comes
    a second time behind all others, and the clock ticks before those have come.
    """
    builder, entries, table = Builder(writer_of, SETTINGS), dict[str, bytes](), list[dict[str, Any]]()
    time = START
    for part, pause, restart in zip(blocks(prints, places), quiet, restarts, strict=False):
        table += builder.apply(part, time).candles
        time += pause
        table += builder.tick(time)
        if restart:
            keep(builder.changes(), entries)
            builder = Builder(writer_of, SETTINGS)
            builder.restore(entries)
    time += 3 * LONG
    table += builder.tick(time)  # a builder just restored has heard of no venue yet, and begins to wait
    table += builder.tick(time + LONG)
    before = newest(table)
    rewound = Builder(writer_of, SETTINGS)
    if not forget:
        rewound.restore(entries)
    time += 2 * LONG
    for part in blocks([*prints, *prints], [*others, len(prints)]):
        table += rewound.apply(part, time).candles
        table += rewound.tick(time)
        time += LONG
    table += rewound.tick(time)
    assert newest(table) == before


def test_what_the_clock_said_is_taken_back() -> None:
    """A trade of a candle that the clock made final opens it again; the watermark then makes it final, as if the clock had not spoken."""
    builder = Builder(writer_of, SETTINGS)
    made = builder.apply(block([Print(1, 0)]), START).candles
    made += builder.tick(START + 20 * SECOND)
    made += builder.apply(block([Print(2, 10)], 1), START + 21 * SECOND).candles
    made += builder.apply(block([Print(3, 5 * SECOND)], 2), START + 22 * SECOND).candles
    told = [(one["state"], one["revision"], one["version"], one["trades"]) for one in made if one["open_time"] == START]
    assert told == [("provisional", 0, 0, 1), ("final", 0, 1, 1), ("provisional", 0, 2, 2), ("final", 0, 5, 2)]


def test_a_tick_while_a_backlog_is_read_leaves_no_trace() -> None:
    """Ticks between the blocks of a backlog, with a wall clock far later than its trades, change no row that stays."""
    prints = [Print(number, number * SECOND // 2) for number in range(400)]
    whole, ticked = Builder(writer_of, Settings()), Builder(writer_of, Settings())
    at_once, slowly = whole.apply(block(prints), START + LONG).candles, list[dict[str, Any]]()
    for number, part in enumerate(blocks(prints, list(range(7, 400, 7)))):
        slowly += ticked.apply(part, START + LONG).candles
        slowly += ticked.tick(START + LONG + number * 20 * SECOND)
    assert newest(at_once + whole.tick(START + 3 * LONG)) == newest(slowly + ticked.tick(START + 3 * LONG))
