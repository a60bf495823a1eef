"""Columns and records give the same bytes."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.block_encoder import FEW, SMALL, varints
from schemas.catalogue import event, events
from schemas.codec import Codec
from schemas.encoder import zigzag
from schemas.errors import InvalidDatum
from tests.examples import examples
from tests.schemas.test_encoder import values_of

LONG = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize("name", list(events()))
@given(data=st.data())
@examples(60)
def test_a_block_is_its_records(name: str, data: st.DataObject) -> None:
    """For every event, a block of columns, some of them one value for all, is encoded as its records are one by one; so is a large one."""
    kind = events()[name]
    count = data.draw(st.integers(1, 6))
    times = data.draw(st.sampled_from([1, FEW, SMALL]))
    columns: dict[str, Any] = {}
    for field in kind.fields:
        values = values_of(field["type"])
        is_array = isinstance(field["type"], dict) and field["type"]["type"] == "array"
        shared = not is_array and data.draw(st.booleans())
        columns[field["name"]] = data.draw(values) if shared else data.draw(st.lists(values, min_size=count, max_size=count)) * times
    records = [
        {name: column[row] if isinstance(column, list) else column for name, column in columns.items()} for row in range(count * times)
    ]
    codec = Codec(kind, 7)

    assert [codec.encode(record) for record in records] == codec.encode_block(columns, count * times)


@given(st.lists(LONG, min_size=1), st.sampled_from([b"", b"\2"]))
def test_varints_are_zigzags(numbers: list[int], head: bytes) -> None:
    """A column of longs is each long as Avro writes it, behind what stands before each."""
    assert varints(numbers, head) == [head + zigzag(one) for one in numbers]


def row(**changes: Any) -> dict[str, Any]:
    """Return the columns of two trades."""
    return (
        event("trade").defaults
        | {
            "venue": "binance",
            "symbol": ["BTCUSDT", "ETHUSDT"],
            "origin": "live",
            "connection_id": "c",
            "connection_sequence": [1, 2],
            "received_at": [1, 2],
            "frame_index": 0,
            "frames_lost": 0,
            "event_time": [1, None],
            "trade_id": ["1", "2"],
            "sequence": [1, 2],
            "price": [b"\1", Decimal("1.5")],
            "size": [b"\1", b"\2"],
            "side": ["buy", "sell"],
            "replayed": False,
        }
        | changes
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"received_at": [1.5, 2.5]},
        {"received_at": [1, 2**63]},
        {"received_at": [1, None]},
        {"sequence": [1, 2, 3]},
        {"side": ["buy", "mine"]},
        {"price": [1.5, b"\1"]},
        {"trade_id": [1, 2]},
        {"venue": None},
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    """A float, a number too large, a missing value, an unknown side, a column of another length: nothing is encoded."""
    codec = Codec(event("trade"), 7)
    assert codec.encode_block(row(), 2)

    with pytest.raises(InvalidDatum):
        codec.encode_block(row(**changes), 2)


def test_a_missing_column_is_refused() -> None:
    """Defaults are for readers: a writer names every column."""
    columns = row()
    del columns["replayed"]

    with pytest.raises(InvalidDatum, match="replayed"):
        Codec(event("trade"), 7).encode_block(columns, 2)
