"""Sealed spills as tests make them: data keys of a local key, of a Vault that can be switched off, and readers that wait for them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producers.sealing import Sealing
from producers.spill import Spill
from topology.secrets.envelope import DataKey, LocalWrapping, Wrapping
from topology.secrets.errors import Unavailable
from topology.secrets.local_key import Key

Message = tuple[bytes, bytes]
KEY = Key("the test", b"1" * 32)
DATA_KEY = DataKey(b"wrapped", b"k" * 32)
MOST = 10_000_000
CANARY = b"canary frame of an authenticated channel"
PATIENCE = 30.0


class Switched:
    """A wrapping that answers only while `away` is false, and counts the keys it made."""

    def __init__(self, inner: Wrapping | None = None, *, away: bool = False) -> None:
        self.inner = inner or LocalWrapping(KEY)
        self.away = away
        self.made = 0

    def new(self) -> DataKey:
        """Make one."""
        self.stay()
        self.made += 1
        return self.inner.new()

    def unwrap(self, wrapped: bytes) -> bytes:
        """Unwrap."""
        self.stay()
        return self.inner.unwrap(wrapped)

    def rewrap(self, wrapped: bytes) -> bytes:
        """Rewrap."""
        self.stay()
        return self.inner.rewrap(wrapped)

    def stay(self) -> None:
        """Answer, or not."""
        if self.away:
            raise Unavailable("no Vault answers")


def sealing(wrapping: Wrapping | None = None, *, seals: bool = True) -> Sealing:
    """Return data keys by a wrapping, by default the local key's."""
    return Sealing("venue", lambda: wrapping or LocalWrapping(KEY), seals=seals, clock=time.monotonic)


@contextmanager
def keyed(wrapping: Wrapping | None = None) -> Iterator[Sealing]:
    """Give data keys once the first is there."""
    with sealing(wrapping) as made:
        wait(lambda: made.key is not None)
        yield made


def leave(root: Path, name: str, messages: list[Message], wrapping: LocalWrapping | Switched | None = None) -> Path:
    """Leave sealed files as a producer that ended while the broker was away; return its directory."""
    with keyed(wrapping) as keys:
        spill = Spill(root, name, MOST, segment_bytes=2_000, sealing=keys)
        for message in messages:
            assert spill.append([message]) is not None
        spill.close()
    return root / name


def wait(condition: object) -> None:
    """Wait until a condition holds that sets no event."""
    deadline = time.monotonic() + PATIENCE
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def drain(spill: Spill) -> list[Message]:
    """Read everything, as if it were delivered at once; wait for data keys."""
    found: list[Message] = []

    def step() -> bool:
        for segment, key, value in spill.read():
            found.append((key, value))
            spill.delivered(segment)
        spill.tidy()
        return not spill.unread

    wait(step)
    return found


def some_messages(count: int, start: int = 0) -> list[Message]:
    """Return messages that can be told apart, each with the canary in key and value."""
    return [(b"%s|%d" % (CANARY, number % 3), b"%06d %s" % (number, CANARY)) for number in range(start, start + count)]


def written(root: Path) -> bytes:
    """Return all that stands in any file."""
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())
