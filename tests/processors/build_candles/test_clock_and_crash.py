"""Candles that the clock made final, and then a crash: what came after is in the checkpoint too."""

from hypothesis import given
from hypothesis import strategies as st

from processors.build_candles.builder import Builder
from processors.build_candles.intervals import NAMES
from processors.build_candles.settings import Settings
from tests.examples import examples
from tests.processors.build_candles.checkpoints import restarted
from tests.processors.build_candles.tape import LONG, START, Print, agrees, blocks, newest, tapes, writer_of

SETTINGS = Settings(smallest=1, ids=LONG, retention=dict.fromkeys(NAMES, LONG))


@given(tapes(), st.lists(st.integers(1, 50), max_size=6), st.data())
@examples(60)
def test_a_crash_after_the_clock_made_candles_final_loses_no_trade(prints: list[Print], places: list[int], data: st.DataObject) -> None:
    """Whatever was final by the clock before its last trades came, a state restored from a checkpoint holds all that is acknowledged."""
    builder, entries, published = Builder(writer_of, SETTINGS), dict[str, bytes](), []
    time = START
    for part in blocks(prints, places):
        published += builder.apply(part, time).candles
        if data.draw(st.booleans()):
            time += LONG
            published += builder.tick(time)
        if data.draw(st.booleans()):
            builder = restarted(builder, entries, SETTINGS)
        published += builder.tick(time)
    published += builder.tick(time + LONG)
    assert all(agrees(candle, prints) for candle in newest(published).values())
