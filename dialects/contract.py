"""What a dialect is: one pure folder per outside system that says how to subscribe, how to read a frame, and what makes it continuous.

No I/O here: a dialect is asked for the requests to send and told the bytes that came back. A dialect is found by being a class
derived from `Dialect`, with `venue` set, in the module `dialect` of a folder beside this file; no list is edited. Blockchains
will have a contract of their own beside this one: what both share is that bytes become frames, and frames become events.

A connection is spoken for by a `Session` (dialects/session.py), which may remember what it asked; a frame is read by the `Dialect`,
whose memory of a connection is handed to it. Neither knows a clock.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec

from dialects.bodies import is_json, said
from dialects.memory import Memory
from dialects.retry_after import patience
from dialects.session import Session
from dialects.stream import Channel, Stream
from schemas.errors import InvalidDatum

Fields = dict[str, Any]
"""An event's own fields by name (schemas/avro), as a plain dict: no object per event on the hot path."""


class Request(NamedTuple):
    """One HTTP request: method, path with query, its weight for rate limits, and a body where it has one."""

    method: str
    path: str
    weight: float = 1
    body: bytes = b""

    @property
    def text(self) -> str:
        """The form in which the request is kept beside its reply: `GET /api/v3/depth?symbol=BTCUSDT`, `POST /info {"type":"meta"}`."""
        return f"{self.method} {self.path} {self.body.decode()}" if self.body else f"{self.method} {self.path}"


class Poll(NamedTuple):
    """A request to be made again and again for some streams, `every` so many seconds."""

    streams: tuple[Stream, ...]
    request: Request
    every: float


class Refusal(NamedTuple):
    """Why a venue did not answer a request, in its own words.

    `again`: seconds after which asking again may help (LONGEST_SECONDS at most, dialects/retry_after.py); None: it will not, for the
    venue has said so in words that last. `limited`: nobody behind this address may ask until then. `unclear`: nobody here knows what
    the answer means; it may pass, so it is asked again, and only what stays so for long is taken for the venue's last word.
    """

    words: str
    again: float | None = None
    limited: bool = False
    unclear: bool = False


class Endpoints(NamedTuple):
    """Where a venue is reached: websocket and REST base addresses, without a trailing slash."""

    websocket: str
    rest: str
    authenticated: str = ""
    """Websocket of the channels that need a credential; empty where the venue has none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue allows, each with its source in the dialect's docstring. Times in seconds; 0 means no limit known."""

    streams_per_connection: int
    messages_per_second: float
    connection_lifetime: float = 0
    ping_every: float = 0
    requests_per_minute: int = 0
    connections_per_address: int = 0
    """Connections that may be open from one address at a time."""
    streams_per_address: int = 0
    """Streams that one address may carry over all its connections."""


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


class DecodedEvent(NamedTuple):
    """One event decoded from a frame: the event's name (`trade`, `book_delta` …) and its own fields.

    The header (venue, origin, provenance, place in the frame, losses) and the schema's defaults are added where frames are
    normalised, so that a dialect says only what the venue said.
    """

    event: str
    fields: Fields


class Shape(NamedTuple):
    """Pushed frames of one kind, each of which is none to many events of one name: a block of them is read at once.

    `decode` reads one frame's payload into rows, one an event, with the connection's memory at hand, of which it changes nothing; it
    raises one of UNREADABLE. So no frame of a shape is part of what is merged of changes.
    `columns` gives the events' own fields of many rows, in order: a list holds one value for each, anything else is the value of
    all. InvalidDatum where one of them has no meaning.
    """

    event: str
    decode: Callable[[bytes, Memory], Sequence[Any]]
    columns: Callable[[Sequence[Any]], dict[str, Any]]


class PartlyInvalid(InvalidDatum):
    """Some of what a frame holds cannot be; the rest is independent of it, and `events` are its."""

    def __init__(self, reason: str, events: Sequence[DecodedEvent]) -> None:
        super().__init__(reason)
        self.events = events


UNREADABLE = (InvalidDatum, msgspec.MsgspecError, ValueError, RecursionError)


def decoded_events(shape: Shape, rows: Sequence[Any]) -> list[DecodedEvent]:
    """Return the events of one frame's rows as `Dialect.read` gives them; InvalidDatum as the shape."""
    if not rows:
        return []
    columns = shape.columns(rows)
    return [
        DecodedEvent(shape.event, {name: column[row] if isinstance(column, list) else column for name, column in columns.items()})
        for row in range(len(rows))
    ]


TOO_MANY = (418, 429)
"""Statuses of too many requests; Binance bans with 418 those who go on (rest-api.md, "IP Limits")."""
PASSING = (408, 425)
"""Statuses below 500 that say nothing of the request but when it came (RFC 9110, 15.5.9; RFC 8470, 5.2)."""


