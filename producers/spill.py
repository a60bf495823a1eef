"""Messages on disk, first in first out, while the broker is away: bounded, and kept over a kill -9.

    <root>/<started>/lock                 held while its producer lives
    <root>/<started>/0000000001.spill     segments, oldest first
    <root>/*.unreadable                   segments that can't be opened ever, kept for a person

Directories whose lock nobody holds are a killed producer's: they are read first, where they are, in order of their names.
What one producer wrote is deleted once delivered, a whole segment at a time; so after a kill some may be sent twice, which
(connection_id, connection_sequence) tells downstream.

Where segments are sealed, none is made without a data key, and one whose key must be unwrapped holds all behind it up until it is.
"""

import fcntl
import itertools
import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from producers.sealing import Sealing
from producers.segments import Segment, beginning, size_of
from topology import private
from topology.errors import Fatal
from topology.log import logger
from topology.secrets.envelope import DataKey
from topology.secrets.files import exclusive_folder

SEGMENT_BYTES = 16 * 1024 * 1024
MOST_AT_ONCE = 256 * 1024
"""Bytes read at a time, so that replaying shares the event loop with the sockets."""


class Spill:
    """A queue of (key, value) on disk. `name` sorts by time and is this producer's own; `most_bytes` bounds the queue's files.

    `sealing` has the data keys; without it files are plain, and sealed ones that are found are unreadable.
    """

    def __init__(self, root: Path, name: str, most_bytes: int, segment_bytes: int = SEGMENT_BYTES, sealing: Sealing | None = None) -> None:
        self._root = root
        self._directory = root / name
        self._most_bytes = most_bytes
        self._segment_bytes = segment_bytes
        self._sealing = sealing
        self._number = 0
        self._segments: deque[Segment] = deque()
        self._locks: dict[Path, int] = {}
        self._left: set[Path] = set()
        """Directories in which something stays that can't be taken up or deleted: told once each."""
        self.bytes = 0
        """Size of all files, in bytes."""
        self._unreadable = 0
        private.folder(root)
        # `tidewire secrets rewrap` holds directories for a moment: without waiting for it they would pass for a living producer's.
        with exclusive_folder(root):
            for directory in sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != "."):
                self._adopt(directory)
        self._make_own()

    @property
    def ready(self) -> bool:
        """Whether messages can be written: not where they must be sealed and there is no data key yet."""
        return self._sealing is None or not self._sealing.seals or self._sealing.key is not None

    @property
    def unread(self) -> bool:
        """Whether anything waits to be read."""
        return any(not segment.exhausted for segment in self._segments)

    def append(self, messages: Sequence[tuple[bytes, bytes]], *, handed_over: bool = False) -> Segment | None:
        """Append messages; return the segment, or None where they would pass the bound or it is not ready (none of them is then there).

        `handed_over`: they are with librdkafka already, so they are read as soon as written; call only while nothing is unread.
        Raises OSError where the disk refuses.
        """
        if not self.ready:
            return None
        key = self._sealing.key if self._sealing is not None and self._sealing.seals else None
        tail = self._open_tail()
        size = size_of(messages, sealed=key is not None)
        if self.bytes + size + (0 if tail else beginning(key)) > self._most_bytes:
            return None
        segment = tail or self._new_tail(key)
        segment.append(messages)
        self.bytes += size
        if handed_over:
            segment.pass_over(len(messages))
        return segment

    def read(self) -> list[tuple[Segment, bytes, bytes]]:
        """Return the next messages with the segment that must hear of their delivery.

        None where all is read, or where the next segment waits for its data key: then something is unread, and it is to be asked again.
        """
        for segment in self._segments:
            if segment.exhausted:
                continue
            if segment.locked and not self._unlocked(segment):
                if segment.unreadable:
                    continue
                return []
            found = segment.read(MOST_AT_ONCE)
            self._say_torn(segment)
            if segment.unreadable:
                self._give_up_reading(segment, segment.unreadable)
            if found:
                return [(segment, key, value) for key, value in found]
        return []

    def unreadable(self) -> int:
        """Return how many messages were found unreadable since the last call."""
        found, self._unreadable = self._unreadable, 0
        return found

    def delivered(self, segment: Segment) -> None:
        """Note that one message of a segment is with Kafka."""
        segment.outstanding -= 1

    def tidy(self) -> None:
        """Delete the segments of which everything has been delivered, and set those aside of which the rest can't be read."""
        while self._segments and self._segments[0].exhausted and self._segments[0].outstanding == 0:
            segment = self._segments.popleft()
            self.bytes -= segment.size
            try:
                if segment.unreadable:
                    segment.set_aside(self._aside(segment))
                else:
                    segment.remove()
            except FileNotFoundError:
                logger().error("a spill file that was to be kept aside was deleted by another", file=str(segment.path))
            except OSError as error:
                self._leave(segment.path.parent, {segment.path.name: error})
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
            if segment.deleted and (frames := segment.outstanding + segment.left()):
                logger().error(
                    "a spill file was deleted by another before its frames were delivered: they are lost",
                    file=str(segment.path),
                    frames=frames,
                )
            segment.close()
        for directory in list(self._locks):
            if any(one.path.parent == directory for one in self._segments):
                os.close(self._locks.pop(directory))
            else:
                self._give_up(directory)

    def _open_tail(self) -> Segment | None:
        tail = self._segments[-1] if self._segments else None
        if tail is not None and tail.writable and not tail.whole:
            tail.writable = False
        return tail if tail is not None and tail.writable and tail.size < self._segment_bytes else None

    def _new_tail(self, key: DataKey | None) -> Segment:
        self.sync()
        if not self._directory.is_dir():  # another has deleted it: frames go to disk all the same
            os.close(self._locks.pop(self._directory))
            self._make_own()
        self._number += 1
        tail = Segment(self._directory / f"{self._number:010d}.spill", create=True, key=key)
        self._segments.append(tail)
        self.bytes += tail.size
        return tail

    def _adopt(self, directory: Path) -> None:
        try:
            if not self._lock(directory):
                return
        except OSError as error:
            self._leave(directory, {"lock": error})
            return
        failed: dict[str, OSError] = {}
        for cut_short in directory.glob("*.part"):
            try:
                cut_short.unlink()  # of a rewrap that was killed: the file it was for is whole
            except OSError as error:
                failed[cut_short.name] = error
        paths = sorted(directory.glob("*.spill"))
        adopted = False
        for path in paths:
            try:
                segment = Segment(path, create=False)
            except OSError as error:
                failed[path.name] = error
                continue
            adopted = True
            self._segments.append(segment)
            self.bytes += segment.size + segment.torn
            self._say_torn(segment)
            if segment.unreadable:
                self._give_up_reading(segment, segment.unreadable)
        if failed:
            self._leave(directory, failed)
        if not adopted:
            self._give_up(directory)

    def _unlocked(self, segment: Segment) -> bool:
        """Give a segment its data key, if it is there by now."""
        if segment.header is None:
            return True
        if self._sealing is None:
            self._give_up_reading(segment, "it is sealed, and this producer was given no secrets")
            return False
        try:
            key = self._sealing.unwrapped(segment.header.wrapped)
        except Fatal as error:
            self._give_up_reading(segment, str(error))
            return False
        if key is not None:
            segment.unlock(key)
        return key is not None

    def _say_torn(self, segment: Segment) -> None:
        if segment.torn:
            logger().warning("a spill file was torn; its end is cut", file=str(segment.path), bytes=segment.torn, frames=segment.lost)
            self.bytes -= segment.torn
            self._unreadable += segment.lost
            segment.torn = segment.lost = 0

    def _give_up_reading(self, segment: Segment, reason: str) -> None:
        segment.unreadable, segment.writable = reason, False
        count = segment.left()
        self._unreadable += count
        aside = self._aside(segment)
        logger().error(
            "a spill file can't be opened, ever: it is kept aside, and what follows goes on",
            file=str(aside),
            frames=count,
            reason=reason,
            cure=f"once that is mended, move it to {self._root / 'again' / aside.stem}.spill: the next start reads it",
        )

    def _aside(self, segment: Segment) -> Path:
        name = f"{segment.path.parent.name}-{segment.path.stem}"
        numbered = (f"{name}-{number}" for number in itertools.count(2))
        while (path := self._root / f"{name}.unreadable").exists():
            name = next(numbered)
        return path

    def _make_own(self) -> None:
        """Make our directory, locked before others can see it: one that starts now would take it for a dead producer's."""
        hidden = self._root / f".{self._directory.name}"
        private.folder(hidden)
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
        """Delete a directory of which nothing is left; one in which something lies that is not ours stays."""
        try:
            (directory / "lock").unlink(missing_ok=True)
            directory.rmdir()
        except FileNotFoundError:
            logger().warning("a folder of spill files was deleted by another", folder=str(directory))
        except OSError as error:
            self._leave(directory, {".": error})
        finally:
            os.close(self._locks.pop(directory))

    def _leave(self, directory: Path, failed: Mapping[str, OSError]) -> None:
        """Say once of a directory that something in it stays as it is, whatever more of it fails; all else goes on."""
        if directory in self._left:
            return
        self._left.add(directory)
        logger().error(
            "something in a folder of spill files can't be taken up or deleted: it stays there, and all else goes on",
            folder=str(directory),
            reasons={name: error.strerror for name, error in failed.items()},
            cure="look at what lies there and delete it, or mend it: the next start looks again",
        )
