"""The compiled encoder against fastavro, and numbers to the last digit."""

import io
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decimals
from schemas.catalogue import events
from schemas.codec import PREFIX, Codec, container, header
from schemas.encoder import zigzag
from schemas.errors import InvalidDatum
from tests.contracts.records import integers
from tests.examples import examples

EXACT = st.integers(-decimals.LARGEST, decimals.LARGEST)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of an Avro type as our records hold them."""
    if isinstance(kind, list):
        return st.one_of(*(values_of(one) for one in kind))
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        if kind["type"] == "array":
            return st.lists(values_of(kind["items"]), max_size=4)
        if kind.get("logicalType") == "decimal":
            return integers(kind["precision"]).map(decimals.to_bytes)
        kind = kind["type"]
    return {
        "null": st.none(),
        "string": st.text(max_size=20),
        "bytes": st.binary(max_size=40),
        "long": st.integers(-(2**63), 2**63 - 1),
        "int": st.integers(-(2**31), 2**31 - 1),
        "boolean": st.booleans(),
    }[kind]


@pytest.mark.parametrize("name", list(events()))
@given(data=st.data())
@examples(60)
def test_writes_what_fastavro_writes(name: str, data: st.DataObject) -> None:
    """For every event, the compiled encoder and fastavro write the same bytes, and the record comes back as it went in."""
    event = events()[name]
    record = {one["name"]: data.draw(values_of(one["type"])) for one in event.fields}
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(event.schema), record)

    codec = Codec(event, 7)
    value = codec.encode(record)

    assert out.getvalue() == value[PREFIX:]
    decoded = codec.decode(value)
    assert codec.encode(decoded) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_zigzag_is_avros(number: int) -> None:
    """Every long is written as fastavro writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", number)

    assert out.getvalue() == zigzag(number)


@given(EXACT)
def test_decimals_are_exact(value: int) -> None:
    """A number of up to 38 digits is the same as text, bytes and Decimal."""
    digits = f"{abs(value):019d}"
    text = ("-" if value < 0 else "") + digits[:-18] + "." + digits[-18:]

    assert decimals.unscaled(text) == value
    assert decimals.from_bytes(decimals.encode(text)) == value
    assert decimals.decimal(value) == Decimal(text)
    assert str(decimals.decimal(value).as_tuple().exponent) == "-18"


@pytest.mark.parametrize(("text", "value"), [("1e-8", 10**10), ("5E3", 5 * 10**21), ("0", 0), ("-0.5", -(5 * 10**17)), ("7.", 7 * 10**18)])
def test_other_spellings(text: str, value: int) -> None:
    """Exponents and missing parts are numbers too."""
    assert decimals.unscaled(text) == value


@pytest.mark.parametrize("text", ["", ".", "abc", "1.2.3", "1_000", " 1", "NaN", "Infinity", "1e-19", "0.1234567890123456789", "1e21", "٣"])
def test_what_cannot_be_held_is_refused(text: str) -> None:
    """No digit is cut and no nonsense taken: an InvalidDatum names the text."""
    with pytest.raises(InvalidDatum):
        decimals.unscaled(text)


@pytest.mark.parametrize("wrong", [1.5, "1.5", None, Decimal("1e-19"), Decimal(10) ** 21, Decimal("NaN")])
def test_a_float_never_passes(wrong: Any) -> None:
    """A record whose price is no exact number is refused by the encoder."""
    event = events()["quote"]
    record: dict[str, Any] = {one["name"]: None for one in event.fields} | event.defaults
    record |= {"venue": "x", "symbol": "y", "origin": "live", "connection_id": "c", "connection_sequence": 1}
    record |= {"received_at": 1, "frame_index": 0, "frames_lost": 0, "bid_price": wrong}
    codec = Codec(event, 1)
    if wrong is None:
        assert codec.decode(codec.encode(record))["bid_price"] is None
        return
    with pytest.raises(InvalidDatum):
        codec.encode(record)


def test_a_container_is_a_valid_file() -> None:
    """Datums behind one header are read by an ordinary Avro reader."""
    event = events()["dead_letter"]
    codec = Codec(event, 3)
    record = {"stage": "s", "topic": "t", "partition": 0, "offset": 1, "reason": "r", "key": None, "payload": b"\x00", "failed_at": 5}
    values = [codec.encode({**record, "offset": place}) for place in range(3)]

    rows: list[Any] = list(fastavro.reader(io.BytesIO(container(header(event.schema), values))))

    assert [row["offset"] for row in rows] == [0, 1, 2]