class Dialect(ABC):
    """One venue's language. Instances hold no state: what must be remembered is a session's, or in a frame's `memory`."""

    venue: ClassVar[str] = ""
    channels: ClassVar[Mapping[str, Channel]] = {}
    limits: ClassVar[Limits]
    private_limits: ClassVar[Limits | None] = None
    """Limits of the connections that carry private channels; None where they are those of the others."""
    production: ClassVar[Endpoints]
    default_symbols: ClassVar[tuple[str, ...]] = ()
    by_default: ClassVar[bool] = False
    """Whether a run whose settings name no venue carries this one: few do, so that a first run fits a small machine."""
    request_headers: ClassVar[Mapping[str, str]] = {}
    """To be sent with every REST request."""
    resumable_trades: ClassVar[bool] = False
    """True when missing trades can be asked for by sequence (trades_request)."""
    trades_stretch: ClassVar[int] = 0
    """Seconds of which missing trades are asked for at first, where a reply holds no more than the newest trades of a stretch of time;
    0 where it holds those that follow what is known."""
    negative_prices: ClassVar[bool] = False
    """True where a price may be zero or below (spreads, combinations of options); elsewhere such a frame is refused (schemas/bounds.py)."""
    counts_connection: ClassVar[bool] = False
    """True where the venue counts the messages of a connection: `connection_sequence` is then asked of every frame."""

    def events(self) -> frozenset[str]:
        """Return the names of all events that its frames become."""
        return frozenset(name for channel in self.channels.values() for name in channel.events)

    def is_private(self, streams: Iterable[Stream]) -> bool:
        """Whether streams need a credential: those of one connection all do, or none does."""
        return any(stream.channel in self.channels and self.channels[stream.channel].private for stream in streams)

    def limits_of(self, streams: Iterable[Stream]) -> Limits:
        """Return the limits of a connection that carries these streams."""
        return (self.private_limits if self.is_private(streams) else None) or self.limits

    @abstractmethod
    def url(self, endpoints: Endpoints, streams: Sequence[Stream]) -> str:
        """Return the websocket address for a connection that will carry these streams, all private or none, of one route; for none, any."""

    @abstractmethod
    def session(self) -> Session:
        """Return what speaks on a new connection."""

    def has(self, stream: Stream) -> bool:
        """Whether a symbol, by its spelling alone, may have a channel (spot pairs have no funding); what has not is not asked for."""
        return True

    def references(self, streams: Sequence[Stream]) -> list[Request]:
        """Return the requests whose replies must be among a connection's own frames for its streams to be read whole (contract sizes)."""
        return []

    def polls(self, streams: Sequence[Stream]) -> list[Poll]:
        """Return what is to be asked again and again for streams of polled channels (`Channel.every`)."""
        return []

    def as_of(self, request: Request, now: int) -> Request:
        """Return a polled request as it is to be made at a time (microseconds), for venues that want to be told which times are meant."""
        return request

    def listing_request(self) -> Request | None:
        """Return the REST request for all that the venue lists, read as instruments; None where it gives no such list."""
        return None

    def next_page(self, request: Request, body: bytes) -> Request | None:
        """Return the request that follows a reply: for its next page, or for the next of several lists; None after the last.

        `body` is empty where a request was refused: then what is asked for whatever was answered, None where that is nothing. Each request
        follows another at most once, so that this ends. Never raises on any bytes.
        """
        return None

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Refusal | None:
        """Return why a reply is no answer; None where it is one. `headers` by any case. Never raises on any bytes.

        By the status, and by whether it is JSON at all (what stands before a venue has pages of its own). Its words are its dialect's.
        """
        if status in TOO_MANY:
            words, seconds = patience(headers)
            return Refusal(f"too many requests (status {status}); {words}", seconds, limited=True)
        words = f"status {status}: {said(body) or 'an empty body'}"
        if status >= 500 or status in PASSING:
            return Refusal(words, 0)
        if 200 <= status < 300:
            return None if is_json(body) else Refusal(f"no JSON with {words}", 0)
        return Refusal(words, 0, unclear=True)

    def snapshot_request(self, stream: Stream) -> Request | None:
        """Return the REST request for a stream's whole state; None where its channel's `snapshot` is not "rest"."""
        return None

    def trades_request(self, symbol: str, from_sequence: int, from_time: int | None, until: int | None = None) -> Request | None:
        """Return the REST request for the trades from a sequence (inclusive) on, oldest first; None where there is none.

        `from_time` is a time (microseconds) before which none of them was made, for venues that page by time; `until` ends the stretch
        that is asked for, where the venue is asked by stretches (`trades_stretch`).
        """
        return None

    def connection_sequence(self, payload: bytes) -> int | None:
        """Return the venue's own number of a frame on its connection; None where it has none. Never raises on any bytes."""
        return None

    def shape(self, payload: bytes) -> Shape | None:
        """Return the shape of a pushed frame by its looks alone, cheaply; None where `read` must look at it."""
        return None

    def may_have_changed(self, payload: bytes) -> tuple[str, ...] | None:
        """Return the names of what is merged in memory that a pushed frame, which `read` refused, may have changed; None: of all of it.

        To be answered where a frame says whose it is though it cannot be read. A frame of a shape changes nothing.
        """
        return None if self.shape(payload) is None else ()

    @abstractmethod
    def read(self, frame: Frame, memory: Memory) -> Iterable[DecodedEvent]:
        """Return the events in a frame (kind `message` or `reply`), in the order they hold; none for acknowledgements and heartbeats.

        `memory` is this connection's, kept across restarts by the normaliser, which calls this in the order of frames. A frame that was
        read before, or overtaken, comes with a copy of it; its events count where nothing of that was looked at or changed.
        Raises InvalidDatum on bytes that are malformed or of an unknown type: a dead letter, and `memory` is put back as it was. Where
        that is PartlyInvalid its events are published, and what was remembered stays.
        """
