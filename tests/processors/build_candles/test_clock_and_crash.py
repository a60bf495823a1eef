"""Candles that the clock made final, and then a crash: what came after is in the checkpoint too."""

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.build_candles.builder import Builder
from processors.build_candles.settings import Settings
from tests.processors.build_candles.tape import SECOND, START, Print, blocks, expected, newest, read, tapes, writer_of

QUIET = 400 * 86_400 * SECOND
"""Long enough for every open candle to be made final by the clock."""


@given(tapes(), st.lists(st.integers(1, 50), max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_a_crash_after_the_clock_made_candles_final_loses_no_trade(prints: list[Print], places: list[int], data: st.DataObject) -> None:
    """Whatever was final by the clock before its last trades came, a state restored from a checkpoint holds all that is acknowledged."""
    builder, entries, published = Builder(writer_of, Settings(smallest=1)), dict[str, bytes](), []
    time = START
    for part in blocks(prints, places):
        published += builder.apply(part, time).candles
        if data.draw(st.booleans()):
            time += QUIET
            published += builder.tick(time)
        if data.draw(st.booleans()):
            for key, value in builder.changes():
                if value is None:
                    entries.pop(key, None)
                else:
                    entries[key] = value
            builder = Builder(writer_of, Settings(smallest=1))
            builder.restore(entries)
        published += builder.tick(time)
    published += builder.tick(time + QUIET)
    for (venue, symbol, interval, start), candle in newest(published).items():
        content = read(candle)
        wanted = expected(prints, venue, symbol, interval, start)
        assert {name: content[name] for name in wanted} == wanted
