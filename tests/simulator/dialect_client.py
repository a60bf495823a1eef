"""A client of any simulated venue that knows no venue: it speaks by the dialect and reads by the dialect."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple, Self

import aiohttp

from dialects.catalogue import dialect
from dialects.contract import DecodedEvent, Endpoints, Frame, Request
from dialects.memory import Memory
from dialects.routes import apart
from dialects.session import Session
from dialects.stream import Stream
from simulator.market import Listing
from simulator.server import Simulator
from simulator.venue import Venue
from simulator.wire import Connection
from tests.waiting import until

SETTLE_SECONDS = 30.0


class Line(NamedTuple):
    """One connection: what speaks on it, both of its ends, and the streams it carries."""

    session: Session
    socket: aiohttp.ClientWebSocketResponse
    other_end: Connection
    streams: tuple[Stream, ...]


class Client:
    """A client of a simulated venue, on as many connections as its streams need.

    `said` holds every frame that came, as bytes, in the order of each connection.
    """

    def __init__(self, simulator: Simulator, venue: str, http: aiohttp.ClientSession) -> None:
        self.venue: Venue = simulator.venues[venue]
        self.dialect = dialect(venue)
        addresses = simulator.addresses
        self.endpoints = Endpoints(addresses[f"{venue}_ws"], addresses[f"{venue}_rest"], addresses.get(f"{venue}_authenticated_ws", ""))
        self.memory = Memory()
        self.lines: list[Line] = []
        self.said: list[bytes] = []
        self.confirmed: set[Stream] = set()
        self.refused: list[tuple[Stream | None, str]] = []
        self.heard: set[Stream] = set()
        self._received: Counter[int] = Counter()
        """Frames that came, by the number of their connection."""
        self._http = http
        self._read = 0

    @property
    def listings(self) -> dict[str, Listing]:
        """What the venue lists, by the symbols on its wire."""
        return {listing.instrument.wire_symbol: listing for listing in self.venue.listings.values()}

    def streams(self, channels: Iterable[str] = ()) -> list[Stream]:
        """Return a stream of each public channel that is pushed (or of some) for each listing, and one where it speaks of all."""
        return [
            stream
            for name, channel in self.dialect.channels.items()
            if not channel.private and not channel.every and (not channels or name in channels)
            for symbol in (self.listings if channel.scope == "symbol" else ("",))
            if self.dialect.has(stream := Stream(name, symbol))
        ]

    async def open(self, streams: list[Stream]) -> Self:
        """Connect, learn what its frames are read with, and ask for streams; each must be confirmed, or come unasked."""
        for some in apart(self.dialect, streams):
            line = await self.connect(some)
            for request in self.dialect.references(some):
                await self.reply(request)
            asked = line.session.ask(some)
            for subscription in asked:
                await self.say(line, subscription.message)
            wanted = {stream for subscription in asked for stream in subscription.streams}
            while not wanted <= self.confirmed:
                await self.receive(line)
                assert not self.refused
        await self.settle()
        return self

    async def connect(self, streams: tuple[Stream, ...]) -> Line:
        """Open a connection that may carry these streams, and ask for none."""
        before = len(self.venue.connections)
        socket = await self._http.ws_connect(self.dialect.url(self.endpoints, streams), max_msg_size=0)
        await until(partial(_is_more, self.venue.connections.__len__, before))
        self.lines.append(Line(self.dialect.session(), socket, list(self.venue.connections.values())[-1], streams))
        return self.lines[-1]

    async def give_up(self) -> None:
        """Give up every stream, until the venue has none of them any more."""
        for line in self.lines:
            for subscription in line.session.give_up(line.streams):
                await self.say(line, subscription.message)
        await until(lambda: not any(line.other_end.streams for line in self.lines))

    async def ping(self) -> bool:
        """Send the venue's own ping on each connection and receive what comes of it; False where it wants none."""
        for line in self.lines:
            ping, before = line.session.ping(), line.other_end.frames
            if ping is None:
                return False
            await self.say(line, ping)
            await until(partial(_is_more, partial(getattr, line.other_end, "frames"), before))
        return True

    async def say(self, line: Line, message: bytes) -> None:
        """Send a message of a session."""
        await line.socket.send_str(message.decode())

    async def settle(self) -> None:
        """Receive every frame that has been sent."""
        for line in self.lines:
            while self._received[line.other_end.number] < line.other_end.frames:
                await self.receive(line)

    async def receive(self, line: Line) -> None:
        """Receive one frame, and answer it where the venue wants that."""
        received = await line.socket.receive(timeout=SETTLE_SECONDS)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        payload = str(received.data).encode()
        self._received[line.other_end.number] += 1
        self.said.append(payload)
        signal = line.session.hear(payload)
        self.confirmed |= set(signal.confirmed)
        self.refused += signal.refused
        if signal.stream is not None:
            self.heard.add(signal.stream)
        if signal.answer is not None:
            await self.say(line, signal.answer)

    def made(self) -> list[DecodedEvent]:
        """Return the events of the frames that came since this was last asked. Raises InvalidDatum as the dialect."""
        found: list[DecodedEvent] = []
        for place, payload in enumerate(self.said[self._read :], self._read + 1):
            frame = Frame(self.dialect.venue, "simulated", "one", place, self.venue.market.time_us, "message", None, payload)
            found += self.dialect.read(frame, self.memory)
        self._read = len(self.said)
        return found

    async def ask(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Send a request to the venue's REST address; return status, headers and body."""
        address, headers = self.endpoints.rest + request.path, dict(self.dialect.request_headers)
        async with self._http.request(request.method, address, data=request.body or None, headers=headers) as response:
            return response.status, dict(response.headers), await response.read()

    async def reply(self, request: Request) -> list[DecodedEvent]:
        """Return the events of a reply, which must be no refusal."""
        status, headers, body = await self.ask(request)
        assert self.dialect.refusal(status, headers, body) is None
        frame = Frame(self.dialect.venue, "simulated", "two", 1, self.venue.market.time_us, "reply", request.text, body)
        return list(self.dialect.read(frame, self.memory))


def _is_more(count: Callable[[], int], before: int) -> bool:
    return count() > before


@asynccontextmanager
async def client_of(simulator: Simulator, venue: str) -> AsyncIterator[Client]:
    """Give a client that has not connected yet."""
    async with aiohttp.ClientSession() as http:
        yield Client(simulator, venue, http)
