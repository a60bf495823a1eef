"""Messages on disk, first in first out, while the broker is away: bounded, and kept over a kill -9.

    <root>/<started>/lock                 held while its producer lives
    <root>/<started>/0000000001.spill     segments, oldest first

Directories whose lock nobody holds are a killed producer's: they are read first, where they are, in order of their names.
What one producer wrote is deleted once delivered, a whole segment at a time; so after a kill some may be sent twice, which
(connection_id, connection_sequence) tells downstream.
"""

import fcntl
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from producers.segments import Segment, record
from topology.log import logger

SEGMENT_BYTES = 16 * 1024 * 1024
MOST_AT_ONCE = 256 * 1024
"""Bytes read at a time, so that replaying shares the event loop with the sockets."""


class Spill:
    """A queue of (key, value) on disk. `name` sorts by time and is this producer's own; `most_bytes` bounds the queue's files."""

    def __init__(self, root: Path, name: str, most_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._directory = root / name
        self._most_bytes = most_bytes
        self._segment_bytes = segment_bytes
        self._number = 0
        self._segments: deque[Segment] = deque()
        self._locks: dict[Path, int] = {}
        self.bytes = 0
        """Size of all files, in bytes."""
        root.mkdir(parents=True, exist_ok=True)
        for directory in sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != "."):
            self._adopt(directory)
        self._make_own()

    @property
    def unread(self) -> bool:
        """Whether anything waits to be read."""
        return any(not segment.exhausted for segment in self._segments)

    def append(self, messages: Sequence[tuple[bytes, bytes]], *, handed_over: bool = False) -> Segment | None:
        """Append messages; return the segment, or None where they would pass the bound (none of them is then there).

        `handed_over`: they are with librdkafka already, so they are read as soon as written; call only while nothing is unread.
        Raises OSError where the disk refuses.
        """
        records = [record(key, value) for key, value in messages]
        size = sum(map(len, records))
        if self.bytes + size > self._most_bytes:
            return None
        segment = self._tail()
        segment.append(records)
        self.bytes += size
        if handed_over:
            segment.read_to = segment.size
            segment.outstanding += len(records)
        return segment

    def read(self) -> list[tuple[Segment, bytes, bytes]]:
        """Return the next messages with the segment that must hear of their delivery; none where all is read."""
        for segment in self._segments:
            if not segment.exhausted:
                found = segment.read(MOST_AT_ONCE)
                if segment.torn:
                    logger().warning("a spill file was torn; its end is cut", file=str(segment.path), bytes=segment.torn)
                    self.bytes -= segment.torn
                    segment.torn = 0
                if found:
                    return [(segment, key, value) for key, value in found]
        return []

    def delivered(self, segment: Segment) -> None:
        """Note that one message of a segment is with Kafka."""
        segment.outstanding -= 1

    def tidy(self) -> None:
        """Delete the segments of which everything has been delivered."""
        while self._segments and self._segments[0].exhausted and self._segments[0].outstanding == 0:
            segment = self._segments.popleft()
            self.bytes -= segment.size
            segment.remove()
            if segment.path.parent != self._directory and not any(one.path.parent == segment.path.parent for one in self._segments):
                self._give_up(segment.path.parent)

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._segments and self._segments[-1].writable:
            self._segments[-1].sync()

    def close(self) -> None:
        """Leave what is not delivered for the next start, and remove the directory where there is nothing."""
        self.tidy()
        self.sync()
        for segment in self._segments:
            segment.close()
        for directory in list(self._locks):
            if any(one.path.parent == directory for one in self._segments):
                os.close(self._locks.pop(directory))
            else:
                self._give_up(directory)

    def _tail(self) -> Segment:
        tail = self._segments[-1] if self._segments else None
        if tail is None or not tail.writable or tail.size >= self._segment_bytes:
            if tail is not None and tail.writable:
                tail.sync()
            self._number += 1
            tail = Segment(self._directory / f"{self._number:010d}.spill", create=True)
            self._segments.append(tail)
        return tail

    def _adopt(self, directory: Path) -> None:
        if not self._lock(directory):
            return
        paths = sorted(directory.glob("*.spill"))
        for path in paths:
            segment = Segment(path, create=False)
            self._segments.append(segment)
            self.bytes += segment.size
        if not paths:
            self._give_up(directory)

    def _make_own(self) -> None:
        """Make our directory, locked before others can see it: one that starts now would take it for a dead producer's."""
        hidden = self._root / f".{self._directory.name}"
        hidden.mkdir()
        self._lock(hidden)
        hidden.rename(self._directory)
        self._locks[self._directory] = self._locks.pop(hidden)

    def _lock(self, directory: Path) -> bool:
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._locks[directory] = lock
        return True

    def _give_up(self, directory: Path) -> None:
        (directory / "lock").unlink(missing_ok=True)
        directory.rmdir()
        os.close(self._locks.pop(directory))
