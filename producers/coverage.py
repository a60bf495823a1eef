"""Until when each stream was heard: so that a connection can say since when nothing was connected before it.

The times outlive the process in a small file, written about once a second: after a kill -9 the time without any producer is
known to that second, and never shorter than it was. A stream that was not followed before has no such time, and so no gap.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from dialects.contract import Stream
from topology.log import logger

BEAT_SECONDS = 1.0


@dataclass(slots=True)
class Coverage:
    """Which open connections have each stream confirmed, and until when those that ended had. Pure; microseconds since 1970 UTC."""

    until: dict[Stream, int] = field(default_factory=dict)
    """Stream → until when it was heard; kept while it is heard, for whoever is killed meanwhile."""
    _carriers: dict[Stream, set[str]] = field(default_factory=dict)

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

    def away(self, streams: Iterable[Stream]) -> int | None:
        """Return since when the first of some streams has had no connection; None where all have, or were never followed."""
        return min((self.until[stream] for stream in streams if stream in self.until and not self._carriers.get(stream)), default=None)

    def beat(self, at: int) -> Mapping[Stream, int]:
        """Return until when each stream was heard, as it is at a time up to which everything is safe."""
        for stream, carriers in self._carriers.items():
            if carriers:
                self.until[stream] = max(at, self.until.get(stream, at))
        return self.until


def read(path: Path, streams: Iterable[Stream]) -> Coverage:
    """Return what an earlier process left, of the streams followed now. A file that cannot be read is said, and nothing is known."""
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[tuple[str, str, int]])
    except FileNotFoundError:
        return Coverage()
    except (OSError, msgspec.DecodeError) as error:
        logger().warning("it is not known until when a producer ran before", file=str(path), reason=str(error))
        return Coverage()
    followed = set(streams)
    return Coverage({Stream(channel, symbol): at for channel, symbol, at in entries if (channel, symbol) in followed})


def write(path: Path, until: Mapping[Stream, int]) -> None:
    """Put the times on disk: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".part")
    fresh.write_bytes(msgspec.json.encode([(*stream, at) for stream, at in until.items()]))
    fresh.replace(path)


async def keep(coverage: Coverage, path: Path, safe: Callable[[], int]) -> None:
    """Write the file once a second until cancelled. `safe` is the time up to which all that was heard would survive a kill."""
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        entries = dict(coverage.beat(safe()))
        try:
            await asyncio.to_thread(write, path, entries)
        except OSError as error:
            logger().error("it cannot be kept until when this producer runs", file=str(path), reason=str(error))
