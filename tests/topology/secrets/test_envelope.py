"""Sealed data on disk: by Vault's transit engine and by the local key."""

import base64
from collections.abc import Callable

import hvac
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topology.secrets.envelope import DataKey, Envelope, LocalWrapping, Transit, Wrapping, is_sealed, split
from topology.secrets.errors import Damaged, Denied, Malformed, Unavailable
from topology.secrets.local_key import Key
from topology.secrets.policies import Role
from topology.secrets.settings import Secrets
from topology.secrets.vault_session import Session
from topology.secrets.vault_setup import Setup

NAME = "tidewire-spill-kraken"
CANARY = b"canary frame of an authenticated channel"


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def begun(wrapping: Wrapping) -> Envelope:
    """Return an envelope with a data key."""
    envelope = Envelope(wrapping, Clock())
    envelope.renew()
    return envelope


@pytest.fixture
def transit(mounted: Secrets) -> Transit:
    """Use a transit key as `tidewire secrets init` makes it."""
    session = Session(mounted)
    Setup(session, mounted).run([Role("tidewire-producers-kraken", "kraken", spills=True)])
    return Transit(session, mounted.transit_mount, NAME)


@pytest.fixture(params=["local", "vault"])
def wrapping(request: pytest.FixtureRequest) -> Wrapping:
    """Give each way to wrap in turn."""
    found: Wrapping = request.getfixturevalue("transit") if request.param == "vault" else LocalWrapping(request.getfixturevalue("key"))
    return found


def test_sealed_data_opens_again(wrapping: Wrapping) -> None:
    """What one process seals another opens; nothing of it is readable, and equal data are sealed differently."""
    first = begun(wrapping)
    pieces = [first.seal(CANARY), first.seal(CANARY), first.seal(b"")]
    assert all(CANARY not in piece and is_sealed(piece) for piece in pieces)
    assert pieces[0] != pieces[1]
    assert [Envelope(wrapping, Clock()).open(piece) for piece in pieces] == [CANARY, CANARY, b""]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 200), bit=st.integers(0, 7))
def test_any_altered_bit_is_found(key: Key, at: int, bit: int) -> None:
    """A piece with one bit changed anywhere, its head included, does not open."""
    envelope = begun(LocalWrapping(key))
    sealed = bytearray(envelope.seal(CANARY))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises((Damaged, Malformed)):
        envelope.open(bytes(sealed))


def test_cut_pieces_are_damaged(key: Key) -> None:
    """A piece cut short anywhere is told as such."""
    envelope = begun(LocalWrapping(key))
    sealed = envelope.seal(CANARY)
    for length in range(len(sealed)):
        with pytest.raises(Damaged):
            envelope.open(sealed[:length])


def test_key_rotation_and_rewrap(transit: Transit, mounted: Secrets, operator: hvac.Client) -> None:
    """After the transit key is rotated old pieces still open; rewrapped ones outlive the old version's end, others do not."""
    old = begun(transit)
    kept, left = old.seal(CANARY), old.seal(b"left behind")
    operator.secrets.transit.rotate_key(NAME, mount_point=mounted.transit_mount)
    newer = begun(transit)
    assert newer.open(kept) == CANARY
    rewrapped = newer.rewrap(kept)
    version = int(split(rewrapped)[1].split(b":")[1].removeprefix(b"v"))
    assert version > int(split(kept)[1].split(b":")[1].removeprefix(b"v"))
    assert transit.rewrap(split(kept)[1]).startswith(b"vault:v%d:" % version)
    operator.secrets.transit.update_key_configuration(NAME, min_decryption_version=version, mount_point=mounted.transit_mount)
    last = Envelope(transit, Clock())
    assert last.open(rewrapped) == CANARY
    with pytest.raises((Malformed, Denied)):
        last.open(left)


class Away:
    """A wrapping that can be switched off, and counts."""

    def __init__(self, inner: Wrapping) -> None:
        self.inner = inner
        self.away = False
        self.made = 0

    def _asked(self, act: Callable[[], bytes]) -> bytes:
        if self.away:
            raise Unavailable("no Vault answers")
        return act()

    def new(self) -> DataKey:
        """Make one."""
        self.made += 1
        if self.away:
            raise Unavailable("no Vault answers")
        return self.inner.new()

    def unwrap(self, wrapped: bytes) -> bytes:
        """Unwrap."""
        return self._asked(lambda: self.inner.unwrap(wrapped))

    def rewrap(self, wrapped: bytes) -> bytes:
        """Rewrap."""
        return self._asked(lambda: self.inner.rewrap(wrapped))


def test_sealing_goes_on_while_the_vault_is_away(key: Key) -> None:
    """The data key in memory serves on, past its time too; once the Vault answers, a new one is taken; pieces of each open."""
    clock, wrapping = Clock(), Away(LocalWrapping(key))
    envelope = Envelope(wrapping, clock, seconds=60)
    assert envelope.renew()
    assert not envelope.renew()
    first = envelope.seal(b"1")
    wrapping.away = True
    clock.now = 100
    with pytest.raises(Unavailable):
        envelope.renew()
    second = envelope.seal(b"2")
    assert split(first)[1] == split(second)[1]
    wrapping.away = False
    assert envelope.renew()
    third = envelope.seal(b"3")
    assert split(third)[1] != split(second)[1]
    wrapping.away = True
    assert [envelope.open(piece) for piece in (first, second, third)] == [b"1", b"2", b"3"]
    fresh = Envelope(wrapping, clock)
    with pytest.raises(Unavailable, match="no data key"):
        fresh.seal(b"4")
    with pytest.raises(Unavailable):
        fresh.open(first)


def test_another_machines_key_is_told(key: Key) -> None:
    """Data keys that another key wrapped are refused by their cause."""
    sealed = begun(LocalWrapping(key)).seal(CANARY)
    other = Key("another", base64.b64decode(b"A" * 43 + b"="))
    with pytest.raises(Malformed, match="not wrapped by this machine's key"):
        Envelope(LocalWrapping(other), Clock()).open(sealed)
