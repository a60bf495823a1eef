"""What is said on one connection: the messages that ask for streams, and what the frames that come mean to the feed."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dialects.stream import Stream


class Subscription(NamedTuple):
    """One message to send and the streams it asks for (or gives up)."""

    message: bytes
    streams: tuple[Stream, ...]

    def __repr__(self) -> str:
        """Leave the message out: it may hold a token, and what is printed may be logged."""
        return f"Subscription(streams={self.streams!r})"


@dataclass(slots=True)
class FrameSignal:
    """What one frame tells the feed (not the normaliser): cheap to find, so that watchdogs and confirmations work."""

    stream: Stream | None = None
    """The stream that spoke, when the frame is data."""
    confirmed: tuple[Stream, ...] = ()
    """Streams whose subscription this frame acknowledges."""
    refused: tuple[tuple[Stream | None, str], ...] = ()
    """Streams the venue refused, with its words."""
    closing: bool = False
    """The venue says that it is about to close (Binance's serverShutdown)."""
    answer: bytes | None = None
    """What must be sent back at once (an application-level pong)."""


class Session(ABC):
    """What is said on one connection. Pure, in the feed's event loop; it may remember, and answers in streams, whatever its request ids."""

    @abstractmethod
    def ask(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return the messages that ask for these streams, in order.

        `token` is what the venue gave for the credential; it is sent with private channels alone. KeyError names an unknown channel.
        """

    @abstractmethod
    def give_up(self, streams: Sequence[Stream], token: str = "") -> list[Subscription]:
        """Return the messages that give these streams up; `token` and KeyError as in `ask`."""

    @abstractmethod
    def hear(self, payload: bytes) -> FrameSignal:
        """Say what a pushed frame means to the feed; called once for each frame, in order.

        Never raises on malformed bytes: such a frame is nobody's data (FrameSignal()), and the normaliser will refuse it.
        """

    def ping(self) -> bytes | None:
        """Return an application-level ping, where the venue wants one every `limits.ping_every` seconds."""
        return None


MOST_ASKED = 4096
"""Requests that a session remembers without an answer; older ones will have none."""


class Asked:
    """Requests under way by the id that the venue will answer with: which streams each was for."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, tuple[Stream, ...]] = {}
        self._last = 0

    def next_number(self) -> int:
        """Return a number that no request of this session has had, from 1."""
        self._last += 1
        return self._last

    def note(self, request_id: Hashable, streams: tuple[Stream, ...]) -> None:
        """Note what a request asks for."""
        self._streams[request_id] = streams
        if len(self._streams) > MOST_ASKED:
            del self._streams[next(iter(self._streams))]

    def of(self, request_id: Any) -> tuple[Stream, ...]:
        """Return the streams of a request; none where there is no such request, whatever the venue sent as its id."""
        return self._streams.get(request_id, ()) if isinstance(request_id, (int, str)) and not isinstance(request_id, bool) else ()
