"""Content encodings of ClickHouse's HTTP protocol, in both directions."""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cramjam

from local.clickhouse.errors import ClickHouseError


def _zlib_members(body: bytes) -> bytes:
    parts = []
    while body:
        member = zlib.decompressobj()
        parts.append(member.decompress(body))
        if not member.eof:
            raise ValueError("the deflate stream breaks off")
        body = member.unused_data
    return b"".join(parts)


def _through(decompress: Callable[[bytes], Any]) -> Callable[[bytes], bytes]:
    return lambda body: bytes(decompress(body))


# Each of these reads every frame of a body: clients send several, and the first alone is a silent loss.
# br is left out, since its decoder stops after the first stream without a word.
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _through(cramjam.gzip.decompress),
    "lz4": _through(cramjam.lz4.decompress),
    "zstd": _through(cramjam.zstd.decompress),
    "deflate": _zlib_members,
}
_COMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": cramjam.lz4.Compressor,
    "zstd": lambda: cramjam.zstd.Compressor(1),
    "gzip": lambda: cramjam.gzip.Compressor(1),
    "br": lambda: cramjam.brotli.Compressor(1),
}
"""Quickest first."""


def decode_body(body: bytes, encoding: str) -> bytes:
    """Undo a request's Content-Encoding, all frames of it. Raises ClickHouseError for an unknown or broken one."""
    if not body or encoding in {"", "identity"}:
        return body
    decoder = _DECODERS.get(encoding)
    if decoder is None:
        known = ", ".join(_DECODERS)
        raise ClickHouseError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} is not read here, only {known}")
    try:
        return decoder(body)
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
