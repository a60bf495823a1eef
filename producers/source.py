"""What a producer runs side by side: feeds of websockets, pollers of REST, one day followers of chains."""

from typing import Protocol

from dialects.stream import Stream


class Source(Protocol):
    """Some streams of a venue, from outside to the outbox. All of it is called in the stage's event loop.

    A source deals with what goes wrong outside by itself (it waits and asks again), and with faults of ours by telling them: one
    never stops another. It publishes frames of connections of its own, each begun with the notice `connected` and ended with
    `closed`, so that everything downstream treats all sources alike.
    """

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What it carries; never changes."""

    async def run(self) -> None:
        """Carry the streams until `close`; called as a task, and again where it raised.

        Raises Fatal where nothing of it can work until a person acts: that ends the process.
        """

    def status(self) -> str:
        """Return why it is not ready, or nothing where all its streams are confirmed (or refused). Called often; must not wait."""

    async def close(self, reason: str) -> None:
        """End: what still comes in is published, then `closed`; `run` returns soon after. Called once, even where `run` never was."""
