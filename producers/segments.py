"""One file of a spill: records of length, checksum, key and value, appended and read back in order, plain or sealed.

A record is `>II` (length and CRC32 of its body), then the body: the key's length (`>H`), the key, the value. A record that a
kill -9 or a power cut left half at the very end is torn, and cut. One that is damaged with whole ones behind it, or in its own
whole length, makes the rest unreadable: nothing behind it can be trusted to be in order, so it is counted and kept. In a sealed
file (topology/secrets/sealed_file.py) a header comes first, and each body is sealed; lengths and checksums are of what is on disk.
"""

import errno
import os
import stat
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from topology.secrets.envelope import DataKey
from topology.secrets.errors import Damaged
from topology.secrets.sealed_file import HEADER_BYTES, ID_BYTES, MOST_HEADER, OVERHEAD, Header, Records, header_of, is_sealed

RECORD = struct.Struct(">II")
KEY = struct.Struct(">H")
MOST_TRIED = 64 * 1024 * 1024
"""Bytes of work, about, in which the next whole record behind a damaged one is looked for; what is not found in it is not counted."""


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
        self.lost = 0
        """Records that were in what another took from its end while it was open; at least so many where it is not our own."""
        self._own = create
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
        self.size = os.fstat(self._file).st_size
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            os.close(self._file)
            raise OSError(errno.EINVAL, "this is no file", str(path))
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
    def whole(self) -> bool:
        """Whether all that was written is still there, and under a name; a record behind what is not would be found by nobody."""
        return os.fstat(self._file).st_size >= self.size and not self.deleted

    @property
    def deleted(self) -> bool:
        """Whether another has deleted it; while it is open it can be read all the same."""
        return os.fstat(self._file).st_nlink == 0

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

        A damaged record, or a sealed one that does not open, makes what follows unreadable; those before it are returned.
        """
        while True:
            wanted = min(most_bytes, self.size - self.read_to)
            try:
                data = os.pread(self._file, wanted, self.read_to)
            except OSError as error:
                self.unreadable = f"the disk gives it no more: {error.strerror}"
                return []
            to_the_end = len(data) < wanted or self.read_to + len(data) >= self.size
            bodies, _, sound = _parse(data)
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
        if not sound or (to_the_end and self.read_to < self.size):
            self._end()
        return found

    def left(self) -> int:
        """Return how many records there are behind what was read, whole or damaged.

        In a file that we wrote we know it. In another's it is by lengths and checksums; where the disk gives an error, it is one at least.
        """
        if self._own:
            return self._written - self._read
        try:
            rest = os.pread(self._file, self.size - self.read_to, self.read_to)
        except OSError:
            return 1
        if self.read_to == 0 and is_sealed(rest):  # its header is damaged: how long it was is not known
            first = _next_whole(rest, 0)
            return 0 if first is None else count(rest, first)
        return count(rest)

    def sync(self) -> None:
        """Force it to the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file and leave it."""
        os.close(self._file)

    def remove(self) -> None:
        """Close the file and delete it."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> None:
        """Close the file and keep it under another name."""
        os.close(self._file)
        self.path.rename(path)

    def _end(self) -> None:
        """End where no whole record follows: damaged, torn, or taken away by another while we had it open."""
        try:
            self._end_or_raise()
        except OSError as error:
            self.unreadable = f"the disk refuses it: {error.strerror}"

    def _end_or_raise(self) -> None:
        there = os.fstat(self._file).st_size
        rest = os.pread(self._file, self.size - self.read_to, self.read_to)
        _, _, sound = _parse(rest)
        blank = not rest.strip(b"\0")  # a power cut may leave room without what was to be in it
        if not blank and (not sound or _next_whole(rest, 1) is not None):
            self.unreadable = f"the record at byte {self.read_to} is damaged"
            return
        if there < self.size:
            self.writable = False
            self.lost += max(self._written - self._read, 1)
        self.torn += self.size - self.read_to
        self.size = self.read_to
        if there > self.size:
            os.ftruncate(self._file, self.size)

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


def count(data: bytes, at: int = 0) -> int:
    """Return how many records are in some bytes: whole ones, and damaged stretches as one each; one that stops at the end is none."""
    found = 0
    while True:
        bodies, at, sound = _parse(data, at)
        found += len(bodies)
        following = _next_whole(data, at + 1)
        if following is None:
            return found + (not sound)
        found, at = found + 1, following


def _next_whole(data: bytes, start: int) -> int | None:
    """Return where the next whole record begins; its length begins with a zero byte, for none has 16 MiB."""
    left = MOST_TRIED
    at = data.find(b"\0", start)
    while 0 <= at <= len(data) - RECORD.size and left > 0:
        length, checksum = RECORD.unpack_from(data, at)
        end = at + RECORD.size + length
        left -= RECORD.size * RECORD.size
        if length >= KEY.size and end <= len(data):
            left -= length
            if zlib.crc32(memoryview(data)[at + RECORD.size : end]) == checksum:
                return at
        at = data.find(b"\0", at + 1)
    return None


def _parse(data: bytes, at: int = 0) -> tuple[list[bytes], int, bool]:
    """Return the bodies of the whole records in some bytes, where they end, and whether the next one is sound as far as it is there."""
    found: list[bytes] = []
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
