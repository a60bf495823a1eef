"""Books that are without a snapshot because the venue does not give it: a gap each, from the first attempt that failed until one worked.

A book that rebuild_books finds broken has its own gap; this one says why nothing can be done about it now, at once and not after a wait.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from dialects.contract import Origin
from dialects.stream import Stream
from schemas.events import Gap
from topology.gap_versions import certain

Publish = Callable[[Gap], Awaitable[None]]
"""Publishes a gap event and waits until it is delivered, however long that takes."""


class Absences:
    """The absent snapshots of one venue, over all its connections. Lives in one event loop; `now` in microseconds since 1970 UTC."""

    def __init__(self, venue: str, origin: Origin, now: Callable[[], int]) -> None:
        self._venue = venue
        self._origin = origin
        self._now = now
        self._open: dict[Stream, Gap] = {}
        self._untold: deque[Gap] = deque()
        self._arrived = asyncio.Event()

    def has(self, gap_id: str) -> bool:
        """Whether a gap is one of these, and open."""
        return any(gap["gap_id"] == gap_id for gap in self._open.values())

    def begun(self, stream: Stream, connection_id: str, since: int, reason: str) -> None:
        """Take that a stream's snapshot could not be had, `since` the time it was asked for; told once until it is had."""
        if stream in self._open:
            return
        at = self._now()
        gap = Gap(
            venue=self._venue,
            symbol=stream.symbol,
            origin=self._origin,
            gap_id=f"{self._venue}|{stream.symbol}|{stream.channel}|absent|{connection_id}|{since}",
            channel=stream.channel,
            from_sequence=None,
            to_sequence=None,
            from_time=since,
            to_time=None,
            cause="snapshot",
            detected_at=at,
            state="open",
            repair=f"no snapshot yet, and asked for again: {reason}",
            connection_id=connection_id,
            version=at,
        )
        self._open[stream] = gap
        self._say(gap.copy())

    def over(self, stream: Stream) -> None:
        """Take that a stream's snapshot is published, or that it needs none any more."""
        self._end(stream, "filled", "its snapshot has come")

    def leave(self, streams: Iterable[Stream]) -> None:
        """Take that streams are followed no longer: a snapshot that is absent then is nobody's to have here."""
        for stream in streams:
            self._end(stream, "closed", "this stream is followed no longer here")

    def _end(self, stream: Stream, state: Literal["filled", "closed"], reason: str) -> None:
        gap = self._open.pop(stream, None)
        if gap is None:
            return
        at = self._now()
        gap["state"], gap["repair"], gap["to_time"], gap["version"] = state, reason, at, certain(gap["version"], at)
        self._say(gap)

    async def tell(self, publish: Publish) -> None:
        """Publish what begins and ends, in order, until cancelled. What `publish` raises is raised, and tried again by the next call."""
        while True:
            while self._untold:
                await publish(self._untold[0])
                self._untold.popleft()
            self._arrived.clear()
            await self._arrived.wait()

    def _say(self, gap: Gap) -> None:
        self._untold.append(gap)
        self._arrived.set()
