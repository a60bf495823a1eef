"""What a dialect is: one pure file per outside system that says how to subscribe, how to read a frame, and what makes it continuous.

No I/O here: a dialect is asked for the requests to send and told the bytes that came back. A dialect is found by being a
module in this folder with a class derived from `Dialect` whose `venue` is set; no list is edited.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from schemas.errors import InvalidDatum

Record = dict[str, Any]
"""A record of schemas/events.py, as a plain dict: no object per event on the hot path."""


class Stream(NamedTuple):
    """One subscription: a channel (`trade`, `book`, `quote`, `orders`, `instrument`) of a symbol in the venue's own spelling.

    `symbol` is empty for a channel that speaks of all symbols at once (Kraken's `instrument`).
    """

    channel: str
    symbol: str


class Request(NamedTuple):
    """One HTTP request: method, path with query (also the `request` field of the reply's frame), and its weight for rate limits."""

    method: str
    path: str
    weight: int = 1

    @property
    def text(self) -> str:
        """The form in which the request is kept beside its reply: `GET /api/v3/depth?symbol=BTCUSDT&limit=5000`."""
        return f"{self.method} {self.path}"


class Endpoints(NamedTuple):
    """Where a venue is reached: websocket and REST base addresses, without a trailing slash."""

    websocket: str
    rest: str
    authenticated: str = ""
    """Websocket of the channels that need a credential; empty where the venue has none."""


class Subscription(NamedTuple):
    """One message to send and the streams it asks for (or gives up)."""

    message: bytes
    streams: tuple[Stream, ...]

    def __repr__(self) -> str:
        """Leave the message out: it may hold a token, and what is printed may be logged."""
        return f"Subscription(streams={self.streams!r})"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue allows, each with its source in the dialect's docstring. Times in seconds; 0 means no limit known."""

    streams_per_connection: int
    messages_per_second: float
    connection_lifetime: float = 0
    ping_every: float = 0
    confirm_within: float = 10
    requests_per_minute: int = 0
    silence: Mapping[str, float] = field(default_factory=dict)
    """Longest quiet time per channel before the watchdog calls it silent; a channel left out may be quiet for ever."""


@dataclass(slots=True)
class Heard:
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


Origin = Literal["live", "rest", "archive", "simulated"]
"""Where a frame came from: the symbols of schemas/avro/headers, as generated into schemas/events.py."""


class Frame(NamedTuple):
    """One raw frame as the normaliser hands it over; the fields are those of schemas/avro/frame.avsc."""

    venue: str
    origin: str
    connection_id: str
    connection_sequence: int
    received_at: int
    kind: str
    request: str | None
    payload: bytes
    frames_lost: int = 0


class Made(NamedTuple):
    """One event made from a frame: the event's name (`trade`, `book_delta` …) and its record."""

    event: str
    record: Record


class Shape(NamedTuple):
    """Pushed frames of one kind, each of which is exactly one event and is read without memory: a block of them is read at once.

    `decode` reads one frame's payload, raising one of UNREADABLE. `columns` gives the event's fields (all but the header's)
    of many decoded payloads, in order: a list holds one value for each, anything else is the value of all. InvalidDatum
    where one of them has no meaning.
    """

    event: str
    decode: Callable[[bytes], Any]
    columns: Callable[[Sequence[Any]], dict[str, Any]]


UNREADABLE = (InvalidDatum, msgspec.MsgspecError, ValueError, RecursionError)


class Dialect(ABC):
    """One venue's language. Instances hold no state: what must be remembered between frames is in `memory`."""

    venue: ClassVar[str] = ""
    channels: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Channel → names of the events it yields: {"trade": ("trade",), "book": ("book_delta",)}."""
    authenticated_channels: ClassVar[frozenset[str]] = frozenset()
    """Channels that need a credential; carried only where one is set, on connections of their own."""
    limits: ClassVar[Limits]
    authenticated_limits: ClassVar[Limits | None] = None
    """Limits of the connections that carry authenticated channels; None where they are those of the others."""
    production: ClassVar[Endpoints]
    default_symbols: ClassVar[tuple[str, ...]] = ()
    counted_channels: ClassVar[frozenset[str]] = frozenset()
    """Channels whose events carry a sequence without holes, so that a jump proves a loss and its absence proves none."""
    resumable_trades: ClassVar[bool] = False
    """True when missing trades can be asked for by sequence (trades_request)."""

    def is_authenticated(self, streams: Sequence[Stream]) -> bool:
        """Whether streams need a credential: those of one connection all do, or none does."""
        return not self.authenticated_channels.isdisjoint(stream.channel for stream in streams)

    def limits_of(self, streams: Sequence[Stream]) -> Limits:
        """Return the limits of a connection that carries these streams."""
        return (self.authenticated_limits if self.is_authenticated(streams) else None) or self.limits

    @abstractmethod
    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the websocket address for a connection that will carry these streams, all authenticated or none."""

    @abstractmethod
    def subscribe(self, streams: Sequence[Stream], first_id: int, token: str = "") -> list[Subscription]:
        """Return the messages that ask for these streams, in order; request ids count up from `first_id`.

        `token` is what the venue gave for the credential; it is sent with authenticated channels alone.
        """

    @abstractmethod
    def unsubscribe(self, streams: Sequence[Stream], first_id: int, token: str = "") -> list[Subscription]:
        """Return the messages that give these streams up; `token` as in `subscribe`."""

    @abstractmethod
    def hear(self, payload: bytes, asked: Mapping[int, tuple[Stream, ...]]) -> Heard:
        """Say what a pushed frame means to the feed. `asked` maps request ids still unanswered to their streams.

        Never raises on malformed bytes: such a frame is nobody's data (Heard()), and the normaliser will refuse it.
        """

    def ping(self, request_id: int) -> bytes | None:
        """Return an application-level ping, where the venue wants one every `limits.ping_every` seconds."""
        return None

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the REST request for a book's snapshot; None where the venue sends it on the socket after subscribing."""
        return None

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None) -> Request | None:
        """Return the REST request for the trades from a sequence (inclusive) on, oldest first; None where there is none.

        `from_time` is the event time of the trade before the gap (microseconds), for venues that page by time.
        """
        return None

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a pushed frame by its looks alone, cheaply; None where `read` must look at it."""
        return None

    @abstractmethod
    def read(self, frame: Frame, memory: dict[str, Any]) -> Iterable[Made]:
        """Return the events in a frame (kind `message` or `reply`), in the order they hold; none for acknowledgements and heartbeats.

        `memory` is this connection's, JSON-serialisable, kept by the normaliser across restarts.
        Raises InvalidDatum on bytes that are malformed or of an unknown type: the whole frame becomes a dead letter.
        """
