"""Commands that wait for what comes: `consume --follow` and `record`, each a process of its own, ended as people end them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.dialects.recorded import read_excerpt
from tests.filled import Source
from tests.sinks.market import START, trade
from topology.settings import Settings

PATIENCE = 120.0


@contextmanager
def started(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `tidewire` in the state folder of a stack; kill it where a test leaves it behind."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWIRE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "console.command_line", *arguments],
        env={**environment, "TIDEWIRE_STATE_DIR": str(settings.state_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def again_and_again(action: Callable[[int], None]) -> Iterator[None]:
    """Do something over and over while the block runs: nobody says when a reader has found the end of a topic."""
    ended = threading.Event()

    def act() -> None:
        for number in range(1_000_000):
            if ended.is_set():
                return
            action(number)
            ended.wait(0.05)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def frames(number: int) -> Sequence[dict[str, Any]]:
    """Return two frames: a venue's, and a remark of ours."""
    common = {"venue": "binance", "origin": "live", "connection_id": "binance-9", "received_at": START + number, "request": None}
    return [
        {**common, "connection_sequence": 2 * number + 1, "kind": "message", "payload": b'{"number": %d}' % number},
        {**common, "connection_sequence": 2 * number + 2, "kind": "notice", "payload": b"ours"},
    ]


def test_consume_follows_until_it_is_interrupted(filled: Settings) -> None:
    """From the end on, each new event is a line at once; Ctrl-C ends it without a traceback."""
    trades = Source(filled, "trade")
    with (
        started(filled, "consume", "trades") as process,
        again_and_again(lambda number: trades.publish([trade(1_000 + number, venue="followed")])),
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        found = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()
        code = process.wait(PATIENCE)
    assert {one["venue"] for one in found} == {"followed"}
    assert all(int(one["trade_id"]) >= 1_000 for one in found)
    assert "Traceback" not in error
    assert code == 130


def test_record_writes_what_a_test_can_read(filled: Settings, tmp_path: Path) -> None:
    """Frames of a raw topic are written verbatim, in the form of the recordings, with where they are from; notices are left out."""
    out, raw = tmp_path / "binance_topic.jsonl", Source(filled, "frame", "binance")
    with (
        again_and_again(lambda number: raw.publish(frames(number))),
        started(filled, "record", "binance", "--out", str(out), "--seconds", "3") as process,
    ):
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error
    first = json.loads(out.read_text().splitlines()[0])
    assert first["source"].startswith("binance, topic raw.binance of ")
    found = [one.frame for one in read_excerpt(out)]
    assert f"{len(found)} frames in {out}" in error
    numbers = [one.received_at - START for one in found]
    assert numbers
    assert [one.payload for one in found] == [b'{"number": %d}' % number for number in numbers]
    assert {one.kind for one in found} == {"message"}


def test_a_silent_topic_makes_no_recording(filled: Settings, tmp_path: Path) -> None:
    """No frame is code 1, so that a script does not go on with an empty file."""
    with started(filled, "record", "kraken", "--out", str(tmp_path / "kraken.jsonl"), "--seconds", "0.5") as process:
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "no frame came within 0.5 s: nothing is written" in error
