"""Our unpacking against aiokafka's own, on the same buffers: it stands in for private parts of one exact release."""

import gc
import weakref
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import example, given
from hypothesis import strategies as st

from processors.engine.transport.unpacking import take, unpack

ABORT = b"\x00\x00\x00\x00"
"""Key of an abort marker: version 0, type 0."""
CONTROL = 0x20


def block(base: int, count: int, *, codec: int = 0, producer: int = -1, control: bool = False) -> bytearray:
    """Build one record batch of format 2; a producer's is transactional; a control batch holds an abort marker."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=int(producer >= 0),
        producer_id=producer,
        producer_epoch=0 if producer >= 0 else -1,
        base_sequence=0 if producer >= 0 else -1,
        batch_size=1 << 20,
    )
    for number in range(count):
        key = ABORT if control else b"k%d" % number
        assert builder.append(number, timestamp=1_700_000_000_000 + number, key=key, value=b"v", headers=[("h", b"1")])
    built: bytearray = builder.build()
    built[0:8] = base.to_bytes(8, "big")
    if control:
        built[22] |= CONTROL
        # The attributes are inside the checksum; these buffers are read without checking it.
    return built


def old_block() -> bytearray:
    """Build one record of format 1, as a log from before Kafka 0.11 holds it."""
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 16)
    builder.append(0, timestamp=1, key=b"k", value=b"v")
    return bytearray(builder.build())


def unread(buffer: bytes, position: int, isolation: int, aborted: list[tuple[int, int]], *, check: bool) -> Any:
    """Wrap a buffer as the fetcher does."""
    tp = TopicPartition("t", 0)
    return PartitionRecords(tp, MemoryRecords(buffer), aborted, position, None, None, check, isolation)


CASES: dict[str, Callable[[], tuple[bytes, int, int, list[tuple[int, int]], bool]]] = {
    "plain": lambda: (bytes(block(0, 10) + block(10, 5)), 0, READ_UNCOMMITTED, [], True),
    "lz4": lambda: (bytes(block(0, 100, codec=3)), 0, READ_UNCOMMITTED, [], True),
    "zstd": lambda: (bytes(block(0, 100, codec=4)), 0, READ_UNCOMMITTED, [], True),
    "from inside a block": lambda: (bytes(block(0, 10) + block(10, 5)), 7, READ_UNCOMMITTED, [], True),
    "a hole between blocks": lambda: (bytes(block(0, 10) + block(20, 5)), 0, READ_UNCOMMITTED, [], True),
    "a marker at the end": lambda: (bytes(block(0, 3) + block(3, 1, producer=7, control=True)), 0, READ_UNCOMMITTED, [], False),
    "only a marker": lambda: (bytes(block(3, 1, producer=7, control=True)), 3, READ_UNCOMMITTED, [], False),
    "cut off": lambda: (bytes((block(0, 10) + block(10, 5))[:-9]), 0, READ_UNCOMMITTED, [], True),
    "format 1": lambda: (bytes(old_block()), 0, READ_UNCOMMITTED, [], True),
    "aborted": lambda: (
        bytes(block(0, 3, producer=7) + block(3, 2) + block(5, 1, producer=7, control=True) + block(6, 2, producer=7)),
        0,
        READ_COMMITTED,
        [(7, 0)],
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_aiokafka_gives(name: str) -> None:
    """The same keys, values, times and headers at the same offsets, and the same position afterwards."""
    buffer, position, isolation, aborted, check = CASES[name]()
    ours = unread(buffer, position, isolation, aborted, check=check)
    theirs = unread(buffer, position, isolation, aborted, check=check)
    wanted = [(one.offset, one.key, one.value, one.timestamp, one.timestamp_type, one.headers) for one in theirs]
    given = [(one.offset, one.key, one.value, one.timestamp, one.timestamp_type, tuple(one.headers)) for one in unpack(ours, 1000)[0]]
    assert given == wanted
    assert ours.next_fetch_offset == theirs.next_fetch_offset


def test_it_stops_behind_the_block_that_fills_the_batch() -> None:
    """What is left is given the next time, from where the position stands."""
    ours = unread(bytes(block(0, 10) + block(10, 10) + block(20, 10)), 0, READ_UNCOMMITTED, [], check=True)
    assert [record.offset for record in unpack(ours, 12)[0]] == list(range(20))
    assert ours.next_fetch_offset == 20
    assert [record.offset for record in unpack(ours, 12)[0]] == list(range(20, 30))


def test_a_wrong_checksum_is_not_passed_over() -> None:
    """What comes before a flipped byte is given; then there is only a doubt, and the position does not move."""
    buffer = block(0, 10) + block(10, 10)
    buffer[-1] ^= 1
    ours = unread(bytes(buffer), 0, READ_UNCOMMITTED, [], check=True)
    records, doubt = unpack(ours, 1000)
    assert (len(records), ours.next_fetch_offset) == (10, 10)
    assert "Invalid CRC" in doubt


@example(turned=[(16, 0)], codec=3, holes=False)  # the format of long ago, whose checksum aiokafka takes of fewer bytes than none
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4), st.sampled_from([0, 3]), st.booleans())
def test_bytes_that_a_disk_has_turned_never_raise(turned: list[tuple[int, int]], codec: int, holes: bool) -> None:
    """Wherever they are, records come in order from what was asked for on, and the position never goes back."""
    buffer = block(0, 10, codec=codec) + block(10, 10, codec=codec)
    for place, byte in turned:
        buffer[place % len(buffer)] = byte
    ours = unread(bytes(buffer), 0, READ_UNCOMMITTED, [], check=True)
    records, _ = unpack(ours, 1000, 20, holes=holes)
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert ours.next_fetch_offset >= (offsets[-1] + 1 if offsets else 0)


@pytest.mark.parametrize("position", [0, 4], ids=["taken", "refused: sought away meanwhile"])
async def test_what_was_fetched_is_let_go_at_once(position: int) -> None:
    """The bytes of a fetch do not stay until the collector of cycles comes by: a stage would grow by all that it reads."""
    tp = TopicPartition("t", 0)
    assignment = Assignment({tp})
    assignment.state_value(tp).seek(position)
    fetched = unread(bytes(block(0, 10)), 0, READ_UNCOMMITTED, [], check=True)
    left = weakref.ref(fetched)
    result = FetchResult(tp, assignment=assignment, partition_records=fetched, backoff=0)
    del fetched
    gc.disable()
    try:
        taken = take(result)
        assert (taken is None) is (position != 0)
        assert left() is None
    finally:
        gc.enable()


def test_records_are_unpacked_in_c() -> None:
    """The speed of a batch rests on aiokafka's compiled records; their fallback in Python is ten times slower."""
    assert DefaultRecordBatch.__module__ == "aiokafka.record._crecords.default_records"


def test_the_pinned_releases_are_the_ones_running() -> None:
    """The transport leans on private parts of both: a new release needs these tests read again."""
    assert version("aiokafka") == "0.14.0"
    assert version("faust-streaming") == "0.15.3"
