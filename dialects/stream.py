"""What is carried of a venue: channels, and the streams of them that are subscribed or polled."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dialects.continuity import NONE, Rule


class Stream(NamedTuple):
    """One subscription: a channel (`trade`, `book`, `quote` …) of a symbol in the venue's own spelling.

    `symbol` is empty for a channel that speaks of all symbols at once.
    """

    channel: str
    symbol: str


Scope = Literal["symbol", "venue", "connection"]
"""symbol: subscribed for each symbol; venue: once for the venue; connection: on every connection of it."""
Snapshot = Literal["none", "pushed", "rest"]
"""How a stream's whole state comes: not at all, on the socket after subscribing, or by `Dialect.snapshot_request`."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What a venue calls a channel, in our terms."""

    events: tuple[str, ...]
    """Names of the events its frames become."""
    scope: Scope = "symbol"
    continuity: Rule = NONE
    """What proves that nothing of it was missed (dialects.rules)."""
    silence: float | None = None
    """Longest quiet time in seconds before the watchdog calls a stream silent; None: it may be quiet for ever."""
    private: bool = False
    """Whether it needs a credential; carried only where one is set, on connections of their own."""
    snapshot: Snapshot = "none"
    every: float = 0
    """Seconds between two requests where it is polled over REST; 0: it is pushed on the socket."""
    needs: tuple[str, ...] = ()
    """Channels without which its events prove nothing: they are carried with it where the settings do not name them."""
    by_default: bool = True
    """Whether it is carried where the settings name no channels of the venue; if not, it is where they name it."""
    route: str = ""
    """Which address it is pushed on, where a venue has several: streams of one connection share it (dialects/routes.py, `Dialect.url`)."""


def parts(streams: Sequence[Stream], size: int) -> Iterator[tuple[Stream, ...]]:
    """Yield streams in order, at most `size` together: as many as the venue takes in one message."""
    for start in range(0, len(streams), size):
        yield tuple(streams[start : start + size])
