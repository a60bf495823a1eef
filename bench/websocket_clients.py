"""CPU per frame of the websocket clients there are, each receiving the same small frames from a server on loopback.

Client and server are processes of their own; the client's CPU (all threads) from the first frame to the last is divided by the
frames. `python -m bench.websocket_clients`; a client that is not installed is left out.
"""

import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.result import Result, result
from producers.websocket import connect
from schemas.catalogue import event
from schemas.codec import Codec
from topology.clock import now

FIGURES = ("websocket_frame", "frame_encoding")
COUNT = 300_000
PASSES = 3
FRAMES_PER_WRITE = 8
PAYLOAD = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1795261980123456,"s":"BTCUSDT","t":5123456789,"p":"97123.45000000",'
    b'"q":"0.01234000","T":1795261980123000,"m":true,"M":true}}'
)


async def serve(count: int) -> None:
    """Print a port, send the frames to the first client, and end with it."""
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import base64
        import hashlib

        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept)
        writer.write(b"\r\n\r\n")
        frame = b"\x81\x7e" + len(PAYLOAD).to_bytes(2, "big") + PAYLOAD
        for _ in range(count // FRAMES_PER_WRITE):
            writer.write(frame * FRAMES_PER_WRITE)
            await writer.drain()
        await reader.read()
        writer.close()
        done.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await done.wait()


class Meter:
    """Count frames; `finished` once all are there."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.cpu = 0.0
        self.finished = asyncio.Event()

    def take(self, payload: bytes, _received_at: int) -> None:
        """Count one frame, the first of which starts the clock."""
        if self.cpu == 0.0:
            self.cpu = -time.process_time()
        assert type(payload) is bytes
        self.left -= 1
        if self.left == 0:
            self.cpu += time.process_time()
            self.finished.set()


async def by_picows(url: str, meter: Meter) -> None:
    """Receive as the producers do."""
    socket = await connect(url, lambda _: None, meter.take, lambda _: None, now)
    await meter.finished.wait()
    await socket.close("done")


async def by_aiohttp(url: str, meter: Meter) -> None:
    """Receive with aiohttp, without decoding where it can be told so."""
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=0, max_msg_size=0, decode_text=False) as socket:
        async for message in socket:
            meter.take(message.data, now())
            if meter.finished.is_set():
                break


async def by_websockets(url: str, meter: Meter) -> None:
    """Receive with websockets, as bytes."""
    websockets: Any = importlib.import_module("websockets")
    async with websockets.connect(url, compression=None, max_size=None) as socket:
        while not meter.finished.is_set():
            meter.take(await socket.recv(decode=False), now())


CLIENTS = {"picows": by_picows, "aiohttp": by_aiohttp, "websockets": by_websockets}


async def measured(client: str, url: str, count: int) -> float:
    """Return seconds of CPU per frame."""
    meter = Meter(count)
    await CLIENTS[client](url, meter)
    return meter.cpu / count


def one_pass(client: str, count: int) -> float:
    """Return microseconds of CPU per frame, client and server each in a process of its own."""
    module = [sys.executable, "-m", "bench.websocket_clients"]
    with subprocess.Popen([*module, "serve", str(count)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"ws://127.0.0.1:{server.stdout.readline().strip()}/"
        try:
            done = subprocess.run([*module, client, url, str(count)], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
        finally:
            server.kill()
    return float(json.loads(done.stdout)) * 1e6


def encoding() -> Result:
    """Return what the producers' own encoder of frames costs beside the general one."""
    from producers.frames import Frames

    codec = Codec(event("frame"), 1)
    frames = Frames(codec, "binance", "live", "rest", "binance-20261121T115300.123456-9f86d081", lambda *_message: True)
    record = {
        "venue": "binance", "origin": "live", "connection_id": frames.connection_id, "connection_sequence": 1, "received_at": now(),
        "kind": "message", "request": None, "payload": PAYLOAD,
    }  # fmt: skip

    def general() -> None:
        for number in range(COUNT):
            codec.encode(record | {"connection_sequence": number, "received_at": now()})

    def ours() -> None:
        for _ in range(COUNT):
            frames.message(PAYLOAD, now())

    mine, theirs = (min(timed(work) for _ in range(PASSES)) / COUNT * 1e6 for work in (ours, general))
    how = f"CPU per frame of {len(PAYLOAD)} bytes, its time and record included; best of {PASSES} passes of {COUNT:,}"
    return result("frame_encoding", mine, "µs of CPU per frame", how, "our encoder for any schema", theirs)


def timed(work: Callable[[], None]) -> float:
    """Return the seconds of CPU it takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def run(say: Callable[[str], None] = print) -> list[Result]:
    """Measure picows against each other client that is installed, and the encoding of a frame."""
    figures: dict[str, float] = {}
    for client in CLIENTS:
        if importlib.util.find_spec(client) is None:
            say(f"  {client} is not installed and left out")
            continue
        figures[client] = min(one_pass(client, COUNT) for _ in range(PASSES))
        say(f"  {client}: {figures[client]:.2f} µs of CPU per frame")
    how = (
        f"frames of {len(PAYLOAD)} bytes from another process on loopback, {FRAMES_PER_WRITE} a write, handed over as bytes with the time "
        f"of receipt, no compression; CPU of the client process per frame, best of {PASSES} passes of {COUNT:,}"
    )
    results = [
        result(
            "websocket_frame" if peer == "aiohttp" else f"websocket_frame_{peer}", figures["picows"], "µs of CPU per frame", how, peer, cost
        )
        for peer, cost in figures.items()
        if peer != "picows"
    ]
    return [*results, encoding()]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", count]:
            asyncio.run(serve(int(count)))
        case [client, url, count]:
            print(json.dumps(asyncio.run(measured(client, url, int(count)))))
        case _:
            for line in run():
                print(json.dumps(line))
