"""Bodies of several compressed frames, which a one-shot decoder cuts short without an error."""

import gzip
import zlib
from collections.abc import Callable

import lz4.frame  # type: ignore[import-untyped] # it has no stubs
import pytest
from backports import zstd

from local.clickhouse.encodings import Encoder, choose_encoding, decode_body
from local.clickhouse.errors import ClickHouseError, describe_error
from local.clickhouse.native import empty_native_block

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_every_frame_of_a_body_is_read(encoding: str) -> None:
    """Three frames one after the other are three frames' worth of data."""
    compress = COMPRESSORS[encoding]
    parts = [bytes([number]) * 100_000 for number in range(3)]
    assert decode_body(b"".join(map(compress, parts)), encoding, 300_000) == b"".join(parts)


@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_a_body_that_breaks_off_is_an_error(encoding: str) -> None:
    """A second frame without its end is refused, not stored as half."""
    frame = COMPRESSORS[encoding](b"abc" * 1000)
    with pytest.raises(ClickHouseError, match="CANNOT_DECOMPRESS"):
        decode_body(frame + frame[: len(frame) // 2], encoding, 10_000)


def test_an_unknown_encoding_is_refused() -> None:
    """The decoder for br stops after its first stream, so br is not read at all."""
    with pytest.raises(ClickHouseError, match="br is not read here"):
        decode_body(b"x", "br", 10)


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
def test_a_streamed_answer_is_one_frame(encoding: str) -> None:
    """Each piece can be sent at once, and all of them together are what was put in."""
    encoder = Encoder(encoding)
    pieces = [encoder.piece(b"one" * 1000), encoder.piece(b"two" * 1000), encoder.end()]
    assert pieces[0]
    assert decode_body(b"".join(pieces), encoding, 10_000) == b"one" * 1000 + b"two" * 1000


def test_the_answer_is_compressed_only_if_the_client_asked_twice() -> None:
    """ClickHouse wants both the header and enable_http_compression=1."""
    assert choose_encoding("gzip, zstd;q=0.5", {"enable_http_compression": "1"}) == "zstd"
    assert choose_encoding("gzip", {}) is None
    assert choose_encoding("", {"enable_http_compression": "1"}) is None


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)", 404, 60),
        ("Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", 400, 62),
        ("Streaming insert append failed: std::exception. Code: 1001, type: avro::Exception", 500, 1001),
        ("something else", 500, 1001),
    ],
)
def test_errors_keep_their_code_and_get_their_status(text: str, status: int, code: int) -> None:
    """The status follows the name that ClickHouse gives the error."""
    assert describe_error(text, "26.9")[:2] == (status, code)


def test_a_native_block_without_rows_names_its_columns() -> None:
    """Made of the header of RowBinaryWithNamesAndTypes: count, names, types; no row follows."""
    long = "n" * 300
    header = b"\x02\x01a\xac\x02" + long.encode() + b"\x06UInt64\x06String"
    assert empty_native_block(header) == b"\x02\x00\x01a\x06UInt64\xac\x02" + long.encode() + b"\x06String"
