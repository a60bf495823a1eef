"""Where a damaged log can be read again, by what the broker gives for each offset: no broker is asked here."""

from bisect import bisect_right

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.transport.quiet import Quiet
from tests.processors.engine.transport.test_unpacking import block
from topology.damage import Look, judge, next_whole
from topology.errors import Retry


class Log:
    """A log whose blocks begin at `starts`; those of `bad` can't be read."""

    def __init__(self, starts: list[int], end: int, bad: set[int], *, hints: bool, sure: bool = True) -> None:
        self.starts, self.end, self.bad, self.hints, self.sure = starts, end, bad, hints, sure
        self.looks = 0

    def block(self, offset: int) -> int:
        """Return the number of the block that holds an offset."""
        return bisect_right(self.starts, offset) - 1

    async def look(self, offset: int) -> Look:
        """Fetch."""
        self.looks += 1
        if offset >= self.end:
            return Look(whole=self.sure)
        number = self.block(offset)
        if number not in self.bad:
            return Look(whole=True)
        after = self.starts[number + 1] if number + 1 < len(self.starts) else self.end
        return Look(whole=False, hints=(after,) if self.hints else (), sure=self.sure)


async def pause() -> None:
    """Do not wait."""


@given(
    st.lists(st.integers(1, 50_000), min_size=1, max_size=12),
    st.sets(st.integers(0, 11)),
    st.integers(0, 11),
    st.booleans(),
)
async def test_it_ends_at_what_can_be_read_or_at_the_end(sizes: list[int], bad: set[int], at: int, hints: bool) -> None:
    """Few looks, whatever the log; where it leads to can be read, and what is just before it can't; hints make it exact."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    end = sum(sizes)
    log = Log(starts, end, bad, hints=hints)
    owed = starts[at % len(starts)]
    found = await next_whole(log.look, owed, end, pause)
    assert owed <= found <= end
    assert log.looks <= 70
    if log.block(owed) not in bad:
        assert found == owed
        return
    assert log.block(found - 1) in bad
    assert found == end or log.block(found) not in bad
    following = log.block(owed) + 1
    if hints and following < len(starts) and following not in bad:
        assert found == starts[following]


async def test_an_error_of_any_cause_is_no_proof() -> None:
    """Where the broker fails for every offset without naming damage, nothing is given up."""
    with pytest.raises(Retry, match="gives nothing from offset 0 on"):
        await next_whole(Log([0], 100, {0}, hints=False, sure=False).look, 0, 100, pause)


def test_what_a_fetch_brought_is_judged_by_its_first_block() -> None:
    """A wrong checksum, other offsets than asked for, a format that nobody knows, or no block at all is not whole; the next is a hint."""
    sound = bytes(block(0, 10) + block(10, 5))
    assert judge(sound, 4, 15, holes=False).whole
    turned = bytearray(sound)
    turned[70] ^= 1
    assert judge(bytes(turned), 0, 15, holes=False) == Look(whole=False, hints=(10, 10))
    unknown = bytearray(sound)
    unknown[16] = 99
    assert not judge(bytes(unknown), 0, 15, holes=False).whole
    later = bytes(block(7, 3))
    assert not judge(later, 3, 15, holes=False).whole
    assert judge(later, 3, 15, holes=True).whole
    assert not judge(sound[:50], 0, 15, holes=False).whole
    assert not judge(b"", 0, 15, holes=False).whole
    assert judge(b"", 15, 15, holes=False).whole


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5), st.integers(0, 20))
def test_no_bytes_break_the_judge(turned: list[tuple[int, int]], offset: int) -> None:
    """Whatever a disk made of a log is judged."""
    buffer = block(0, 10) + block(10, 10)
    for place, byte in turned:
        buffer[place % len(buffer)] = byte
    assert judge(bytes(buffer), offset, 20, holes=False).whole in {True, False}


def test_a_partition_is_quiet_that_has_more_and_does_not_move() -> None:
    """One at its end never is; one whose end is not known is; after it was told it is told again as late."""
    quiet, one, other = Quiet(5.0), TP("t", 0), TP("t", 1)
    assert quiet.look({one: (3, 9), other: (9, 9)}, 0) == {}
    assert quiet.look({one: (3, 9), other: (9, 9)}, 4) == {}
    assert quiet.look({one: (3, 9), other: (9, 9)}, 5) == {one: 3}
    assert quiet.look({one: (3, None)}, 9) == {}
    assert quiet.look({one: (3, None)}, 10) == {one: 3}
    assert quiet.look({one: (4, 9)}, 15) == {}
