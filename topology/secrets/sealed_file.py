"""The form of a sealed file: a header that holds the wrapped data key, then records, each of which opens at its own place only.

    b"TWSF" | version, 1 byte | the file's id, 16 random bytes | length of the wrapped key, 2 bytes | wrapped key | CRC32 of all that

A record is AES-256-GCM: nonce of 12 random bytes, ciphertext, tag of 16. Its key is derived from the data key and the file's id
(HKDF-SHA256, RFC 5869), so one data key may serve many files and no key ever sees more records than fit in a file (NIST SP 800-38D,
8.3). Its associated data are magic, version, id and the record's number: moved within a file or to another one, it does not open.
The wrapped key is not among them, so that it can be wrapped anew with every record left as it is.
"""

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from topology.secrets.envelope import NONCE_BYTES
from topology.secrets.errors import Damaged, Malformed

MAGIC = b"TWSF"
VERSION = 1
FIXED = struct.Struct(">4sB16s")
LENGTH = struct.Struct(">H")
CHECKSUM = struct.Struct(">I")
NUMBER = struct.Struct(">Q")
ID_BYTES = 16
KEY_BYTES = 32
MOST_WRAPPED = 4096
"""Bytes of the longest wrapped key; Vault's has about 90. A longer one in a file is damage, not a file that was cut short."""
HEADER_BYTES = FIXED.size + LENGTH.size + CHECKSUM.size
"""Bytes of a header, without the wrapped key."""
MOST_HEADER = HEADER_BYTES + MOST_WRAPPED
"""Bytes of the longest header."""
DAMAGED = "its header was altered or took damage: restore it from a backup"
OVERHEAD = NONCE_BYTES + 16
"""Bytes by which a sealed record is longer than what is in it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of a sealed file."""

    file_id: bytes
    wrapped: bytes

    def encode(self) -> bytes:
        """Return its bytes. Raises Malformed where the wrapped key is too long."""
        if len(self.wrapped) > MOST_WRAPPED:
            raise Malformed(f"a wrapped key has {len(self.wrapped)} bytes, and at most {MOST_WRAPPED} are read again")
        told = FIXED.pack(MAGIC, VERSION, self.file_id) + LENGTH.pack(len(self.wrapped)) + self.wrapped
        return told + CHECKSUM.pack(zlib.crc32(told))


def is_sealed(beginning: bytes) -> bool:
    """Whether a file that begins so is sealed; a plain spill file begins with the length of a record, which is never that long."""
    return beginning.startswith(MAGIC)


def header_of(beginning: bytes) -> Header | None:
    """Return the header of a sealed file, given its first MOST_HEADER bytes; None where it is cut short. Raises Damaged."""
    if len(beginning) < FIXED.size + LENGTH.size:
        return None
    _, version, file_id = FIXED.unpack_from(beginning)
    if version != VERSION:
        raise Damaged(f"it has version {version}, and this one reads {VERSION}: use the version of Tidewire that wrote it")
    (length,) = LENGTH.unpack_from(beginning, FIXED.size)
    start = FIXED.size + LENGTH.size
    end = start + length
    if length > MOST_WRAPPED:
        raise Damaged(DAMAGED)
    if len(beginning) < end + CHECKSUM.size:
        return None
    if CHECKSUM.unpack_from(beginning, end)[0] != zlib.crc32(beginning[:end]):
        raise Damaged(DAMAGED)
    return Header(file_id, beginning[start:end])


class Records:
    """Seals and opens the records of one file, with its data key. `randomness` gives that many random bytes."""

    def __init__(self, header: Header, key: bytes, randomness: Callable[[int], bytes] = os.urandom) -> None:
        derived = HKDF(hashes.SHA256(), KEY_BYTES, salt=header.file_id, info=b"tidewire sealed file").derive(key)
        self._cipher = AESGCM(derived)
        self._bound = FIXED.pack(MAGIC, VERSION, header.file_id)
        self._randomness = randomness

    def seal(self, number: int, data: bytes) -> bytes:
        """Return a record's data sealed; `number` counts the file's records from 0."""
        nonce = self._randomness(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, self._bound + NUMBER.pack(number))

    def open(self, number: int, sealed: bytes) -> bytes:
        """Return a record's data. Raises Damaged where it was altered, or is another place's or another file's."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._bound + NUMBER.pack(number))
        except (InvalidTag, ValueError):
            raise Damaged(f"record {number} was altered, or moved from another place: restore the file from a backup") from None
