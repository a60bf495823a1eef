"""What the block path promises of every venue: frames read as a block are the same events, refusals and memory as read one by one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import Normaliser
from tests.dialects.recorded import excerpts, read_excerpt
from tests.examples import examples
from tests.processors.normalise.test_block import by_name, columns_of, told

SAMPLES = {venue: [frame for path in excerpts(venue) for frame, _ in read_excerpt(path)] for venue in all_dialects()}
VALUE = re.compile(rb'"[-+.0-9]+"|(?<=:)[-+.0-9]+')
"""A number of a payload, as text or not."""
DAMAGES = [b"", b'""', b'"much"', b'"-1"', b'"0.0"', b"0", b"2", b"8", b"null"]
"""What may stand in its place: no JSON any more, no number, none that a price may be, or another market or side."""


def damaged(payload: bytes, place: int, damage: bytes) -> bytes:
    """Return a payload with one of its numbers replaced; as it is where it has none."""
    if not (found := list(VALUE.finditer(payload))):
        return payload
    begin, end = found[place % len(found)].span()
    return payload[:begin] + damage + payload[end:]


@pytest.mark.parametrize("venue", SAMPLES)
@examples(150)
@given(data=st.data())
def test_a_block_is_its_frames(venue: str, data: st.DataObject) -> None:
    """Any samples in any order on two connections, some damaged, replies between them: nothing differs but the way."""
    spoilt = st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 60), st.sampled_from(DAMAGES)))
    drawn = data.draw(st.lists(st.tuples(st.sampled_from(SAMPLES[venue]), st.sampled_from("ab"), spoilt), max_size=14))
    counts = dict.fromkeys("ab", 0)
    frames: list[Frame] = []
    for sample, connection, damage in drawn:
        counts[connection] += 1
        payload = sample.payload if damage is None else damaged(sample.payload, *damage)
        frames.append(sample._replace(connection_id=connection, connection_sequence=counts[connection], payload=payload))
    one_by_one, at_once = Normaliser(all_dialects()), Normaliser(all_dialects())
    expected = told(one_by_one.apply(enumerate(frames)))
    found = told(at_once.apply_block(range(len(frames)), columns_of(frames)))
    assert by_name(expected) == by_name(found)
    assert at_once.connections == one_by_one.connections


@pytest.mark.parametrize("venue", SAMPLES)
def test_what_a_restart_remembers_is_enough(venue: str) -> None:
    """A normaliser that begins again from its checkpoint after any frame goes on as if it had not ended: what is merged is kept."""
    frames = SAMPLES[venue]
    whole = told(Normaliser(all_dialects()).apply(enumerate(frames)))
    for cut in range(1, len(frames)):
        first = Normaliser(all_dialects())
        made = told(first.apply(enumerate(frames[:cut])))
        entries = {name: value for name, value in first.dump().items() if value is not None}
        again = Normaliser(all_dialects(), entries)
        assert made + told(again.apply(enumerate(frames))) == whole
