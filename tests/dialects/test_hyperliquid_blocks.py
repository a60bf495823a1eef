"""Hyperliquid's frames through the normaliser: read as a block they are the same events, refusals and memory as read one by one."""

from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from processors.normalise.core import Normaliser
from tests.dialects.recorded import excerpts, read_excerpt
from tests.examples import examples
from tests.processors.normalise.test_block import by_name, columns_of, told

SAMPLES = [frame for path in excerpts("hyperliquid") for frame, _ in read_excerpt(path)]


@examples(150)
@given(data=st.data())
def test_a_block_is_its_frames(data: st.DataObject) -> None:
    """Any samples in any order on two connections, some damaged, replies and contexts between them: nothing differs but the way."""
    one = st.tuples(st.sampled_from(SAMPLES), st.sampled_from("ab"), st.sampled_from([None, None, None, b"", b'"much"', b'"-1"', b'"0.0"']))
    drawn = data.draw(st.lists(one, max_size=14))
    counts = dict.fromkeys("ab", 0)
    frames: list[Frame] = []
    for sample, connection, damage in drawn:
        counts[connection] += 1
        payload = sample.payload if damage is None else sample.payload.replace(b'"64260.0"', damage).replace(b'"64255.0"', damage)
        frames.append(sample._replace(connection_id=connection, connection_sequence=counts[connection], payload=payload))
    one_by_one, at_once = Normaliser(all_dialects()), Normaliser(all_dialects())
    expected = told(one_by_one.apply(enumerate(frames)))
    found = told(at_once.apply_block(range(len(frames)), columns_of(frames)))
    assert by_name(expected) == by_name(found)
    assert at_once.connections == one_by_one.connections


def test_what_a_restart_remembers_is_enough() -> None:
    """A normaliser that begins again from its checkpoint after any frame goes on as if it had not ended: nothing is told twice."""
    whole = told(Normaliser(all_dialects()).apply(enumerate(SAMPLES)))
    for cut in range(1, len(SAMPLES)):
        first = Normaliser(all_dialects())
        made = told(first.apply(enumerate(SAMPLES[:cut])))
        entries = {name: value for name, value in first.dump().items() if value is not None}
        again = Normaliser(all_dialects(), entries)
        assert made + told(again.apply(enumerate(SAMPLES))) == whole
