"""What a producer remarks on its connections survives the way through Kafka, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.notices import Kind, decode, encode
from schemas.errors import InvalidDatum
from tests.examples import examples

KINDS: tuple[Kind, ...] = ("connected", "confirmed", "refused", "silent", "resumed", "closed", "dropped")


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
    ],
)
def test_what_is_no_notice_is_refused(payload: bytes) -> None:
    """A frame of kind `notice` that holds something else is InvalidDatum, whatever it holds."""
    with pytest.raises(InvalidDatum, match="not a notice"):
        decode(payload)
