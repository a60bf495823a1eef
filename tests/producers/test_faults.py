"""Bugs of ours in a running producer: each stays where it happens, is counted and told, and capture goes on."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from dialects.binance.dialect import Binance, BinanceSession
from dialects.contract import Frame
from dialects.memory import Memory
from dialects.session import FrameSignal
from dialects.stream import Stream
from producers import coverage
from producers.access import Access
from producers.backfill import Backfill
from producers.connection import Connection
from producers.feed import Feed
from producers.gaps import GapReader
from simulator.server import Simulator
from tests.producers.conftest import Runs
from tests.producers.harness import Running, Tap
from tests.producers.test_backfill import Ledger, gap, replied_trades, snapshots_of
from topology.secrets.credential import Identity


def told(running: Running, part: str) -> list[str]:
    """Return the reasons of the faults that the health page shows of a part of this venue."""
    return [str(one["reason"]) for one in running.stage.faults.red() if one["event"] == part and one["venue"] == running.venue]


async def flows(running: Running) -> None:
    """Move the market and see frames of it published."""
    before = len(running.published.all("message"))
    await running.simulator.step(50)
    await running.until(lambda: len(running.published.all("message")) > before)


async def test_a_dialect_that_cannot_hear_one_stream_costs_no_frame(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each frame is published as it came, on one connection; the fault is told; no stream is called silent for it."""
    hear = BinanceSession.hear

    def failing(self: BinanceSession, payload: bytes) -> FrameSignal:
        heard = hear(self, payload)
        if heard.stream == Stream("trade", "BTCUSDT"):
            raise KeyError("a bug")
        return heard

    monkeypatch.setattr(BinanceSession, "hear", failing)
    with Tap() as tap:
        async with producer("binance", channels=("trade", "book"), silence_seconds={"trade": 2.0}) as running:
            (before,) = running.connections
            began = time.monotonic()
            while time.monotonic() < began + 4:
                await simulator.step(5)
                await asyncio.to_thread(running.published.poll)
            assert Stream("trade", "BTCUSDT") not in before._around.coverage.silences
            await running.drained()
            assert running.connections == [before]
            assert running.stage.status() == ""
            (reason,) = told(running, "hear")
            assert reason.startswith("KeyError: 'a bug'")
    assert [one["payload"] for one in running.published.frames[before.id] if one["kind"] == "message"] == tap.sent[1]
    assert running.published.unbroken()


