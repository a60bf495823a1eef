"""Since when nothing was connected, within a process and across them."""

import asyncio
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dialects import notices
from dialects.contract import Frame
from dialects.stream import Stream
from processors.detect_gaps.frames import Frames
from processors.normalise.frame_runs import FrameRuns
from producers import coverage
from producers.coverage import Coverage
from schemas.events import Gap
from simulator.faults import Fault
from simulator.server import Simulator
from tests.processors.detect_gaps.feeding import came, frame_runs, shared
from tests.producers.conftest import Runs
from tests.producers.harness import Running
from tests.waiting import until
from topology.settings import Kafka, Registry

TRADES, QUOTES, NEW = Stream("trade", "S"), Stream("quote", "S"), Stream("quote", "NEW")


def test_what_another_producer_heard_is_no_time_away() -> None:
    """What comes to this one was away since another heard it last; its word is older than ours where we hear it, or did later."""
    covered = Coverage()
    covered.heard_elsewhere(TRADES, 100)
    assert covered.heard_until(TRADES, 500) == 100
    assert covered.confirmed(TRADES, "a") == 100
    covered.heard_elsewhere(TRADES, 200)
    assert covered.heard_until(TRADES, 500) == 500
    covered.ended("a", 300)
    covered.heard_elsewhere(TRADES, 250)
    assert covered.heard_until(TRADES, 500) == covered.confirmed(TRADES, "b") == 300
    assert covered.heard_until(NEW, 500) is None


def test_the_silence_of_what_is_another_producers_is_told_as_over() -> None:
    """Who lets a stream go ends its silence, once: no connection of ours will hear it speak."""
    covered = Coverage()
    silence = coverage.Silence(1, 2, "a")
    covered.fell_silent(QUOTES, silence)
    covered.fell_silent(TRADES, silence)
    covered.leave([QUOTES, NEW])
    assert covered.silences == {TRADES: silence}
    assert covered.take_left() == {QUOTES: silence}
    assert covered.take_left() == {}


def test_a_stream_without_a_connection_knows_since_when() -> None:
    """What one connection had and the next takes up was away from the end of the first; the first ever was never away."""
    covered = Coverage()
    assert covered.confirmed(TRADES, "a") is None
    assert covered.away([TRADES]) is None
    covered.ended("a", 100)
    assert covered.away([TRADES, NEW]) == 100
    assert covered.confirmed(TRADES, "b") == 100
    assert covered.confirmed(TRADES, "b") is None
    assert covered.confirmed(NEW, "b") is None


def test_a_rotation_leaves_nothing_away() -> None:
    """Where the next connection is confirmed before the old one ends, no time is without; where it is not, some is."""
    covered = Coverage()
    for stream in (TRADES, QUOTES):
        covered.confirmed(stream, "old")
    assert covered.confirmed(TRADES, "new") is None
    covered.ended("old", 100)
    assert covered.away([TRADES]) is None
    assert covered.confirmed(QUOTES, "new") == 100


def test_another_process_knows_it_from_the_file(tmp_path: Path) -> None:
    """After a kill the last beat counts, for streams still followed; one that had ended before keeps its own time."""
    path = tmp_path / "alive" / "v.json"
    covered = Coverage()
    covered.confirmed(TRADES, "a")
    covered.confirmed(QUOTES, "b")
    covered.confirmed(NEW, "a")
    covered.ended("b", 50)
    coverage.write(path, covered.beat(90))
    coverage.write(path, covered.beat(70))

    after = coverage.read(path, [TRADES, QUOTES])
    assert after.confirmed(TRADES, "c") == 90
    assert after.confirmed(QUOTES, "c") == 50
    assert after.confirmed(NEW, "c") is None


def test_a_file_that_cannot_be_read_is_no_knowledge(tmp_path: Path) -> None:
    """No file, a torn one or one of another form: nothing is claimed, and the producer starts."""
    path = tmp_path / "v.json"
    assert coverage.read(path, [TRADES]).until == {}
    for content in (b'[["trade","S"', b'{"a":1}', msgspec.json.encode([("trade", "S", "soon")])):
        path.write_bytes(content)
        assert coverage.read(path, [TRADES]).until == {}


