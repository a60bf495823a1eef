"""What the sink decides without a server: groups, halves, and reactions to errors."""

import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.batch import MESSAGE_BYTES, Batch
from sinks.clickhouse.bisect import insert_all
from topology.clickhouse_reactions import FATAL, REJECT, RETRY, reaction
from topology.errors import Fatal, Reject, Retry


def message(offset: int, value: bytes | None, topic: str = "trades", partition: int = 0, key: bytes | None = None) -> Any:
    return Message(topic=topic, partition=partition, offset=offset, key=key, value=value)


WIRE = st.sampled_from([b"\0\0\0\0\1x", b"\0\0\0\0\2y", b"\0\0\0\0\1", b"\1\0\0\0\1x", b"\0\0", b"", None])


@given(st.lists(st.tuples(WIRE, st.sampled_from(["trades", "quotes"]), st.integers(0, 2))))
def test_every_message_is_grouped_or_refused(sent: list[tuple[bytes | None, str, int]]) -> None:
    """Each message is once in the group of its topic and schema id, in order, or refused with a reason; each partition has its offset."""
    messages = [message(offset, value, topic, partition) for offset, (value, topic, partition) in enumerate(sent)]
    batch = Batch()
    for one in messages:
        batch.add([one])
    together = Batch()
    together.add(messages)
    assert together.groups == batch.groups
    for (topic, prefix), group in together.groups.items():
        assert group == [one for one in messages if one.topic() == topic and (one.value() or b"")[:5] == prefix]
    grouped = sum(map(len, together.groups.values()))
    assert grouped + len(together.refused) == together.rows == len(messages)
    assert together.size == sum(len(value or b"") + MESSAGE_BYTES for value, _, _ in sent)
    last = {(topic, partition): offset + 1 for offset, (_, topic, partition) in enumerate(sent)}
    assert together.offsets == last


@pytest.mark.parametrize("length", [6, 200, 5_000])
def test_the_memory_of_messages_is_counted(length: int) -> None:
    """A batch says of how much memory it holds no less than that, however small its messages: what the sink may hold is counted in it."""
    batch, count = Batch(), 2_000
    tracemalloc.start()
    try:
        for offset in range(count):
            topic, key = f"trades-{offset // count}", b"binance|BTCUSDT-%d" % (offset % 50)
            batch.add_run(("trades", 0), [message(offset, bytes(length), topic, key=key)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held <= batch.size <= held + count * 2 * MESSAGE_BYTES


def test_partitions_given_up_are_forgotten() -> None:
    """What came from a partition that another worker now reads is neither inserted nor committed here."""
    batch = Batch()
    batch.add([message(1, b"\0\0\0\0\1a"), message(7, b"\0\0\0\0\1b", partition=1), message(8, b"?", partition=1)])
    batch.forget([("trades", 1)])
    assert batch.offsets == {("trades", 0): 2}
    assert [one.offset() for group in batch.groups.values() for one in group] == [1]
    assert (batch.rows, batch.refused) == (1, [])
    batch.forget([("trades", 0)])
    assert (batch.rows, batch.groups) == (0, {})


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=8))
def test_only_the_rows_to_blame_stay_out(count: int, bad: set[int]) -> None:
    """Every good row is in exactly once and in order; every bad one is refused with its own reason."""
    table: list[int] = []

    def insert(rows: Sequence[int]) -> None:
        if wrong := bad.intersection(rows):
            raise Reject(f"row {min(wrong)}")
        table.extend(rows)

    refused = insert_all(range(count), insert, most=count)
    assert table == [row for row in range(count) if row not in bad]
    assert refused == [(row, f"row {row}") for row in sorted(bad) if row < count]


def test_one_bad_row_of_a_thousand_takes_few_inserts() -> None:
    """Halving finds one row in about 2·log2(n) inserts."""
    calls: list[int] = []

    def insert(rows: Sequence[int]) -> None:
        calls.append(len(rows))
        if 617 in rows:
            raise Reject("617")

    assert insert_all(range(1_000), insert, most=10) == [(617, "617")]
    assert len(calls) <= 21


def test_too_many_refused_rows_are_fatal() -> None:
    """When nearly all is refused it is no row's fault, and the search ends."""

    def insert(_: Sequence[int]) -> None:
        raise Reject("no")

    with pytest.raises(Fatal, match="more than 5 of 100"):
        insert_all(range(100), insert, most=5)


def test_what_is_no_reject_comes_through() -> None:
    """A server that goes away in the middle is not a bad row."""

    def insert(rows: Sequence[int]) -> None:
        raise (Reject("first") if len(rows) > 1 else Retry("away"))

    with pytest.raises(Retry, match="away"):
        insert_all([1, 2], insert, most=5)


@pytest.mark.parametrize(("codes", "kind"), [(RETRY, Retry), (REJECT, Reject), (FATAL, Fatal)])
def test_each_code_has_its_reaction(codes: dict[int, str], kind: type[Exception]) -> None:
    """A listed code gives its reaction, with the reason and the server's text."""
    for code, reason in codes.items():
        error = DatabaseError("the server's text")
        error.code = code
        found = reaction(error)
        assert isinstance(found, kind)
        assert reason in str(found)
        assert "the server's text" in str(found)


def test_no_code_is_in_two_lists() -> None:
    """A code has one reaction."""
    assert len(RETRY | REJECT | FATAL) == len(RETRY) + len(REJECT) + len(FATAL)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OperationalError("connection refused"), Retry),
        (ConnectionResetError("reset"), Retry),
        (DatabaseError("nobody knows"), Fatal),
    ],
)
def test_errors_without_a_code(error: Exception, kind: type[Exception]) -> None:
    """A network error is waited out; an answer nobody understands stops the sink."""
    assert isinstance(reaction(error), kind)
