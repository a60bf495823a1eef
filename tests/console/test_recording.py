"""`tidewire record`: what is written is what came, and reads back as such."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from console.commands.record import Line, frame_line, from_venue, head, listen, write
from dialects.contract import Limits
from dialects.kraken.dialect import Kraken
from simulator.server import Simulator, SimulatorSettings
from tests.dialects.recorded import read_excerpt
from topology.errors import Retry
from topology.settings import Venue


class Pinging(Kraken):
    """Kraken, with a ping ten times a second."""

    venue: ClassVar[str] = ""
    limits: ClassVar[Limits] = replace(Kraken.limits, ping_every=0.1)


@example(payloads=["a\u2028b\x85c\x1cd\r".encode()], venue="binance")
@given(payloads=st.lists(st.binary() | st.text().map(str.encode), max_size=5), venue=st.sampled_from(["binance", "binance_futures"]))
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], venue: str) -> None:
    """Whatever was recorded, text or not, is read as the same bytes, times, kinds and requests, of exactly the venue it is of."""
    path = tmp_path_factory.mktemp("recording") / "any_name.jsonl"
    lines = [frame_line(17 + place, "reply", f"GET /{place}", payload) for place, payload in enumerate(payloads)]
    assert write(path, head(venue, "a test", "simulated"), iter(lines)) == len(payloads)
    found = [one.frame for one in read_excerpt(path)]
    assert [(one.received_at, one.kind, one.request, one.payload) for one in found] == [
        (17 + place, "reply", f"GET /{place}", payload) for place, payload in enumerate(payloads)
    ]
    assert {one.venue for one in found} <= {venue}


async def test_a_venue_that_wants_pings_gets_them() -> None:
    """A direct recording sends the venue's own ping as often as its limits say, so that a quiet connection is kept open."""
    lines: list[Line] = []
    async with Simulator(SimulatorSettings(venues=("kraken",), bases=("BTC",), levels=20)) as simulator:
        venue = Venue(websocket=simulator.addresses["kraken_ws"], symbols=("BTC/USD",))
        recording = asyncio.create_task(listen(Pinging(), venue, 30, lines))
        while sum('"method":"pong"' in line["payload"] for line in lines) < 3:
            assert not recording.done()
            await asyncio.sleep(0.02)
        recording.cancel()


def test_what_came_before_an_early_end_is_kept(tmp_path: Path) -> None:
    """A connection that the venue ends is told, and the frames it brought are in the file."""

    async def one_frame(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("the only frame")
        await socket.close()
        return socket

    ready = asyncio.run(serving(one_frame, tmp_path))
    assert ready == ["the only frame"]


async def serving(handler: object, folder: Path) -> list[str]:
    """Record a venue with such a websocket until it ends; return the payloads in the file."""
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # a handler, to those who serve it
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue = Venue(websocket=f"ws://127.0.0.1:{runner.addresses[0][1]}")
    out = folder / "cut.jsonl"

    def recorded() -> None:
        with pytest.raises(Retry, match="ended the connection after 1 frames"):
            write(out, head("kraken", "a test", "simulated"), from_venue(Kraken(), venue, 20))

    await asyncio.to_thread(recorded)
    await runner.cleanup()
    return [json.loads(line)["payload"] for line in out.read_text().splitlines()[1:]]
