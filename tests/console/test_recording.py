"""`tidewire record`: what is written is what came, and reads back as such."""

import asyncio
import json
import os
from contextlib import suppress
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
from tests.command_line import Tidewire
from tests.dialects.recorded import read_excerpt
from topology.errors import Fatal, Retry
from topology.settings import Venue


class Pinging(Kraken):
    """Kraken, with a ping ten times a second."""

    venue: ClassVar[str] = ""
    limits: ClassVar[Limits] = replace(Kraken.limits, ping_every=0.1)


@example(payloads=["a\u2028b\x85c\x1cd\r".encode()], venue="binance")
@given(
    payloads=st.lists(st.binary() | st.text().map(str.encode), min_size=1, max_size=5),
    venue=st.sampled_from(["binance", "binance_futures"]),
)
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


NOWHERE = json.dumps({"kraken": {"websocket": "ws://127.0.0.1:1"}})
DIRECTLY = ("record", "kraken", "--direct", "--seconds", "5", "--out")
ONE = [frame_line(17, "message", None, b"one")]


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("folder", "is a folder: name a file in it (--out "),
        ("no/such/folder.jsonl", "there is no folder no/such: make it, or name a file in another (--out)"),
        ("kept.jsonl", "is there already: name another file (--out), or add --overwrite"),
        ("link.jsonl", "is a link, and a recording follows none: name the file itself (--out)"),
        ("dangling.jsonl", "is a link, and a recording follows none: name the file itself (--out)"),
        ("pipe", "is no plain file: name another (--out)"),
    ],
)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)], ids=["", "overwrite"])
def test_what_is_in_the_way_is_told_before_anything_is_recorded(
    tidewire: Tidewire, tmp_path: Path, out: str, words: str, overwrite: tuple[str, ...]
) -> None:
    """A folder, a missing one, a link, a pipe, a file that is there: one line says which and what to do, and nothing is touched."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "kept.jsonl").write_text("kept")
    (tmp_path / "link.jsonl").symlink_to("kept.jsonl")
    (tmp_path / "dangling.jsonl").symlink_to("elsewhere.jsonl")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    said = tidewire(*DIRECTLY, out, *overwrite, VENUES=NOWHERE)
    assert said.code == 1
    assert (words if not (overwrite and out == "kept.jsonl") else "kraken can't be reached") in said.error
    assert said.error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "kept.jsonl").read_text() == "kept"


def test_where_nothing_came_nothing_is_left_behind(tidewire: Tidewire, tmp_path: Path) -> None:
    """A recording that failed before its first frame makes no file."""
    said = tidewire(*DIRECTLY, "new.jsonl", VENUES=NOWHERE)
    assert said.code == 1
    assert said.error.startswith("tidewire: kraken can't be reached")
    assert not (tmp_path / "new.jsonl").exists()
    assert write(tmp_path / "none.jsonl", {}, iter(())) == 0
    assert not (tmp_path / "none.jsonl").exists()


def test_a_file_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """With a frame in hand the file of before is replaced where that was asked for; what somebody put there meanwhile is not."""
    out = tmp_path / "frames.jsonl"
    assert write(out, {"first": 1}, iter(ONE)) == 1
    written = out.read_text()
    with pytest.raises(Fatal, match=r"frames\.jsonl could not be written: File exists"):
        write(out, {"first": 2}, iter(ONE))
    assert out.read_text() == written
    assert write(out, {"first": 2}, iter(ONE), overwrite=True) == 1
    assert out.read_text() == written.replace("1", "2", 1)
    (tmp_path / "link.jsonl").symlink_to("frames.jsonl")
    with pytest.raises(Fatal, match=r"link\.jsonl could not be written: "):
        write(tmp_path / "link.jsonl", {}, iter(ONE), overwrite=True)


def test_a_full_disk_is_told_in_words() -> None:
    """What the disk refuses is one clear error, not a traceback."""
    with pytest.raises(Fatal, match="/dev/full could not be written: No space left on device"):
        write(Path("/dev/full"), {}, iter(ONE), overwrite=True)


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


@pytest.mark.parametrize(
    "broken",
    [b"\x81\x02\xff\xfe", b"\xf1\x02{}", b"\x83\x02{}", b"\x88\x02\x00\x01", b"\x81\x7f" + (2**62).to_bytes(8, "big") + b"{}"],
    ids=["not UTF-8", "reserved bits", "no such opcode", "no such close code", "longer than any"],
)
def test_what_is_no_websocket_message_is_told_in_words(tmp_path: Path, broken: bytes) -> None:
    """A venue that breaks the protocol ends the recording in one line, and the frames before it are in the file."""

    async def break_it(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("the only frame")
        assert request.transport is not None
        request.transport.write(broken)
        with suppress(ConnectionError):
            await asyncio.sleep(0.5)
        return socket

    ready = asyncio.run(serving(break_it, tmp_path, "kraken sent after 1 frames what is no websocket message: "))
    assert ready == ["the only frame"]


async def serving(handler: object, folder: Path, words: str = "ended the connection after 1 frames") -> list[str]:
    """Record a venue with such a websocket until it ends with these words; return the payloads in the file."""
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # a handler, to those who serve it
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue = Venue(websocket=f"ws://127.0.0.1:{runner.addresses[0][1]}")
    out = folder / "cut.jsonl"

    def recorded() -> None:
        with pytest.raises(Retry, match=words):
            write(out, head("kraken", "a test", "simulated"), from_venue(Kraken(), venue, 20))

    await asyncio.to_thread(recorded)
    await asyncio.wait_for(runner.cleanup(), 20)
    return [json.loads(line)["payload"] for line in out.read_text().splitlines()[1:]]
