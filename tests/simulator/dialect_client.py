"""A client of any simulated venue that knows no venue: it speaks by the dialect and reads by the dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

import aiohttp

from dialects.catalogue import dialect
from dialects.contract import DecodedEvent, Endpoints, Frame, Request, Stream
from dialects.memory import Memory
from producers.plan import apart
from simulator.market import Listing
from simulator.server import Simulator
from simulator.venue import Venue
from simulator.wire import Connection
from tests.waiting import until

SETTLE_SECONDS = 30.0


class End(NamedTuple):
    """One websocket of the client, its other end, and how many frames it has received, in a list of one."""

    streams: tuple[Stream, ...]
    socket: aiohttp.ClientWebSocketResponse
    connection: Connection
    received: list[int]


class Client:
    """One client of a simulated venue, on a connection for each of its sockets. `said` holds every frame that came, as bytes, in order."""

    def __init__(self, simulator: Simulator, venue: str, http: aiohttp.ClientSession) -> None:
        self.venue: Venue = simulator.venues[venue]
        self.dialect = dialect(venue)
        addresses = simulator.addresses
        self.endpoints = Endpoints(addresses[f"{venue}_ws"], addresses[f"{venue}_rest"], addresses.get(f"{venue}_authenticated_ws", ""))
        self.memory = Memory()
        self.session = self.dialect.session()
        self.said: list[bytes] = []
        self.confirmed: set[Stream] = set()
        self.refused: list[tuple[Stream | None, str]] = []
        self.heard: set[Stream] = set()
        self._http = http
        self._ends: list[End] = []
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
        for together in apart(self.dialect, streams):
            socket = await self._http.ws_connect(self.dialect.url(self.endpoints, together), max_msg_size=0)
            await until(lambda: len(self.venue.connections) > len(self._ends))
            end = End(together, socket, list(self.venue.connections.values())[-1], [0])
            self._ends.append(end)
            for request in self.dialect.references(together):
                await self.reply(request)
            asked = self.session.ask(together)
            for subscription in asked:
                await self.say(subscription.message, together)
            wanted = {stream for subscription in asked for stream in subscription.streams}
            while not wanted <= self.confirmed:
                await self._receive(end)
                assert not self.refused
        await self.settle()
        return self

    @property
    def connections(self) -> list[Connection]:
        """The other ends."""
        return [end.connection for end in self._ends]

    async def say(self, message: bytes, streams: Sequence[Stream] = ()) -> None:
        """Send a message of the session where some streams are carried; to the first connection where none are named."""
        (end, *_) = [end for end in self._ends if not streams or streams[0] in end.streams]
        await end.socket.send_str(message.decode())

    async def settle(self) -> None:
        """Receive every frame that has been sent."""
        for end in self._ends:
            while end.received[0] < end.connection.frames:
                await self._receive(end)

    async def _receive(self, end: End) -> None:
        received = await end.socket.receive(timeout=SETTLE_SECONDS)
        assert received.type is aiohttp.WSMsgType.TEXT, received
        payload = str(received.data).encode()
        end.received[0] += 1
        self.said.append(payload)
        signal = self.session.hear(payload)
        self.confirmed |= set(signal.confirmed)
        self.refused += signal.refused
        if signal.stream is not None:
            self.heard.add(signal.stream)
        if signal.answer is not None:
            await self.say(signal.answer, end.streams)

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


@asynccontextmanager
async def client_of(simulator: Simulator, venue: str) -> AsyncIterator[Client]:
    """Give a client that has not connected yet."""
    async with aiohttp.ClientSession() as http:
        yield Client(simulator, venue, http)
