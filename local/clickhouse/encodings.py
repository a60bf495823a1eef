"""Content encodings of ClickHouse's HTTP protocol, in both directions."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cramjam

from local.clickhouse.errors import ClickHouseError

FIRST_GUESS = 8
"""How many times its size a body is taken to have when expanded, before more room is made for it."""
LEAST_ROOM = 1 << 20


class _Full(Exception):
    """A body is larger than there is room for."""


def _zlib_members(body: bytes, room: int) -> bytes:
    parts, size = [], 0
    while body:
        member = zlib.decompressobj()
        part = member.decompress(body, room - size + 1)
        size += len(part)
        if size > room:
            raise _Full
        parts.append(part)
        if not member.eof:
            raise ValueError("the deflate stream breaks off")
        body = member.unused_data
    return b"".join(parts)


def _into(decompress_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes, int], bytes]:
    def decode(body: bytes, room: int) -> bytes:
        expanded = bytearray(room)
        try:
            size = decompress_into(body, expanded)
        except cramjam.DecompressionError as error:
            if "whole buffer" in str(error):
                raise _Full from error
            raise
        with memoryview(expanded) as seen:
            return bytes(seen[:size])

    return decode


# Each of these reads every frame of a body: clients send several, and the first alone is a silent loss.
# br is left out, since its decoder stops after the first stream without a word.
_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _into(cramjam.gzip.decompress_into),
    "lz4": _into(cramjam.lz4.decompress_into),
    "zstd": _into(cramjam.zstd.decompress_into),
    "deflate": _zlib_members,
}
_COMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": cramjam.lz4.Compressor,
    "zstd": lambda: cramjam.zstd.Compressor(1),
    "gzip": lambda: cramjam.gzip.Compressor(1),
    "br": lambda: cramjam.brotli.Compressor(1),
}
"""Quickest first."""


def decode_body(body: bytes, encoding: str, most: int) -> bytes:
    """Undo a request's Content-Encoding, all frames of it, up to `most` bytes.

    Raises ClickHouseError for an unknown or broken one, and for one that expands to more: no more memory than that is ever taken.
    """
    if not body or encoding in {"", "identity"}:
        return body
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        known = ", ".join(_DECODERS)
        raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not read here, only {known}")
    room = min(max(FIRST_GUESS * len(body), LEAST_ROOM), most)
    while True:
        try:
            return decoder(body, room)
        except _Full as error:
            if room == most:
                raise ClickHouseError(229, "QUERY_IS_TOO_LARGE", f"The {encoding} body expands to more than {most} bytes") from error
            room = min(room * FIRST_GUESS, most)
        except (cramjam.DecompressionError, ValueError, zlib.error) as error:
            raise ClickHouseError(354, "CANNOT_DECOMPRESS", f"Cannot decompress the {encoding} body: {error}") from error


def choose_encoding(accepted: str, parameters: Mapping[str, str]) -> str | None:
    """Choose the response's Content-Encoding: the quickest the client takes, if it set enable_http_compression=1."""
    if parameters.get("enable_http_compression") != "1":
        return None
    offers = {offer.split(";")[0].strip() for offer in accepted.split(",")}
    return next((encoding for encoding in _COMPRESSORS if encoding in offers), None)


class Encoder:
    """Compress a response piece by piece into one frame; encoding None passes the pieces through."""

    def __init__(self, encoding: str | None) -> None:
        self._compressor = None if encoding is None else _COMPRESSORS[encoding]()

    def piece(self, content: bytes) -> bytes:
        """Give what may be sent once `content` is added; all of it, so that a reader can go on."""
        if self._compressor is None:
            return content
        self._compressor.compress(content)
        return bytes(self._compressor.flush())

    def end(self) -> bytes:
        """Give what closes the frame."""
        return b"" if self._compressor is None else bytes(self._compressor.finish())
