"""Until when each stream was heard, and which is silent: so that a connection can say what was missing before it.

What is known is of streams, not of connections: a silence that one connection told is ended by another's first word. It
outlives the process in a small file, written about once a second and with each silence: after a kill -9 the time without any
producer is known to that second, and never shorter than it was. A stream that was not followed before has no such time, and so
no gap.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from dialects.stream import Stream
from topology import private
from topology.log import logger

BEAT_SECONDS = 1.0


class Silence(msgspec.Struct, array_like=True, frozen=True):
    """A silence as it was told: since when, when that was found (microseconds since 1970 UTC), and by which connection."""

    since: int
    detected_at: int
    connection_id: str


class Line(msgspec.Struct, array_like=True):
    """One stream's line of the file."""

    channel: str
    symbol: str
    until: int | None = None
    silence: Silence | None = None


@dataclass(slots=True)
class Coverage:
    """Which open connections have each stream confirmed, until when those that ended had, and what is silent. Pure.

    Shared by all connections of a venue, in one event loop. Microseconds since 1970 UTC.
    """

    until: dict[Stream, int] = field(default_factory=dict)
    """Stream → until when it was heard; kept while it is heard, for whoever is killed meanwhile."""
    silences: dict[Stream, Silence] = field(default_factory=dict)
    """The streams that are silent now, or were when the process before this one ended."""
    left: dict[Stream, Silence] = field(default_factory=dict)
    """Silences of streams that are followed no longer: to be told as over, once."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the file should be written at once."""
    _carriers: dict[Stream, set[str]] = field(default_factory=dict)
    _begun: set[Stream] = field(default_factory=set)

    def confirmed(self, stream: Stream, connection_id: str) -> int | None:
        """Note that a connection carries a stream; return since when no other had, or None where one does or none ever did."""
        carriers = self._carriers.setdefault(stream, set())
        since = None if carriers else self.until.get(stream)
        carriers.add(connection_id)
        return since

    def ended(self, connection_id: str, at: int) -> None:
        """Note that a connection has ended."""
        for stream, carriers in self._carriers.items():
            if connection_id in carriers:
                carriers.remove(connection_id)
                if not carriers:
                    self.until[stream] = at
                    self._begun.discard(stream)

    def heard_until(self, stream: Stream, at: int) -> int | None:
        """Return up to when a stream was heard, `at` where it is being heard; None where it never was."""
        return at if self._carriers.get(stream) else self.until.get(stream)

    def heard_elsewhere(self, stream: Stream, until: int) -> None:
        """Note that another producer has heard a stream up to a time, for whoever carries it next here."""
        if not self._carriers.get(stream):
            self.until[stream] = max(until, self.until.get(stream, until))

    def leave(self, streams: Iterable[Stream]) -> None:
        """Note that streams are followed no longer: their silences are over, as far as they are ours to tell."""
        self.left |= {stream: self.silences.pop(stream) for stream in streams if stream in self.silences}
        self.changed.set()

    def begun(self, stream: Stream) -> None:
        """Note that a book's snapshot is published, which its deltas go on from as long as some connection carries them."""
        if self._carriers.get(stream):
            self._begun.add(stream)

    def goes_on(self, stream: Stream) -> bool:
        """Whether a book has its snapshot and some connection has carried its deltas ever since."""
        return stream in self._begun

    def away(self, streams: Iterable[Stream]) -> int | None:
        """Return since when the first of some streams has had no connection; None where all have, or were never followed."""
        return min((self.until[stream] for stream in streams if stream in self.until and not self._carriers.get(stream)), default=None)

    def fell_silent(self, stream: Stream, silence: Silence) -> None:
        """Note a silence that was told."""
        self.silences[stream] = silence
        self.changed.set()

    def resumed(self, stream: Stream) -> Silence | None:
        """Note that a stream speaks; return the silence that this ends, if there was one."""
        silence = self.silences.pop(stream, None)
        if silence is not None:
            self.changed.set()
        return silence

    def take_left(self) -> dict[Stream, Silence]:
        """Return the silences that nobody will end, for whoever tells them now."""
        left, self.left = self.left, {}
        if left:
            self.changed.set()
        return left

    def beat(self, at: int) -> list[Line]:
        """Return what is to be kept, as it is at a time up to which everything is safe."""
        for stream, carriers in self._carriers.items():
            if carriers:
                self.until[stream] = max(at, self.until.get(stream, at))
        silences = self.left | self.silences
        return [Line(*stream, self.until.get(stream), silences.get(stream)) for stream in {**self.until, **silences}]


def read(path: Path, streams: Iterable[Stream]) -> Coverage:
    """Return what an earlier process left, of the streams followed now. A file that cannot be read is said, and nothing is known."""
    try:
        lines = msgspec.json.decode(path.read_bytes(), type=list[Line])
    except FileNotFoundError:
        return Coverage()
    except (OSError, msgspec.DecodeError) as error:
        logger().warning("it is not known until when a producer ran before", file=str(path), reason=str(error))
        return Coverage()
    followed = set(streams)
    covered = Coverage()
    for line in lines:
        stream = Stream(line.channel, line.symbol)
        if stream in followed and line.until is not None:
            covered.until[stream] = line.until
        if line.silence is not None:
            (covered.silences if stream in followed else covered.left)[stream] = line.silence
    return covered


def write(path: Path, lines: list[Line]) -> None:
    """Put what is known on disk: a kill leaves the old file or the new one, and another producer of the venue may write it as well."""
    private.folder(path.parent)
    with NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as fresh:
        try:
            fresh.write(msgspec.json.encode(lines))
            fresh.flush()
            Path(fresh.name).replace(path)
        except OSError:
            Path(fresh.name).unlink(missing_ok=True)
            raise


async def keep(coverage: Coverage, path: Path, safe: Callable[[], int]) -> None:
    """Write the file once a second until cancelled. `safe` is the time up to which all that was heard would survive a kill."""
    while True:
        coverage.changed.clear()
        lines = coverage.beat(safe())
        try:
            await asyncio.to_thread(write, path, lines)
        except OSError as error:
            logger().error("it cannot be kept until when this producer runs", file=str(path), reason=str(error))
            await asyncio.sleep(BEAT_SECONDS)
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await coverage.changed.wait()
        except TimeoutError:
            continue
