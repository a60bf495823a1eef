"""From aiokafka's buffer of one partition to a plain list of records, without its per-record Python.

aiokafka 0.14.0 unpacks a record in C (`DefaultRecord`), and then pays for a generator step and an 11-field ConsumerRecord
for each: 85 % of the time from socket to agent. The C records have all we need, so `list(block)` is the whole loop here.
Everything else follows `PartitionRecords._unpack_records` and `FetchResult.getall` of that release line by line; the
version is pinned, and tests/processors/engine/transport/test_unpacking.py compares both on the same buffers.
"""

# ruff: noqa: SLF001 - this file stands in for private parts of the pinned aiokafka

from typing import Any, Final, NamedTuple

from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException
from faust.types import TP

from processors.engine.transport.batch import Record

RECORDS_AT_MOST: Final = 50_000
"""A batch ends with the block (a producer's batch) that reaches this many; the rest waits for the next fetch."""


class Fetched(NamedTuple):
    """What one fetch brought for one partition."""

    tp: TP
    position: int
    """The offset that was asked for."""
    records: list[Record]
    end: int
    """The offset to ask for next; beyond the last record's where markers or compacted records follow it."""
    doubt: str = ""
    """Why what is at `end` may be damaged: it could not be unpacked, or does not come. Then there are no records."""


def take(result: Any, at_most: int = RECORDS_AT_MOST, *, holes: bool = True) -> Fetched | None:
    """Take the unread records out of an aiokafka `FetchResult` and move the partition's position behind them.

    None when it holds nothing for us: spent, paused, or fetched for a position that a seek has left. What comes before a block that is
    damaged is taken; then the result is spent, and the block will be fetched again, which gives nothing but a doubt. Where there may be no
    `holes`, it ends before one too, so that what is behind it begins a fetch of its own.
    """
    tp = result._topic_partition
    if result.has_more():
        # It holds the generator that holds it: the bytes fetched would stay until the collector of cycles came by.
        result._partition_records._records_iterator = None
    if not result.check_assignment(tp) or not result.has_more():
        return None
    unread = result._partition_records
    position = unread.next_fetch_offset
    records, doubt = unpack(unread, at_most, result._assignment.state_value(tp).highwater, holes=holes)
    result._update_position()
    if doubt or not unread._records.has_next():
        result._partition_records = None
    end = unread.next_fetch_offset
    return Fetched(TP(tp.topic, tp.partition), position, records, end, doubt if end == position else "")


def unpack(unread: Any, at_most: int, log_end: int | None = None, *, holes: bool = True) -> tuple[list[Record], str]:
    """Unpack blocks of an aiokafka `PartitionRecords` until `at_most` records are reached, none is left, or one is damaged: then why."""
    records: list[Record] = []
    try:
        _unpack(unread, at_most, records, log_end, holes)
    except Exception as error:  # noqa: BLE001 - aiokafka's C meets bytes that are not what they say with SystemError and others
        return records, str(error) or repr(error)
    return records, ""


def _unpack(unread: Any, at_most: int, records: list[Record], log_end: int | None, holes: bool) -> None:
    blocks = unread._records
    while len(records) < at_most and blocks.has_next():
        block = blocks.next_batch()
        if unread._check_crcs and not block.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {unread._tp}")
        if unread._isolation_level == READ_COMMITTED and block.producer_id is not None and _aborted(unread, block):
            unread.next_fetch_offset = block.next_offset
            continue
        if block.is_control_batch:
            unread.next_fetch_offset = block.next_offset
            continue
        expected = unread.next_fetch_offset
        if block.next_offset <= expected:
            raise CorruptRecordException(f"a block that ends before what was asked for - {unread._tp}")
        first = getattr(block, "base_offset", expected)  # blocks of the formats before 2 have none
        if log_end is not None and first > max(log_end, expected):
            raise CorruptRecordException(f"a block that begins behind the log's end - {unread._tp}")
        if first > expected and records and not holes:
            raise CorruptRecordException(f"a block that leaves offsets out - {unread._tp}")
        rows = list(block)
        # A broker returns whole blocks: the first may begin before the position.
        if rows and rows[0].offset < unread.next_fetch_offset:
            rows = [row for row in rows if row.offset >= unread.next_fetch_offset]
        records += rows
        unread.next_fetch_offset = block.next_offset


def _aborted(unread: Any, block: Any) -> bool:
    unread._consume_aborted_up_to(block.base_offset)
    if block.is_control_batch and unread._contains_abort_marker(block):
        unread._aborted_producers.discard(block.producer_id)
    return bool(block.is_transactional and block.producer_id in unread._aborted_producers)
