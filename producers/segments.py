"""One file of a spill: records of length, checksum, key and value, appended and read back in order.

A record is `>II` (length and CRC32 of its body), then the body: the key's length (`>H`), the key, the value. What a kill -9
or a power cut tore at the end fails its checksum and is cut; nothing behind a broken record can be trusted.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

RECORD = struct.Struct(">II")
KEY = struct.Struct(">H")


def record(key: bytes, value: bytes) -> bytes:
    """Return a record's bytes."""
    body = b"".join((KEY.pack(len(key)), key, value))
    return RECORD.pack(len(body), zlib.crc32(body)) + body


class Segment:
    """An append-only file. `outstanding` counts records read (or handed over while written) and not yet delivered."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self.outstanding = 0
        self.writable = create
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
        self.size = os.fstat(self._file).st_size
        self.read_to = 0
        self.torn = 0
        """Bytes cut from its end, because no whole record was there."""

    @property
    def exhausted(self) -> bool:
        """Whether everything in it has been read."""
        return self.read_to >= self.size

    def append(self, records: Sequence[bytes]) -> None:
        """Append records in one write; OSError where the disk is full, after which none of them is there."""
        data = b"".join(records)
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def read(self, most_bytes: int) -> list[tuple[bytes, bytes]]:
        """Return the next (key, value) pairs, about `most_bytes` of them but at least one; none at the end."""
        while True:
            data = os.pread(self._file, min(most_bytes, self.size - self.read_to), self.read_to)
            to_the_end = self.read_to + len(data) >= self.size
            found, at, sound = _parse(data)
            if found or not sound or to_the_end:
                break
            most_bytes *= 4
        self.read_to += at
        self.outstanding += len(found)
        if not sound or (to_the_end and at < len(data)):
            self.torn += self.size - self.read_to
            self.size = self.read_to
            os.ftruncate(self._file, self.size)
        return found

    def sync(self) -> None:
        """Force it to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file and leave it."""
        os.close(self._file)

    def remove(self) -> None:
        """Close the file and delete it."""
        os.close(self._file)
        self.path.unlink()


def _parse(data: bytes) -> tuple[list[tuple[bytes, bytes]], int, bool]:
    """Return the whole records in some bytes, where they end, and whether the next one is sound as far as it is there."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at + RECORD.size <= len(data):
        length, checksum = RECORD.unpack_from(data, at)
        end = at + RECORD.size + length
        if end > len(data):
            break
        body = data[at + RECORD.size : end]
        if length < KEY.size or zlib.crc32(body) != checksum:
            return found, at, False
        (size,) = KEY.unpack_from(body)
        found.append((body[KEY.size : KEY.size + size], body[KEY.size + size :]))
        at = end
    return found, at, True
