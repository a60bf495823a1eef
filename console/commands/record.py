"""`tidewire record VENUE`: raw frames into a file, in the form of the recordings that tests read.

The first line says of which venue, from where and when; each further line is one frame: received_at (microseconds since 1970 UTC),
kind, request and payload (text; what is not UTF-8 as `payload_base64`).
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from console.commands.consume import Reader
from dialects.catalogue import all_dialects
from dialects.contract import Dialect
from dialects.routes import apart
from dialects.session import Session
from dialects.stream import Stream
from producers.plan import endpoints
from producers.websocket import MOST_BYTES
from topology.addresses import located
from topology.clock import now
from topology.errors import Fatal, Retry
from topology.settings import Settings, Venue

Line = dict[str, Any]
"""One line of a recording."""
_TIMES = aiohttp.ClientWSTimeout(ws_close=1.0)
"""How long a venue may take to answer a close (seconds): what it has broken it need not end in order."""


def find(venue: str) -> Dialect:
    """Return a venue's dialect; Fatal names those there are."""
    try:
        return all_dialects()[venue]
    except KeyError:
        raise Fatal(f"no dialect speaks {venue!r}; there are {', '.join(all_dialects())}") from None


def frame_line(received_at: int, kind: str, request: str | None, payload: bytes) -> Line:
    """Return one frame as a recording keeps it."""
    line: Line = {"received_at": received_at, "kind": kind, "request": request}
    try:
        return line | {"payload": payload.decode()}
    except UnicodeDecodeError:
        return line | {"payload_base64": base64.b64encode(payload).decode()}


def head(venue: str, source: str, origin: str) -> Line:
    """Return the first line."""
    recorded = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return {"venue": venue, "source": source, "recorded": recorded, "origin": origin, "licence": "own recording"}


def check(path: Path, *, overwrite: bool) -> None:
    """Look whether a recording can be written there, before anything is recorded; Fatal says what is in the way."""
    if path.is_symlink():
        raise Fatal(f"{path} is a link, and a recording follows none: name the file itself (--out)")
    if path.is_dir():
        raise Fatal(f"{path} is a folder: name a file in it (--out {path / 'frames.jsonl'})")
    if not path.parent.is_dir():
        raise Fatal(f"there is no folder {path.parent}: make it, or name a file in another (--out)")
    if path.exists() and not path.is_file():
        raise Fatal(f"{path} is no plain file: name another (--out)")
    if path.exists() and not overwrite:
        raise Fatal(f"{path} is there already: name another file (--out), or add --overwrite")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Fatal(f"{path} can't be written by this user: name another file (--out)")


def write(path: Path, first: Line, lines: Iterator[Line], *, overwrite: bool = False) -> int:
    """Write a recording as its frames come; return how many there were. There is no file, or the one before, until the first has come.

    Raises Fatal where it can't be written; what was written before stays.
    """
    count, file = 0, None
    try:
        for line in lines:
            with _written(path):
                if file is None:
                    file = _opened(path, overwrite=overwrite)
                    file.write(json.dumps(first, ensure_ascii=False) + "\n")
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    finally:
        if file is not None:
            with _written(path):
                file.close()
    return count


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Fatal(f"{path} could not be written: {error.strerror or error}") from error


def _opened(path: Path, *, overwrite: bool) -> TextIO:
    """Open a file of which `check` has said that it can be written; what was put there meanwhile is neither followed nor emptied."""
    how = os.O_TRUNC if overwrite and path.exists() else os.O_EXCL
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o666), "w", encoding="utf-8", newline="\n")


def from_kafka(settings: Settings, venue: str, seconds: float) -> Iterator[Line]:
    """Yield the frames that the producer of a venue publishes from now on; notices of our own are left out."""
    reader = Reader(settings, f"raw.{venue}")
    end = time.monotonic() + seconds
    for message in reader.messages("latest", follow=True, until=lambda: time.monotonic() >= end):
        frame = reader.decoded(message)
        if frame["kind"] != "notice":
            yield frame_line(frame["received_at"], frame["kind"], frame["request"], frame["payload"])


def from_venue(dialect: Dialect, venue: Venue, seconds: float) -> Iterator[Line]:
    """Yield the frames of connections of our own. Retry where one ends early, after what they brought."""
    lines: list[Line] = []
    try:
        asyncio.run(listen(dialect, venue, seconds, lines))
    finally:
        yield from lines


async def listen(dialect: Dialect, venue: Venue, seconds: float, lines: list[Line]) -> None:
    """Append the frames of connections of our own to the venue: all public channels of its symbols. Retry where one ends early."""
    symbols = venue.symbols or dialect.default_symbols
    streams = [
        stream
        for name, channel in dialect.channels.items()
        if not channel.private and not channel.every
        for symbol in (symbols if channel.scope == "symbol" else ("",))
        if dialect.has(stream := Stream(name, symbol))
    ]
    listening = [asyncio.create_task(_listen(dialect, venue, some, lines)) for some in apart(dialect, streams)]
    try:
        ended, _ = await asyncio.wait(listening, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    for task in ended:
        task.result()
    if ended:
        raise Retry(f"{dialect.venue} ended the connection after {len(lines)} frames")


async def _listen(dialect: Dialect, venue: Venue, streams: Sequence[Stream], lines: list[Line]) -> None:
    """Append the frames of one connection until it ends. Retry where the venue can't be reached, or breaks the protocol."""
    session, url = dialect.session(), dialect.url(endpoints(dialect, venue), streams)
    try:
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=MOST_BYTES, timeout=_TIMES) as socket:
            for subscription in session.ask(streams):
                await socket.send_str(subscription.message.decode())
            pinging = asyncio.create_task(_ping(session, dialect.limits_of(streams).ping_every, socket))
            try:
                async for message in socket:
                    received_at = now()
                    if message.type is aiohttp.WSMsgType.ERROR:  # what came was no message, and aiohttp has closed the connection
                        raise Retry(f"{dialect.venue} sent after {len(lines)} frames what is no websocket message: {message.data}")
                    payload = message.data.encode() if isinstance(message.data, str) else message.data
                    lines.append(frame_line(received_at, "message", None, payload))
                    heard = session.hear(payload)
                    if heard.answer is not None:
                        await socket.send_str(heard.answer.decode())
            finally:
                pinging.cancel()
    except aiohttp.ClientError as error:
        raise Retry(f"{dialect.venue} can't be reached: {error}") from error


async def _ping(session: Session, every: float, socket: aiohttp.ClientWebSocketResponse) -> None:
    """Send the venue's own ping every so many seconds, where it wants one; runs until cancelled or until the connection is gone."""
    while every:
        await asyncio.sleep(every)
        ping = session.ping()
        if ping is None or socket.closed:
            return
        await socket.send_str(ping.decode())


def record(settings: Settings, venue: str, out: Path, seconds: float, *, direct: bool, overwrite: bool = False) -> int:
    """Record a venue for a while; return how many frames there were. Raises Fatal or Retry."""
    dialect = find(venue)
    check(out, overwrite=overwrite)
    own = settings.venues.get(venue, Venue())
    if direct:
        address = own.websocket or dialect.production.websocket
        first = head(venue, f"{venue}, {address}: all channels of its symbols", own.origin)
        return write(out, first, from_venue(dialect, own, seconds), overwrite=overwrite)
    located_settings = located(settings, "kafka", "registry")
    source = f"{venue}, topic raw.{venue} of {located_settings.kafka.brokers}"
    return write(out, head(venue, source, "as its frames say"), from_kafka(located_settings, venue, seconds), overwrite=overwrite)
