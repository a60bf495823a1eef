"""Blocks of messages as columns: the same as one by one, and never read askew."""

import os
from collections.abc import Callable
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decimals
from schemas.block_reader import Block, Reader, block_head, read_block
from schemas.catalogue import Schema, event
from schemas.codec import PREFIX, Codec

TRADE = event("trade")
CODEC = Codec(TRADE, 7)
FIELDS = ("symbol", "received_at", "event_time", "sequence", "price", "size", "side", "size_base", "trade_kind")
SPOILT: dict[str, Callable[[bytes, bytes], bytes]] = {
    "a byte too many": lambda value, _: value + b"\0",
    "a byte too few": lambda value, _: value[:-1],
    "two datums": lambda value, other: value + other,
    "another schema id": lambda value, _: b"\0\0\0\0\x08" + value[PREFIX:],
    "no wire format": lambda value, _: b"\x01" + value[1:],
    "nothing": lambda _, __: b"",
}


def writer_of(number: int) -> Schema:
    """Return the schema registered under an id: 7 alone is known."""
    return {7: TRADE.schema}[number]


def message(number: int, base: str | None = None) -> bytes:
    """Return a trade as a message."""
    return CODEC.encode(
        TRADE.defaults
        | {
            "venue": "binance", "symbol": f"S{number % 3}", "origin": "live", "connection_id": "c", "connection_sequence": number,
            "received_at": 1_760_000_000_000_000 + number, "frame_index": 0, "frames_lost": 0,
            "event_time": None if number % 5 == 0 else number, "trade_id": str(number), "sequence": None if number % 7 == 0 else number,
            "price": decimals.encode(f"{number}.25"), "size": decimals.encode("0.5"), "side": ("buy", "sell", "unknown")[number % 3],
            "size_base": None if base is None else decimals.encode(base), "trade_kind": "block" if number % 4 == 0 else "normal",
        }
    )  # fmt: skip


def reader() -> Reader:
    """Return a reader of some fields of trades."""
    return Reader(TRADE, FIELDS, writer_of)


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=30))
def test_columns_hold_what_rows_hold(numbers: list[int]) -> None:
    """Every field of every message is the same value in a column as in a record, with decimals as counts of 10⁻¹⁸."""
    values = [message(number, "1.5" if number % 2 else None) for number in numbers]
    frame = reader().frame(values)
    assert frame is not None
    records, offsets, rejected = reader().rows(Block(values, range(len(values))))
    assert (list(offsets), rejected) == (list(range(len(values))), [])
    for name in FIELDS:
        column = [int(one.scaleb(18)) if isinstance(one, Decimal) else one for one in frame[name].to_list()]
        assert column == [record[name] for record in records]


@given(st.lists(st.lists(st.integers(-decimals.LARGEST, decimals.LARGEST), max_size=4), min_size=1, max_size=10))
def test_columns_hold_lists_as_rows_do(lists: list[list[int]]) -> None:
    """Lists of decimals, empty ones among them, however the writer spelled a number; one of more bytes than a column has is no column."""
    delta, levels = event("book_delta"), ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
    codec, of_deltas = Codec(delta, 7), Reader(delta, levels, lambda _: delta.schema)

    def deltas(prices: list[list[bytes]]) -> list[bytes]:
        fields = {"venue": "v", "symbol": "S", "origin": "live", "connection_id": "c", "connection_sequence": 1, "received_at": 1}
        rest = {"is_snapshot": False, "frame_index": 0, "frames_lost": 0, "bid_sizes": [], "ask_prices": [b"\0"], "ask_sizes": [b""]}
        return [codec.encode(delta.defaults | fields | rest | {"bid_prices": one}) for one in prices]

    values = deltas([[number.to_bytes(16, "big", signed=True) for number in one] for one in lists])
    frame = of_deltas.frame(values)
    assert frame is not None
    records, _, rejected = of_deltas.rows(Block(values, range(len(values))))
    assert not rejected
    for name in levels:
        column = frame[name].list.eval(pl.element().to_physical()).to_list()
        assert column == [record[name] for record in records]
    assert of_deltas.frame([*values, *deltas([[bytes(17)]])]) is None


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("at", [0, 4, 9])
def test_a_block_with_a_spoilt_message_is_not_read_as_columns(spoil: Callable[[bytes, bytes], bytes], at: int) -> None:
    """Wherever it stands and however it is spoilt, the columns are refused; read one by one, it alone is rejected."""
    values = [message(number) for number in range(1, 11)]
    values[at] = spoil(values[at], message(11))
    assert reader().frame(values) is None
    _, offsets, rejected = reader().rows(Block(values, range(10)))
    assert [one.offset for one in rejected] == [at]
    assert offsets == [one for one in range(10) if one != at]


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("marker", [b"\x00", b"\x01", b"\x7f", b"\x80", b"\xfe", b"\xff"])
def test_no_marker_makes_a_spoilt_message_readable(
    spoil: Callable[[bytes, bytes], bytes], marker: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bytes follow the last message, one that is spoilt is refused: as a length or a number they may lead anywhere."""
    monkeypatch.setattr(os, "urandom", lambda count: marker * count)
    for at in range(10):
        values = [message(number) for number in range(1, 11)]
        values[at] = spoil(values[at], message(11))
        assert reader().frame(values) is None


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.binary(min_size=16, max_size=16))
def test_bytes_from_anywhere_are_no_columns(bodies: list[bytes], marker: bytes) -> None:
    """Bytes that nobody encoded are refused in words of the reader's own, never with what a library happens to raise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", lambda _: marker)
        assert reader().frame([message(1), *(message(1)[:PREFIX] + body for body in bodies)]) is None


def test_columns_come_in_their_own_types_where_asked() -> None:
    """Without `bare` times are datetimes, enums categories and all fields are there; an empty block is none."""
    frame = read_block(block_head(TRADE.schema), [message(3), message(4)])
    assert frame is not None
    assert frame.columns == [field["name"] for field in TRADE.fields]
    assert frame["trade_kind"].cast(str).to_list() == ["normal", "block"]
    assert read_block(block_head(TRADE.schema), []) is None
    assert reader().frame([]) is None
