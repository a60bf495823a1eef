"""A batch knows the offsets of its records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.transport import Batch
from tests.examples import examples
from tests.processors.desk import Fetched


@given(st.integers(0, 2**40), st.lists(st.booleans(), max_size=20), st.integers(0, 20), st.integers(0, 20))
@examples(100)
def test_offsets_are_those_of_the_records(first: int, kept: list[bool], begin: int, end: int) -> None:
    """With holes and without, of the whole and of each part."""
    records: list[Any] = [Fetched(first + place, b"") for place, keep in enumerate(kept) if keep]
    batch = Batch(records, topic="t", partition=0, first=first, end=first + len(kept), generation=1)
    part = batch.part(first + begin, first + max(begin, end))
    assert list(batch.offsets) == [record.offset for record in batch]
    assert list(part.offsets) == [record.offset for record in part]
    for whole in (batch, part):
        assert [whole.at(offset).offset for offset in whole.offsets] == list(whole.offsets)
        for missing in set(range(first - 1, first + len(kept) + 1)) - set(whole.offsets):
            with pytest.raises(LookupError):
                whole.at(missing)
