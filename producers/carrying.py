"""The sources that carry a venue's streams, and how they change: the new ones are heard before the old ones are let go."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from dialects.contract import Poll
from dialects.stream import Stream
from producers.companions import Tell, ended, is_set_within
from producers.feed import OVERLAP_SECONDS, Feed
from producers.source import Source
from topology.log import logger

LOOK_SECONDS = 0.1
OVER = "its streams are carried by other connections, of this producer or another"

Part = tuple[Stream, ...] | Poll
"""What one source carries: the streams of a connection, or a request to be made again and again."""


class Carrying:
    """Carry streams with `carry` until `close`; all in one event loop.

    `planned` says which parts some streams make, `source` makes a part's source, `run` begins its work as a task. `patience`: after so
    many seconds a part whose connection is there counts as heard, though the venue has not confirmed each stream of it. `most`: so many
    connections may be open at a time (0: any number); where that leaves no room for the new beside the old, the old go first.
    """

    def __init__(
        self,
        planned: Callable[[Sequence[Stream]], list[Part]],
        source: Callable[[Part], Source],
        run: Callable[[Source], asyncio.Task[None]],
        tell: Tell,
        clock: Callable[[], float],
        *,
        patience: float,
        most: int = 0,
    ) -> None:
        self.feeds: list[Feed] = []
        """What is carried by connections, the newest first; always this list."""
        self.sources: list[Source] = []
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done where a source has ended that nobody ended, with its error where it failed."""
        self._planned = planned
        self._source = source
        self._run = run
        self._tell = tell
        self._clock = clock
        self._patience = patience
        self._most = most
        self._parts: dict[Part, Source] = {}
        self._tasks: dict[Source, asyncio.Task[None]] = {}

    def begin(self, streams: Sequence[Stream]) -> list[Part]:
        """Begin what carries some streams, where it is not there yet; return the parts that are over then. Raises Fatal as the plan."""
        wanted = self._planned(streams)
        fresh = {part: self._source(part) for part in wanted if part not in self._parts}
        self._parts |= fresh
        self.sources[:0] = fresh.values()
        self.feeds[:0] = [source for source in fresh.values() if isinstance(source, Feed)]
        for source in fresh.values():
            task = self._tasks[source] = self._run(source)
            task.add_done_callback(lambda task, source=source: self._ended(source, task))  # type: ignore[misc]  # its type is inferred
        return [part for part in self._parts if part not in wanted]

    async def carry(self, streams: Sequence[Stream], changed: asyncio.Event) -> bool:
        """Carry exactly these streams: begin what is new, see it heard, and then end what is over.

        Return whether it came to that; False where `changed` was set meanwhile: then it is called again, with other streams.
        """
        planned = self._planned(streams)
        both = [part for part in {*self._parts, *planned} if not isinstance(part, Poll)]
        if self._most and len(both) > self._most:
            await self._end([part for part in self._parts if part not in planned])
        over = self.begin(streams)
        new = [source for part, source in self._parts.items() if part not in over]
        began = self._clock()
        while not all(self._is_heard(source, self._clock() - began) for source in new):
            if await is_set_within(changed, LOOK_SECONDS):
                return False
        if over:
            await asyncio.sleep(OVERLAP_SECONDS)
            await self._end(over)
        return True

    async def close(self, reason: str) -> None:
        """End all of it."""
        await self._end(list(self._parts), reason)

    def _is_heard(self, source: Source, seconds: float) -> bool:
        if not source.status():
            return True
        if seconds < self._patience:
            return False
        return not isinstance(source, Feed) or source.connection(None, source.streams[0]) is not None

    async def _end(self, parts: Iterable[Part], reason: str = OVER) -> None:
        over = [self._parts.pop(part) for part in parts]
        tasks = [self._tasks.pop(source) for source in over]
        closing = [asyncio.ensure_future(source.close(reason)) for source in over]
        await ended(closing)
        for one in closing:
            if one.done() and not one.cancelled() and (error := one.exception()) is not None:
                self._tell(error, "source")
        for task in tasks:
            task.cancel()
        await ended(tasks)
        for source in over:
            self.sources.remove(source)
            if isinstance(source, Feed):
                self.feeds.remove(source)

    def _ended(self, source: Source, task: asyncio.Task[None]) -> None:
        if source not in self._tasks or self.failure.done() or task.cancelled():
            return
        if (error := task.exception()) is None:
            logger().error("a source has ended that nobody ended", streams=source.streams)
            self.failure.set_result(None)
        else:
            self.failure.set_exception(error)
