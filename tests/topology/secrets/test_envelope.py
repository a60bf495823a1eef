"""Data keys for files on disk, wrapped by Vault's transit engine and by the local key; and the form of what is sealed with one."""

import base64

import hvac
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.topology.secrets.transit_made import NAME, transit
from topology.secrets.envelope import LocalWrapping, Transit, Wrapping
from topology.secrets.errors import Damaged, Denied, Malformed
from topology.secrets.local_key import Key
from topology.secrets.sealed_file import HEADER_BYTES, MOST_WRAPPED, OVERHEAD, Header, Records, header_of, is_sealed
from topology.secrets.settings import Secrets

__all__ = ["transit"]
CANARY = b"canary frame of an authenticated channel"
HEADER = Header(b"0123456789abcdef", b"wrapped key")
KEY = b"k" * 32


@pytest.fixture(params=["local", "vault"])
def wrapping(request: pytest.FixtureRequest) -> Wrapping:
    """Give each way to wrap in turn."""
    found: Wrapping = request.getfixturevalue("transit") if request.param == "vault" else LocalWrapping(request.getfixturevalue("key"))
    return found


def test_data_keys_are_unwrapped_again(wrapping: Wrapping) -> None:
    """Each key is another; unwrapped, also after a rewrap, it is the same; its wrapped form and its repr hold nothing of it."""
    first, second = wrapping.new(), wrapping.new()
    assert len(first.plain) == 32
    assert first.plain != second.plain
    assert wrapping.unwrap(first.wrapped) == first.plain
    assert wrapping.unwrap(wrapping.rewrap(first.wrapped)) == first.plain
    assert first.plain not in first.wrapped
    assert str(first.plain) not in repr(first)
    wrapping.stay()


def version(wrapped: bytes) -> int:
    """Return the version of the transit key that wrapped a data key (`vault:v3:…`)."""
    return int(wrapped.split(b":")[1].removeprefix(b"v"))


def test_key_rotation_and_rewrap(transit: Transit, mounted: Secrets, operator: hvac.Client) -> None:
    """After the transit key is rotated old data keys still unwrap; rewrapped ones outlive the old version's end, others do not."""
    kept, left = transit.new(), transit.new()
    operator.secrets.transit.rotate_key(NAME, mount_point=mounted.transit_mount)
    assert transit.unwrap(kept.wrapped) == kept.plain
    rewrapped = transit.rewrap(kept.wrapped)
    assert version(rewrapped) == version(kept.wrapped) + 1 == version(transit.new().wrapped)
    operator.secrets.transit.update_key_configuration(NAME, min_decryption_version=version(rewrapped), mount_point=mounted.transit_mount)
    assert transit.unwrap(rewrapped) == kept.plain
    with pytest.raises((Malformed, Denied)):
        transit.unwrap(left.wrapped)


def test_another_machines_key_is_told(key: Key) -> None:
    """Data keys that another key wrapped are refused by their cause."""
    wrapped = LocalWrapping(key).new().wrapped
    other = Key("another", base64.b64decode(b"A" * 43 + b"="))
    with pytest.raises(Malformed, match="not wrapped by this machine's key"):
        LocalWrapping(other).unwrap(wrapped)


@examples(60, suppress_health_check=list(HealthCheck))
@given(file_id=st.binary(min_size=16, max_size=16), wrapped=st.binary(max_size=MOST_WRAPPED), rest=st.binary(max_size=50))
def test_headers_are_read_as_written(file_id: bytes, wrapped: bytes, rest: bytes) -> None:
    """A header is what was written, whatever follows; one that is cut short is none, and no damage."""
    header = Header(file_id, wrapped)
    written = header.encode()
    assert is_sealed(written)
    assert len(written) == HEADER_BYTES + len(wrapped)
    assert header_of(written + rest) == header
    for length in (0, 1, 5, 22, 23, len(written) // 2, len(written) - 1):
        assert header_of(written[: min(length, len(written) - 1)]) is None


@examples(100)
@given(at=st.integers(4, 60), bit=st.integers(0, 7))
def test_any_altered_bit_of_a_header_is_found(at: int, bit: int) -> None:
    """A header with one bit changed behind the magic, in a file that goes on, is damaged."""
    written = bytearray(HEADER.encode())
    written[at % (len(written) - 4) + 4] ^= 1 << bit
    with pytest.raises(Damaged):
        header_of(bytes(written) + b"\0" * (MOST_WRAPPED + HEADER_BYTES))


def test_a_wrapped_key_that_could_not_be_read_again_is_refused() -> None:
    """A header never holds more than is read of it."""
    with pytest.raises(Malformed):
        Header(b"0" * 16, b"x" * (MOST_WRAPPED + 1)).encode()


@examples(60)
@given(data=st.binary(max_size=300), number=st.integers(0, 2**40))
def test_sealed_records_open_again(data: bytes, number: int) -> None:
    """A record opens at its place, is longer by nonce and tag, and is sealed differently each time."""
    records = Records(HEADER, KEY)
    first, second = records.seal(number, data), records.seal(number, data)
    assert first != second
    assert len(first) == len(data) + OVERHEAD
    assert Records(HEADER, KEY).open(number, first) == data


@examples(60)
@given(at=st.integers(0, 200), bit=st.integers(0, 7))
def test_any_altered_bit_is_found(at: int, bit: int) -> None:
    """A record with one bit changed anywhere does not open; nothing of it was readable."""
    records = Records(HEADER, KEY)
    sealed = bytearray(records.seal(0, CANARY))
    assert CANARY not in sealed
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(Damaged):
        records.open(0, bytes(sealed))


def test_a_record_opens_at_its_own_place_only() -> None:
    """Another number, another file or another key, and it does not open; nor cut short; nor does a rewrap change that it does."""
    sealed = Records(HEADER, KEY).seal(3, CANARY)
    assert Records(Header(HEADER.file_id, b"wrapped anew"), KEY).open(3, sealed) == CANARY
    for header, key, number in (
        (HEADER, KEY, 2),
        (Header(b"another file's id", HEADER.wrapped), KEY, 3),
        (HEADER, b"l" * 32, 3),
    ):
        with pytest.raises(Damaged):
            Records(Header(header.file_id[:16], header.wrapped), key).open(number, sealed)
    for length in range(len(sealed)):
        with pytest.raises(Damaged):
            Records(HEADER, KEY).open(3, sealed[:length])
