"""Who did what with which secret: events for the topic `credential_audit`, and never a value.

An event is first appended to a file of this machine and synced, then published; it leaves the file when Kafka has it. So nothing is
forgotten while Kafka is away or no stack runs, and what is published twice is one row by its id.
"""

import errno
import fcntl
import getpass
import json
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from schemas.catalogue import event
from schemas.events import CredentialAudit
from topology.errors import TidewireError
from topology.secrets.errors import Damaged, Denied
from topology.secrets.files import exclusive_or_none
from topology.secrets.store import Author, Provider

Action = Literal["read", "write", "validate", "rotate", "revoke", "refuse", "other"]
MOST_ERROR = 500
MOST_WAITING = 1 << 30
"""Bytes of the largest queue; a month of a hundred stages' events has less."""
_DECODER = msgspec.json.Decoder(CredentialAudit)


class Publishing(Protocol):
    """What takes events to Kafka: topology.kafka.Publisher."""

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        """Queue one message."""

    def flush(self, timeout: float) -> None:
        """Wait until all are delivered; Retry where they are not."""


class Queue:
    """Events that wait for Kafka, one JSON line each, appended only; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def empty(self) -> bool:
        """Whether nothing waits; asks for the file's size only."""
        try:
            return not self.path.stat().st_size
        except FileNotFoundError:
            return True

    def append(self, record: CredentialAudit) -> None:
        """Add an event; it is on disk when this returns."""
        with self._locked() as descriptor:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            if end and os.pread(descriptor, 1, end - 1) != b"\n":
                end = _read(descriptor, 0)[1]  # a crash cut the last line short
                os.ftruncate(descriptor, end)
                os.lseek(descriptor, end, os.SEEK_SET)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            os.fsync(descriptor)

    def waiting(self) -> list[CredentialAudit]:
        """Return the events that wait, oldest first; a last line that a crash cut short is left out. Raises Damaged."""
        if not os.path.lexists(self.path):
            return []
        with self._locked() as descriptor:
            return self._decoded(_read(descriptor, 0)[0])

    def ship(self, publisher: Publishing, encode: Callable[[CredentialAudit], bytes], timeout: float = 10.0) -> int:
        """Publish what waits, and drop it here once it is delivered; return how many, 0 where another process is at it.

        Events may be added meanwhile. Raises Retry, with all of it kept, and Damaged where a line is no event.
        """
        if self.empty:
            return 0
        with exclusive_or_none(self.path.with_name(self.path.name + ".lock")) as ours:
            if not ours:
                return 0
            with self._locked() as descriptor:
                lines, end = _read(descriptor, 0)
            count = self._publish(lines, publisher, encode, timeout)
            with self._locked() as descriptor:
                # What came meanwhile is little, and the broker answers: it goes with the lock held.
                count += self._publish(_read(descriptor, end)[0], publisher, encode, timeout)
                os.ftruncate(descriptor, 0)
        return count

    def _publish(self, lines: Sequence[bytes], publisher: Publishing, encode: Callable[[CredentialAudit], bytes], timeout: float) -> int:
        topic = event("credential_audit").topic
        for record in self._decoded(lines):
            publisher.publish(topic.of(), topic.key_of(record), encode(record))
        if lines:
            publisher.flush(timeout)
        return len(lines)

    def _decoded(self, lines: Sequence[bytes]) -> list[CredentialAudit]:
        try:
            return [_DECODER.decode(line) for line in lines]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Damaged(f"{self.path} holds a line that is no audit event: take that line out; nothing was dropped") from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file")
                if status.st_size > MOST_WAITING:
                    raise OSError(errno.EFBIG, f"it has more than {MOST_WAITING} bytes")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Denied(
                f"audit events can't be kept in {self.path} ({error.strerror}): mend it, or name another file by secrets.audit_queue"
            ) from error


def _read(descriptor: int, start: int) -> tuple[list[bytes], int]:
    """Return the whole lines from a place on, and where the last ends."""
    os.lseek(descriptor, start, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as file:
        lines = [line for line in file if line.endswith(b"\n")]
    return lines, start + sum(map(len, lines))


class Audit:
    """Events of one author. `identify` gives an id that no other event has, `now` microseconds since 1970 UTC."""

    def __init__(
        self,
        author: Author,
        provider: Provider,
        record: Callable[[CredentialAudit], None],
        now: Callable[[], int],
        identify: Callable[[], str],
    ) -> None:
        self.author = author
        self._provider = provider
        self._record = record
        self._now = now
        self._identify = identify

    def say(self, path: str, action: Action, version: int | None = None, error: str = "") -> None:
        """Record one event; with an `error` it says what failed."""
        self._record(
            CredentialAudit(
                audit_id=self._identify(),
                credential=path,
                action=action,
                secret_version=version,
                actor=self.author.name,
                host=self.author.host,
                provider=self._provider,
                success=not error,
                error=error[:MOST_ERROR] or None,
                occurred_at=self._now(),
            )
        )

    @contextmanager
    def watching(self, path: str, action: Action, version: int | None = None) -> Iterator["Noted"]:
        """Record how the block ends: well, with the version it noted, or with its error, which goes on."""
        noted = Noted(version)
        try:
            yield noted
        except TidewireError as error:
            self.say(path, action, noted.version, f"{type(error).__name__}: {error}")
            raise
        except BaseException as error:
            # Words that are not ours may hold anything: only the kind is told.
            self.say(path, action, noted.version, type(error).__name__)
            raise
        self.say(path, action, noted.version)


class Noted:
    """What a block that is watched says of itself."""

    def __init__(self, version: int | None) -> None:
        self.version = version


_stage: list[str] = []


def act_as(stage: str, venue: str = "") -> None:
    """Let what this process does from now on be done in a stage's name, as its role has it: `producers-kraken`, `build-candles`.

    Call it before the settings are read: reading them may fetch secrets.
    """
    _stage[:] = [(f"{stage}-{venue}" if venue else stage).replace("_", "-")]


def acting() -> str:
    """Return the stage in whose name this process acts; empty where it acts in none."""
    return "".join(_stage)


def this_author(stage: str = "") -> Author:
    """Return who runs this process, and where: the stage that is named or that it has become, else the user."""
    stage = stage or "".join(_stage)
    try:
        name = stage or getpass.getuser()
    except (OSError, KeyError):
        name = f"user {os.getuid()}"  # a container's user without a name
    return Author(name if stage else f"{name} ({Path(sys.argv[0]).name})", socket.gethostname())