def test_two_may_write_the_file_at_once(tmp_path: Path) -> None:
    """Two producers of one venue share a folder of state: neither stumbles over the other, and what is there is always whole."""
    path, covered = tmp_path / "alive" / "v.json", Coverage()
    covered.confirmed(TRADES, "a")
    with ThreadPoolExecutor(8) as pool:
        written = [pool.submit(coverage.write, path, covered.beat(at)) for at in range(200)]
        for one in written:
            one.result()
            assert TRADES in coverage.read(path, [TRADES]).until
    assert [one.name for one in path.parent.iterdir()] == ["v.json"]


def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path: Path) -> None:
    """What cannot be written is told, the file of before stays, and no piece is left beside it."""
    path, covered = tmp_path / "v.json", Coverage()
    covered.confirmed(TRADES, "a")
    coverage.write(path, covered.beat(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            coverage.write(path, covered.beat(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert coverage.read(path, [TRADES]).until == {TRADES: 1}
    assert [one.name for one in tmp_path.iterdir()] == ["v.json"]


async def test_the_time_between_connections_and_producers_is_told(simulator: Simulator, producer: Runs) -> None:
    """A reconnect and a restart both say in their notices since when nothing was connected; the first start says nothing."""

    def since(told: list[notices.Notice]) -> list[int | None]:
        return [notice["since"] for notice in told]

    async with producer("binance") as running:
        published = running.published
        await simulator.inject(Fault("disconnect", "binance", abrupt=True))
        await running.until(lambda: len(published.notices("connected")) == 2 and running.stage.status() == "")
        await running.stop()
        await running.until(lambda: len(published.notices("closed")) == 2)
    first, second = published.frames.values()
    ended = [records[-1]["received_at"] for records in (first, second)]
    assert since(published.notices("connected")) == [None, ended[0]]
    assert set(since(published.notices("confirmed"))) == {None, ended[0]}

    async with producer("binance") as running:
        await running.until(lambda: bool(running.published.notices("confirmed")))
        assert since(running.published.notices("connected")) == [ended[1]]
        assert set(since(running.published.notices("confirmed"))) == {ended[1]}


async def test_of_two_producers_one_that_comes_back_was_not_away(
    simulator: Simulator, kafka: Kafka, registry: Registry, tmp_path: Path
) -> None:
    """Both carry the same quotes; the second is stopped and begins again: it says since when, and to who reads both it is no gap."""

    def another(name: str) -> Running:
        return Running(simulator, "binance", kafka, registry, tmp_path / name, channels=("quote",))

    async with another("one") as first, another("two") as second:
        await simulator.step(50)
        await second.stop()
        await second.until(lambda: len(second.published.notices("closed")) == 1)
        async with another("two") as again:
            await again.until(lambda: bool(again.published.notices("confirmed")))
            confirmed = max(one["received_at"] for one in again.published.all("notice"))
            await simulator.step(50)
            await first.until(lambda: any(one["received_at"] > confirmed for one in first.published.all("message")))
            (since,) = {notice["since"] for notice in again.published.notices("confirmed")}
            assert since is not None
            frames = [one for run in (first, second, again) for records in run.published.frames.values() for one in records]
    found = gaps_of(frames)
    assert [gap for gap in found if gap["cause"] == "reconnect"] == []
    alone = gaps_of([one for one in frames if first.mark not in one["connection_id"]])
    assert {(gap["symbol"], gap["from_time"]) for gap in alone if gap["cause"] == "reconnect"} == {("BTCUSDT", since), ("ETHUSDT", since)}


def gaps_of(frames: list[dict[str, Any]]) -> list[Gap]:
    """Return the gaps that raw frames show, each connection on a partition of its own."""
    common, readers, made = shared(), dict[str, tuple[Frames, FrameRuns]](), list[Gap]()
    for one in sorted(frames, key=lambda one: (one["received_at"], one["connection_sequence"])):
        reader, runs = readers.setdefault(one["connection_id"], (Frames(common, {}), frame_runs()))
        made += came(reader, runs, [tuple(one[name] for name in Frame._fields)])
    last = max(one["received_at"] for one in frames)
    for at in (last, last + 3_600_000_000 // 2):
        made += [gap for reader, _ in readers.values() for gap in reader.tick(at)]
    return made


async def test_the_file_is_written_while_it_runs(tmp_path: Path) -> None:
    """The beat never passes the time up to which everything is safe."""
    path, covered = tmp_path / "v.json", Coverage()
    covered.confirmed(TRADES, "a")
    task = asyncio.create_task(coverage.keep(covered, path, lambda: 77))
    await until(path.exists, 20)
    task.cancel()
    assert coverage.read(path, [TRADES]).until == {TRADES: 77}
