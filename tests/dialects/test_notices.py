"""What a producer remarks on its connections survives the way through Kafka, or is refused."""

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dialects.notices import LARGEST, Kind, decode, encode
from schemas.errors import InvalidDatum
from tests.examples import examples

SAID: dict[str, Any] = orjson.loads(encode("published"))
KINDS: tuple[Kind, ...] = ("connected", "confirmed", "refused", "silent", "resumed", "closed", "dropped", "published")


@given(
    kind=st.sampled_from(KINDS),
    streams=st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3),
    reason=st.text(max_size=30),
    previous=st.none() | st.text(max_size=9),
    since=st.none() | st.integers(0, 1 << 62),
    count=st.integers(0, 1 << 62),
    detected_at=st.none() | st.integers(0, 1 << 62),
)
@examples(50)
def test_a_notice_is_read_as_it_was_written(
    kind: Kind,
    streams: list[tuple[str, str]],
    reason: str,
    previous: str | None,
    since: int | None,
    count: int,
    detected_at: int | None,
) -> None:
    """Every field comes back, streams as pairs."""
    written = encode(kind, streams=streams, reason=reason, previous=previous, since=since, count=count, detected_at=detected_at)
    found = decode(written)
    assert (found["notice"], found["streams"], found["reason"]) == (kind, streams, reason)
    assert (found["previous"], found["since"], found["count"], found["detected_at"]) == (previous, since, count, detected_at)


def test_a_notice_of_an_earlier_producer_is_read() -> None:
    """Frames are kept for weeks: one written before `detected_at` was said has none."""
    found = decode(b'{"notice":"resumed","streams":[["trade","S"]],"reason":"","previous":null,"since":null,"count":0}')
    assert (found["notice"], found["detected_at"]) == ("resumed", None)


ANYTHING = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3) | st.integers(-1, 2**64 - 1)


@given(st.dictionaries(st.sampled_from(list(SAID)), ANYTHING | st.lists(ANYTHING | st.lists(ANYTHING, max_size=2), max_size=2)))
@example({"since": "x"})
@example({"streams": [["trade", 7]]})
@example({"left": [1e20]})
@example({"count": 2**63})
@examples(200)
def test_what_is_read_is_of_its_type(fields: dict[str, Any]) -> None:
    """Whatever a notice holds, who reads it may keep it and count on with it: else it is none."""
    try:
        found = decode(orjson.dumps(SAID | fields))
    except InvalidDatum:
        return
    numbers = [found["count"], *found["left"], *(one for one in (found["since"], found["detected_at"]) if one is not None)]
    assert all(type(one) is int and 0 <= one <= LARGEST for one in numbers)
    texts = [found["notice"], found["reason"], *(text for pair in found["streams"] for text in pair)]
    assert all(type(one) is str for one in texts if one is not None)
    assert all(len(pair) == 2 for pair in found["streams"])
    assert found["previous"] is None or type(found["previous"]) is str


def test_a_kind_of_a_later_producer_is_read() -> None:
    """Who does not know it passes it over: producers may be newer than those who read them."""
    assert str(decode(encode("closed").replace(b"closed", b"sneezed"))["notice"]) == "sneezed"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{}",
        b'{"notice":"closed"}',
        b'{"notice":"closed","streams":{}}',
        encode("closed").replace(b"[]", b"[1]"),
        b"[" * 100_000,
        b'{"notice":"\xff',
        encode("closed").replace(b"closed", b"\\ud800"),
    ],
)
def test_what_is_no_notice_is_refused(payload: bytes) -> None:
    """A frame of kind `notice` that holds something else is InvalidDatum, whatever it holds."""
    with pytest.raises(InvalidDatum, match="not a notice"):
        decode(payload)