async def test_one_gap_that_cannot_be_read_is_unfillable_and_the_next_is_filled(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that makes the dialect raise ends its gap with the reason, committed; capture and the gap after it go on."""
    await simulator.step(1500)
    read = Binance.read

    def failing(self: Binance, frame: Frame, memory: Memory) -> Any:
        if frame.kind == "reply" and "BTCUSDT" in (frame.request or ""):
            raise KeyError("lastUpdateId")
        return read(self, frame, memory)

    monkeypatch.setattr(Binance, "read", failing)
    async with producer("binance", channels=("trade",)) as running:
        ledger = Ledger(running)
        first = simulator.truth.tape("binance", "BTC/USDT").first_trade_id
        other = simulator.truth.tape("binance", "ETH/USDT").first_trade_id
        broken = gap(running, "BTCUSDT", "trade", first, first + 5)
        whole = gap(running, "ETHUSDT", "trade", other, other + 5)
        ledger.write(broken)
        ended = await ledger.state(broken["gap_id"], "unfillable")
        assert ended["repair"].startswith("a fault of ours: KeyError: 'lastUpdateId'")
        ledger.write(whole)
        await ledger.state(whole["gap_id"], "filling")
        await running.until(lambda: set(replied_trades(running)) >= set(range(other, other + 6)))
        await flows(running)
        assert told(running, "backfill")
    async with producer("binance", channels=("trade",)) as running:
        ledger.write(again := gap(running, "ETHUSDT", "trade", other, other + 5))
        await ledger.state(again["gap_id"], "filling")
        await running.until(lambda: bool(replied_trades(running)))
        assert all("ETHUSDT" in one["request"] for one in running.published.all("reply"))
        ledger.close()


@pytest.mark.parametrize(
    ("owner", "name", "part"),
    [
        (Backfill, "_wait", "backfill"),
        (GapReader, "_read", "backfill"),
        (coverage, "write", "coverage"),
    ],
)
async def test_a_companion_that_fails_is_begun_again(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, part: str
) -> None:
    """A bug in the backfill, in the reader of gaps or in what is kept on disk is told; capture goes on, and so does the companion."""
    works = getattr(owner, name)
    calls = 0

    def failing(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise AssertionError("a bug")
        return works(*arguments)

    monkeypatch.setattr(owner, name, failing)
    async with producer("binance", channels=("trade",)) as running:
        await running.until(lambda: calls > 3)
        await flows(running)
        assert told(running, part)
        assert running.stage.status() == ""
        if part == "backfill":
            ledger = Ledger(running)
            wanted = gap(running, "BTCUSDT", "frame", 1, 2)
            ledger.write(wanted)
            await ledger.state(wanted["gap_id"], "unfillable")
            ledger.close()


async def test_a_connection_whose_task_fails_is_replaced_beside(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watchdog with a bug costs the connection after a backoff: the next is confirmed before it is closed."""

    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a bug")

    async with producer("kraken", channels=("trade",)) as running:
        (before,) = running.connections
        monkeypatch.setattr(before.subscriptions, "check", failing)
        await running.until(lambda: before.ended.is_set() and bool(running.published.notices("closed")))
        (after,) = running.connections
        assert told(running, "connection")
        assert "a fault of ours: ZeroDivisionError" in before.reason
        confirmed, closed = (
            next(one["received_at"] for one in running.published.frames[who.id] if kind in one["payload"])
            for who, kind in ((after, b'"confirmed"'), (before, b'"closed"'))
        )
        assert confirmed <= closed
        await flows(running)


async def test_a_feed_with_a_bug_begins_anew_and_stops_no_other(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a feed's own loop closes its connections and opens others; the other feed never notices."""
    limits = Binance.limits
    few = type(limits)(**{name: getattr(limits, name) for name in limits.__slots__} | {"streams_per_connection": 1})
    monkeypatch.setattr(Binance, "limits", few)
    async with producer("binance", channels=("trade",)) as running:
        broken, whole = running.stage.feeds
        ((first,), (second,)) = broken._connections, whole._connections
        follow = Feed._follow

        async def failing(self: Feed, current: Connection) -> Connection | None:
            if self is broken and current is first:
                raise IndexError("a bug")
            return await follow(self, current)

        monkeypatch.setattr(Feed, "_follow", failing)
        broken._hurry.set()
        first.want("anything")
        await running.until(lambda: running.stage.status() == "" and first not in broken._connections)
        assert whole._connections == [second]
        await flows(running)


async def test_what_cannot_be_asked_for_is_told_and_tried_again(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dialect that cannot write its subscriptions makes its health red and its feed wait, not the process end."""
    ask = BinanceSession.ask
    monkeypatch.setattr(BinanceSession, "ask", lambda *_: 1 // 0)
    running = producer("binance", channels=("trade",))
    starting = asyncio.create_task(running.__aenter__())
    try:
        await running.until(lambda: len(told(running, "subscribe")) > 0 and "fault of ours" in running.stage.status())
        monkeypatch.setattr(BinanceSession, "ask", ask)
        await starting
        await flows(running)
    finally:
        await running.__aexit__(None, None, None)


async def test_a_snapshot_that_fails_for_a_bug_is_asked_for_again(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book gets its snapshot once the bug lets it; the connection stays."""
    request, calls = Binance.snapshot_request, 0

    def failing(self: Binance, stream: Stream) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError(stream)
        return request(self, stream)

    monkeypatch.setattr(Binance, "snapshot_request", failing)
    async with producer("binance", symbols=("BTCUSDT",), channels=("book",)) as running:
        (before,) = running.connections
        await simulator.step(300)
        await running.until(lambda: bool(snapshots_of(running)))
        assert told(running, "snapshot")
        assert running.connections == [before]


async def test_the_watch_over_a_credential_can_be_begun_again() -> None:
    """A bug in the watcher is raised to whoever runs it, and run again it watches again."""
    looks = 0

    class Broken:
        store = None

        def newest(self, _path: str) -> int:
            nonlocal looks
            looks += 1
            raise LookupError("a bug")

    async def listen(_heard: Callable[[], None]) -> None:
        return

    access = Access(Broken(), Identity("kraken", "mainnet"), None, None, 0.01, listen, lambda: 0.5, lambda: 0.0)  # type: ignore[arg-type]
    for expected in (1, 2):
        with pytest.raises(LookupError):
            await access.run(tuple)
        assert looks == expected
