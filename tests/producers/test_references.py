"""What a connection's streams are read with is asked for over REST, and stands among its own frames."""

import asyncio
from collections.abc import Sequence

import pytest

from dialects.binance.dialect import Binance, BinanceSession
from dialects.contract import Request
from dialects.session import FrameSignal
from dialects.stream import Stream
from simulator.server import Simulator
from tests.producers.conftest import Runs
from tests.producers.test_backfill import Ledger, gap


def referring(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Let Binance's dialect want the reply to a request for each of its trades."""

    def references(_self: Binance, streams: Sequence[Stream]) -> list[Request]:
        return [Request("GET", f"{path}?symbol={stream.symbol}") for stream in streams if stream.channel == "trade"]

    monkeypatch.setattr(Binance, "references", references)


async def test_each_connection_has_its_own_and_so_has_a_repair(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply is a frame of the connection that needs it; on the connection of a repair it comes before the trades."""
    referring(monkeypatch, "/api/v3/exchangeInfo")
    await simulator.step(500)
    wanted = "GET /api/v3/exchangeInfo?symbol=BTCUSDT"
    async with producer("binance", symbols=("BTCUSDT",), channels=("trade",)) as running:
        (connection,) = running.connections
        await running.until(lambda: any(one["request"] == wanted for one in running.published.frames[connection.id]))
        first = simulator.truth.tape("binance", "BTC/USDT").first_trade_id
        hole = gap(running, "BTCUSDT", "trade", first, first + 5)
        ledger = Ledger(running)
        ledger.write(hole)
        await ledger.state(hole["gap_id"], "filling")
        await running.until(lambda: sum("historicalTrades" in (one["request"] or "") for one in running.published.all("reply")) == 1)
        (repair,) = {one["connection_id"] for one in running.published.all("reply")} - {connection.id}
        replies = [one["request"] for one in running.published.frames[repair] if one["kind"] == "reply"]
        assert replies[0] == wanted
        assert "historicalTrades" in replies[1]
        ledger.close()


async def test_what_is_refused_stops_nothing(simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the venue refuses it, capture goes on, and a gap is filled all the same."""
    referring(monkeypatch, "/api/v3/nothing")
    await simulator.step(500)
    async with producer("binance", symbols=("BTCUSDT",), channels=("trade",)) as running:
        first = simulator.truth.tape("binance", "BTC/USDT").first_trade_id
        hole = gap(running, "BTCUSDT", "trade", first, first + 5)
        ledger = Ledger(running)
        ledger.write(hole)
        await running.until(lambda: any("historicalTrades" in (one["request"] or "") for one in running.published.all("reply")))
        before = len(running.published.all("message"))
        await simulator.step(100)
        await running.until(lambda: len(running.published.all("message")) > before)
        ledger.close()


async def test_data_that_announces_the_end_is_data(simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is a stream's and says that the connection is about to end counts as both: the next connection is opened."""
    hear = BinanceSession.hear
    announced = asyncio.Event()

    def hearing(self: BinanceSession, payload: bytes) -> FrameSignal:
        heard = hear(self, payload)
        if heard.stream is not None and not announced.is_set():
            announced.set()
            heard.closing = True
        return heard

    monkeypatch.setattr(BinanceSession, "hear", hearing)
    async with producer("binance", symbols=("BTCUSDT",), channels=("trade",)) as running:
        (before,) = running.connections
        await simulator.step(50)
        await running.until(lambda: before not in running.connections and bool(running.connections))
        assert Stream("trade", "BTCUSDT") in before.subscriptions.heard
