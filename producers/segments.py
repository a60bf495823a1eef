"""One file of a spill: records of length, checksum, key and value, appended and read back in order, plain or sealed.

A record is `>II` (length and CRC32 of its body), then the body: the key's length (`>H`), the key, the value. What a kill -9
or a power cut tore at the end fails its checksum and is cut; nothing behind a broken record can be trusted. In a sealed file
(topology/secrets/sealed_file.py) a header comes first, and each body is sealed; lengths and checksums are of what is on disk.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from topology.secrets.envelope import DataKey
from topology.secrets.errors import Damaged
from topology.secrets.sealed_file import HEADER_BYTES, ID_BYTES, MOST_HEADER, OVERHEAD, Header, Records, header_of, is_sealed

RECORD = struct.Struct(">II")
KEY = struct.Struct(">H")


def size_of(messages: Sequence[tuple[bytes, bytes]], *, sealed: bool) -> int:
    """Return the bytes that messages take in a file."""
    each = RECORD.size + KEY.size + (OVERHEAD if sealed else 0)
    return sum(each + len(key) + len(value) for key, value in messages)


def beginning(key: DataKey | None) -> int:
    """Return the bytes with which a new file begins."""
    return HEADER_BYTES + len(key.wrapped) if key else 0


class Segment:
    """An append-only file. `outstanding` counts records read (or handed over while written) and not yet delivered.

    With `create` it is made, sealed where there is a data key; else it is opened, and sealed as it was written.
    """

    def __init__(self, path: Path, *, create: bool, key: DataKey | None = None) -> None:
        self.path = path
        self.outstanding = 0
        self.writable = create
        self.unreadable = ""
        """Why the rest of it can never be read; empty: it can."""
        self.torn = 0
        """Bytes cut from its end, because no whole record was there."""
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
        self.size = os.fstat(self._file).st_size
        self.read_to = 0
        self._written = 0
        self._read = 0
        self._records: Records | None = None
        self.header: Header | None = None
        """Where it is sealed."""
        if key is not None:
            self._begin(Header(os.urandom(ID_BYTES), key.wrapped), key.plain)
        elif not create:
            self._look()

    @property
    def exhausted(self) -> bool:
        """Whether everything in it has been read, or can't be."""
        return self.read_to >= self.size or bool(self.unreadable)

    @property
    def locked(self) -> bool:
        """Whether its data key must be unwrapped before it can be read."""
        return self.header is not None and self._records is None

    def unlock(self, key: bytes) -> None:
        """Take its data key."""
        if self.header is not None:
            self._records = Records(self.header, key)

    def append(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Append messages in one write; OSError where the disk is full, after which none of them is there."""
        parts: list[bytes] = []
        for number, (key, value) in enumerate(messages, self._written):
            body = b"".join((KEY.pack(len(key)), key, value))
            if self._records is not None:
                body = self._records.seal(number, body)
            parts += (RECORD.pack(len(body), zlib.crc32(body)), body)
        self._write(b"".join(parts))
        self._written += len(messages)

    def pass_over(self, count: int) -> None:
        """Take the last `count` records as read: they were handed over while they were written, and all before them are read."""
        self.read_to = self.size
        self._read += count
        self.outstanding += count

    def read(self, most_bytes: int) -> list[tuple[bytes, bytes]]:
        """Return the next (key, value) pairs, about `most_bytes` of them but at least one; none at the end. Not while it is locked.

        A sealed record that does not open makes what follows unreadable; those before it are returned.
        """
        while True:
            data = os.pread(self._file, min(most_bytes, self.size - self.read_to), self.read_to)
            to_the_end = self.read_to + len(data) >= self.size
            bodies, at, sound = _parse(data)
            if bodies or not sound or to_the_end:
                break
            most_bytes *= 4
        found: list[tuple[bytes, bytes]] = []
        for body in bodies:
            try:
                found.append(self._opened(body))
            except Damaged as error:
                self.unreadable = str(error)
                return found
            self.read_to += RECORD.size + len(body)
            self._read += 1
            self.outstanding += 1
        if not sound or (to_the_end and at < len(data)):
            self.torn += self.size - self.read_to
            self.size = self.read_to
            os.ftruncate(self._file, self.size)
        return found

    def left(self) -> int:
        """Return how many records there are behind what was read, by their lengths and checksums; 0 where its header is damaged."""
        return len(_parse(os.pread(self._file, self.size - self.read_to, self.read_to))[0])

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

    def set_aside(self, path: Path) -> None:
        """Close the file and keep it under another name."""
        os.close(self._file)
        self.path.rename(path)

    def _begin(self, header: Header, key: bytes) -> None:
        self.header = header
        self.unlock(key)
        try:
            self._write(header.encode())
        except OSError:
            self.remove()
            raise
        self.read_to = self.size

    def _look(self) -> None:
        """See whether it is sealed."""
        beginning = os.pread(self._file, MOST_HEADER, 0)
        if not is_sealed(beginning):
            return
        try:
            self.header = header_of(beginning)
        except Damaged as error:
            self.unreadable = str(error)
            return
        if self.header is None:
            self.torn, self.size = self.size, 0
            os.ftruncate(self._file, 0)
        else:
            self.read_to = HEADER_BYTES + len(self.header.wrapped)

    def _opened(self, body: bytes) -> tuple[bytes, bytes]:
        if self._records is not None:
            body = self._records.open(self._read, body)
        (size,) = KEY.unpack_from(body)
        return body[KEY.size : KEY.size + size], body[KEY.size + size :]

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)


def _parse(data: bytes) -> tuple[list[bytes], int, bool]:
    """Return the bodies of the whole records in some bytes, where they end, and whether the next one is sound as far as it is there."""
    found: list[bytes] = []
    at = 0
    while at + RECORD.size <= len(data):
        length, checksum = RECORD.unpack_from(data, at)
        end = at + RECORD.size + length
        if end > len(data):
            break
        body = data[at + RECORD.size : end]
        if length < KEY.size or zlib.crc32(body) != checksum:
            return found, at, False
        found.append(body)
        at = end
    return found, at, True
