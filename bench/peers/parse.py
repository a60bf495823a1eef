"""A frame of memory to what a program hands on: cryptofeed, which has no Kafka source, beside our path for a single frame."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.normalise import payload
from bench.peers.catalogue import Peer, lines_of
from bench.peers.environment import NotToBeHad, installed
from bench.peers.measured import Measured, nothing
from dialects.catalogue import all_dialects
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from schemas.catalogue import event
from schemas.codec import Codec

FRAMES = 50_000
PASSES = 5
SECONDS = 300


def measure(peers: Iterable[Peer], progress: Callable[[str], None]) -> list[Measured]:
    """Measure ours, then each peer."""
    progress(f"parse: {FRAMES:,} frames of memory")
    found = [ours()]
    for peer in peers:
        try:
            found.append(theirs(peer, installed(peer, progress)))
        except NotToBeHad as error:
            why = f"not to be had here: {error}"
            progress(f"{peer.title}: {why}")
            found.append(nothing("parse", f"{peer.title} {peer.version}", why))
    return found


def ours() -> Measured:
    """Make and encode the trade of each frame, one by one; the best pass counts."""
    codec = Codec(event("trade"), 1)
    connection = "binance-20261121T114200-00000000"
    frames = [
        (number, Frame("binance", "live", connection, number + 1, 1_763_725_000_000_000, "message", None, payload(number)))
        for number in range(FRAMES)
    ]
    cpu, wall = [], []
    made = 0
    for _ in range(PASSES):
        normaliser = Normaliser(all_dialects())
        ticked, began = time.process_time(), time.perf_counter()
        made = 0
        for one in normaliser.apply(frames):
            assert isinstance(one, NormalisedEvent)
            codec.encode(one.record)
            made += 1
        cpu.append(time.process_time() - ticked)
        wall.append(time.perf_counter() - began)
    return _measured("Tidewire, frame by frame", min(cpu), min(wall), None, FRAMES - made, 0)


def theirs(peer: Peer, python: Path) -> Measured:
    """Run a peer's program on the same frames; a trade is an aggregate's to it, for that is what it subscribes to."""
    with tempfile.NamedTemporaryFile("wb", suffix=".jsonl") as file:
        for number in range(FRAMES):
            as_aggregate = payload(number).replace(b"@trade", b"@aggTrade").replace(b'"e":"trade"', b'"e":"aggTrade"')
            file.write(as_aggregate.replace(b'"t":', b'"a":') + b"\n")
        file.flush()
        program = peer.program("parse")
        told = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEWIRE_", "VIRTUAL_ENV", "PYTHONPATH"))}
        done = subprocess.run(
            [str(python), program.name], cwd=program.parent, env=told | {"FRAMES": file.name},
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    if done.returncode:
        raise NotToBeHad(f"its program failed: {done.stderr.strip().splitlines()[-1:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    lines = lines_of(program.read_text())
    return _measured(
        f"{peer.title} {peer.version}", said["cpu"], said["wall"], lines, FRAMES - said["handed"], said["total"] - said["handed"]
    )


def _measured(program: str, cpu: float, wall: float, lines: int | None, lost: int, doubled: int) -> Measured:
    return Measured(
        job="parse", program=program, core=round(FRAMES / cpu), wall=round(FRAMES / wall), p50_ms=None, p99_ms=None, megabytes=None,
        lines=lines, lost=lost, doubled=doubled, missing="",
    )  # fmt: skip
