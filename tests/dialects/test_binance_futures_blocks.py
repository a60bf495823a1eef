"""Frames of Binance's futures through the normaliser: read as a block they are the same events, refusals and memory as one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from processors.normalise.core import Normaliser
from tests.dialects.recorded import excerpts, read_excerpt
from tests.examples import examples
from tests.processors.normalise.test_block import by_name, columns_of, told

VENUES = ("binance_usdm", "binance_coinm")
SAMPLES = {venue: [frame for path in excerpts(venue) for frame, _ in read_excerpt(path)] for venue in VENUES}
PLACES = (b'"64250.10"', b'"64240.1"', b'"st":1', b'"st":2', b'"0.100"')
"""What is damaged in some frames: prices, a market, a share."""


@pytest.mark.parametrize("venue", VENUES)
@examples(150)
@given(data=st.data())
def test_a_block_is_its_frames(venue: str, data: st.DataObject) -> None:
    """Any samples in any order on two connections, some damaged or of the other market, replies between them: only the way differs."""
    one = st.tuples(
        st.sampled_from(SAMPLES[venue]),
        st.sampled_from("ab"),
        st.sampled_from([None, None, None, *PLACES]),
        st.sampled_from([b'""', b'"much"', b'"st":2', b'"st":8', b'"0"']),
    )
    counts = dict.fromkeys("ab", 0)
    frames: list[Frame] = []
    for sample, connection, place, damage in data.draw(st.lists(one, max_size=14)):
        counts[connection] += 1
        payload = sample.payload if place is None else sample.payload.replace(place, damage)
        frames.append(sample._replace(connection_id=connection, connection_sequence=counts[connection], payload=payload))
    one_by_one, at_once = Normaliser(all_dialects()), Normaliser(all_dialects())
    expected = told(one_by_one.apply(enumerate(frames)))
    found = told(at_once.apply_block(range(len(frames)), columns_of(frames)))
    assert by_name(expected) == by_name(found)
    assert at_once.connections == one_by_one.connections


@pytest.mark.parametrize("venue", VENUES)
def test_what_a_restart_remembers_is_enough(venue: str) -> None:
    """A normaliser that begins again from its checkpoint after any frame goes on as if it had not ended: what was told stays told."""
    frames = SAMPLES[venue]
    whole = told(Normaliser(all_dialects()).apply(enumerate(frames)))
    for cut in range(1, len(frames)):
        first = Normaliser(all_dialects())
        made = told(first.apply(enumerate(frames[:cut])))
        entries = {name: value for name, value in first.dump().items() if value is not None}
        again = Normaliser(all_dialects(), entries)
        assert made + told(again.apply(enumerate(frames))) == whole
