"""One venue's connections, from the socket to the topic."""

import asyncio
import json
import random
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from dialects import notices
from dialects.stream import Stream
from producers.backoff import Backoff
from simulator.faults import Fault
from simulator.server import Simulator
from tests.producers.conftest import VENUES, Runs
from tests.producers.harness import WAIT_SECONDS, Running, Tap
from topology.errors import Retry


@pytest.mark.parametrize("venue", VENUES)
async def test_every_frame_is_published_verbatim(venue: str, simulator: Simulator, producer: Runs) -> None:
    """What the venue sent on the socket is on raw.<venue>, byte for byte, in order, under an unbroken counter."""
    with Tap() as tap:
        async with producer(venue) as running:
            await simulator.step(500)
            await simulator.pause()
            await running.drained()
            await running.stop()
            await running.until(lambda: bool(running.published.notices("closed")))
    ((connection, frames),) = running.published.frames.items()
    assert [one["payload"] for one in frames if one["kind"] == "message"] == tap.sent[1]
    assert running.published.unbroken()
    assert connection.startswith(f"{venue}-")
    assert {one["origin"] for one in frames} == {"simulated"}
    received = [one["received_at"] for one in frames if one["kind"] == "message"]
    assert received == sorted(received)
    assert [notice["notice"] for notice in running.published.notices("connected", "closed")] == ["connected", "closed"]


async def test_a_lost_connection_is_replaced_and_told(simulator: Simulator, producer: Runs) -> None:
    """A reset connection ends with `closed`; the next begins with `connected`, names the one before, and delivers."""
    async with producer("binance") as running:
        await simulator.step(50)
        (before,) = running.connections
        await simulator.inject(Fault("disconnect", "binance", abrupt=True))
        await running.until(lambda: [one for one in running.connections if one is not before and one.ready.is_set()] != [])
        (after,) = running.connections
        await simulator.step(50)
        await running.drained()
        await running.until(lambda: bool(running.published.notices("closed")))
        first = [notices.decode(running.published.frames[one.id][0]["payload"]) for one in (before, after)]
        assert [(one["notice"], one["previous"]) for one in first] == [("connected", None), ("connected", before.id)]
        assert any(one["kind"] == "message" for one in running.published.frames[after.id])
        assert running.published.unbroken()


async def test_a_venue_that_refuses_connections_is_tried_until_it_answers(simulator: Simulator, producer: Runs) -> None:
    """Refused handshakes are waited out with a backoff, and health says why meanwhile."""
    async with producer("binance") as running:
        await simulator.inject(Fault("refuse", "binance", count=3))
        await simulator.inject(Fault("disconnect", "binance"))
        await running.until(lambda: "503" in running.stage.status())
        await running.until(lambda: running.stage.status() == "")
        assert running.published.unbroken()


async def test_rotation_loses_no_frame(simulator: Simulator, producer: Runs) -> None:
    """Connections that reach their lifetime are replaced while the market moves; every trade of the market arrives."""
    seeded = random.Random(1)
    async with producer("binance", channels=("trade",), lifetime_seconds=1.5) as running:
        first = {symbol: simulator.truth.tape("binance", symbol).next_trade_id for symbol in simulator.venues["binance"].listings}
        while len(running.published.notices("closed")) < 2:
            await simulator.step(seeded.randrange(5, 20))
            await asyncio.to_thread(running.published.poll)
        await running.drained()
        heard: dict[str, set[int]] = {}
        for trade in running.published.data():
            heard.setdefault(trade["s"], set()).add(trade["t"])
        for listing in simulator.venues["binance"].listings.values():
            instrument = listing.instrument
            tape = simulator.truth.tape("binance", instrument.symbol)
            assert heard[instrument.wire_symbol] >= set(range(first[instrument.symbol], tape.next_trade_id))
        assert running.published.unbroken()
        assert len(running.published.frames) >= 3


async def test_a_venue_about_to_close_is_left_at_once(simulator: Simulator, producer: Runs) -> None:
    """`serverShutdown` makes a new connection, confirmed before the old one is closed."""
    async with producer("binance", channels=("trade",)) as running:
        (before,) = running.connections
        await simulator.inject(Fault("shutdown", "binance"))
        await running.until(lambda: len(running.published.frames) == 2 and bool(running.published.notices("closed")))
        confirmed = next(
            one["received_at"]
            for one in running.published.all("notice")
            if one["connection_id"] != before.id and b'"confirmed"' in one["payload"]
        )
        closed = next(one["received_at"] for one in running.published.frames[before.id] if b'"closed"' in one["payload"])
        assert confirmed <= closed


async def test_a_venue_that_dismisses_each_connection_is_asked_ever_more_slowly(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each new connection that is told at once to leave makes the wait before the next one longer; what the last says is taken."""
    waits: list[int] = []

    def noted(backoff: Backoff) -> float:
        backoff.failures += 1
        waits.append(backoff.failures)
        return 0.0

    monkeypatch.setattr(Backoff, "wait", noted)
    async with producer("binance", channels=("trade",)) as running:
        for number in range(1, 4):
            await simulator.inject(Fault("shutdown", "binance"))
            while len(running.published.notices("closed")) < number:
                await asyncio.to_thread(running.published.poll)
        assert waits == [1, 2, 3]


async def test_a_silent_stream_is_found_and_asked_for_again_while_others_flow(simulator: Simulator, producer: Runs) -> None:
    """A stream that is confirmed and says nothing is told, asked for again, and told when it speaks; others go on."""
    async with producer("kraken", channels=("trade",), silence_seconds={"trade": 1.0}) as running:
        fault = await simulator.inject(Fault("silent", "kraken", symbol="BTC/USD", channel="trade"))
        while not running.published.notices("silent"):
            await simulator.step(5)
            await asyncio.to_thread(running.published.poll)
        assert [tuple(stream) for notice in running.published.notices("silent") for stream in notice["streams"]] == [("trade", "BTC/USD")]
        others = len(running.published.all("message"))
        simulator.faults.clear(fault.number)
        while not running.published.notices("resumed"):
            await simulator.step(5)
            await asyncio.to_thread(running.published.poll)
        assert len(running.published.all("message")) > others
        assert any(b'"unsubscribe"' in one["payload"] for one in running.published.all("message"))


async def test_a_stream_that_stays_silent_costs_the_connection_once(simulator: Simulator, producer: Runs) -> None:
    """Where asking again does not help, a new connection is tried; where that does not help, it is not tried again soon."""
    async with producer("binance", channels=("trade",), silence_seconds={"trade": 0.5}) as running:
        await simulator.inject(Fault("silent", "binance", symbol="BTC/USDT", channel="trade"))
        while len(running.published.frames) < 2 or not running.published.notices("closed"):
            await simulator.step(20)
            await asyncio.to_thread(running.published.poll)
        last = running.connections[-1]
        unrecoverable: set[float | None] = set()
        while len(unrecoverable) < 5:
            await simulator.step(20)
            await asyncio.to_thread(running.published.poll)
            unrecoverable.add(last.subscriptions._watches[Stream("trade", "BTCUSDT")].unrecoverable_at)
        assert running.connections == [last]
        assert len(running.published.frames) == 2
        (silent,) = running.published.notices("silent")
        assert silent["streams"] == [("trade", "BTCUSDT")]


async def test_a_silence_is_ended_by_whichever_connection_hears_the_stream(simulator: Simulator, producer: Runs) -> None:
    """One silence over a rotation and a restart is told once, and ended once, with all that its gap is known by."""
    settings = {"symbols": ("BTC/USD",), "channels": ("trade",), "silence_seconds": {"trade": 1.0}}
    quiet = Fault("silent", "kraken", symbol="BTC/USD", channel="trade")
    async with producer("kraken", **settings) as running:
        fault = await simulator.inject(quiet)
        await stepped(simulator, running, lambda: bool(running.published.notices("silent")))
        (told,) = [one for one in running.published.all("notice") if b'"silent"' in one["payload"]]
        for reason in ("rotated", "rotated again"):
            await running.stage.feeds[0].renew(reason)
        before = running.connections[-1]
    assert told["connection_id"] != before.id
    assert running.published.notices("resumed") == []
    async with producer("kraken", **settings) as running:
        simulator.faults.clear(fault.number)
        await stepped(simulator, running, lambda: bool(running.published.notices("resumed")))
        (ended,) = running.published.notices("resumed")
        assert running.published.notices("silent") == []
    assert ended["streams"] == [("trade", "BTC/USD")]
    assert (ended["previous"], ended["detected_at"]) == (told["connection_id"], told["received_at"])
    assert ended["since"] == (json.loads(told["payload"])["since"] or told["received_at"])
    assert ended["reason"] == ""


async def test_a_silence_of_a_stream_that_is_dropped_is_over(simulator: Simulator, producer: Runs) -> None:
    """A stream that was silent and is followed no longer is told so by the next producer's first connection, once."""
    quiet = Fault("silent", "kraken", symbol="BTC/USD", channel="trade")
    async with producer("kraken", channels=("trade",), silence_seconds={"trade": 1.0}) as running:
        fault = await simulator.inject(quiet)
        await stepped(simulator, running, lambda: bool(running.published.notices("silent")))
    simulator.faults.clear(fault.number)
    for expected in (["this stream is followed no longer"], []):
        async with producer("kraken", channels=("trade",), symbols=("ETH/USD",)) as running:
            await running.until(lambda: bool(running.published.notices("confirmed")))
            assert [notice["reason"] for notice in running.published.notices("resumed")] == expected


async def stepped(simulator: Simulator, running: Running, holds: Callable[[], bool]) -> None:
    """Move the market and read what is published until a condition holds."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await simulator.step(5)
            await asyncio.to_thread(running.published.poll)


async def test_a_refused_symbol_stops_no_other(simulator: Simulator, producer: Runs) -> None:
    """The venue's refusal is a notice with its words; the other streams are confirmed and flow."""
    async with producer("kraken", symbols=("BTC/USD", "NO/USD"), channels=("trade", "book")) as running:
        await simulator.step(100)
        await running.drained()
        refused = running.published.notices("refused")
        assert sorted(stream for notice in refused for stream in notice["streams"]) == [("book", "NO/USD"), ("trade", "NO/USD")]
        assert all("Currency pair not supported" in notice["reason"] for notice in refused)
        for channel in ("book", "trade"):
            assert REGISTRY.get_sample_value("tidewire_refused_streams_total", {"venue": "kraken", "channel": channel, "symbol": "NO/USD"})
        assert running.connections[0].subscriptions.is_confirmed(Stream("book", "BTC/USD"))
        assert any(b'"update"' in one["payload"] for one in running.published.all("message"))


async def test_malformed_frames_pass_verbatim(simulator: Simulator, producer: Runs) -> None:
    """A frame that is no JSON is published as it came: what it means is the normaliser's business."""
    with Tap() as tap:
        async with producer("binance") as running:
            await simulator.inject(Fault("malformed", "binance", count=5))
            await simulator.inject(Fault("unknown", "binance", count=5))
            await simulator.step(100)
            await running.drained()
    assert [one["payload"] for one in running.published.all("message")] == tap.sent[1]
    assert sum(not is_json(one["payload"]) for one in running.published.all("message")) == 5


def is_json(text: bytes) -> bool:
    """Whether it parses."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("venue", VENUES)
async def test_a_giant_snapshot_passes_whole(venue: str, simulator: Simulator, producer: Runs) -> None:
    """More than 5 MB in one message, on the socket or over REST, reaches the topic."""
    channel = "snapshot" if venue == "binance" else "book"
    await simulator.inject(Fault("giant", venue, channel=channel))
    async with producer(venue, channels=("book",)) as running:
        for _ in range(5):
            await simulator.step(50)
        await running.until(
            lambda: any(len(one["payload"]) > 5_000_000 for records in running.published.frames.values() for one in records)
        )
        await running.drained()
        assert running.published.unbroken()


async def test_a_book_is_begun_with_its_snapshot_after_its_first_delta(simulator: Simulator, producer: Runs) -> None:
    """Binance: the snapshot is asked for once a delta of that book has been heard, and published among its connection's frames."""
    async with producer("binance", channels=("book",)) as running:
        while len(running.published.all("reply")) < 2:
            await simulator.step(50)
            await asyncio.to_thread(running.published.poll)
        for reply in running.published.all("reply"):
            symbol = reply["request"].partition("symbol=")[2].partition("&")[0]
            deltas = [
                json.loads(one["payload"])["data"]
                for one in running.published.frames[reply["connection_id"]]
                if one["connection_sequence"] < reply["connection_sequence"]
                and symbol.lower().encode() + b"@depth" in one["payload"]
                and b'"data"' in one["payload"]
            ]
            assert deltas
            assert deltas[0]["U"] <= json.loads(reply["payload"])["lastUpdateId"] + 1
        assert running.published.unbroken()


async def test_only_a_book_that_nothing_carried_on_asks_for_a_snapshot(simulator: Simulator, producer: Runs) -> None:
    """A healthy rotation makes no request: the book goes on by its update ids. A connection that was lost makes one for each book."""
    async with producer("binance", channels=("book",)) as running:

        def asked() -> list[str]:
            return [one["request"] for one in running.published.all("reply")]

        await stepped(simulator, running, lambda: len(asked()) == 2)
        before = running.connections[0]
        await running.stage.feeds[0].renew("rotated")
        (rotated,) = running.connections
        heard = rotated.subscriptions.heard
        await stepped(simulator, running, lambda: len(heard) == 2)
        await running.drained()
        assert len(asked()) == 2
        last, first = (
            [json.loads(one["payload"])["data"] for one in running.published.frames[which.id] if b'"depthUpdate"' in one["payload"]]
            for which in (before, rotated)
        )
        for symbol in ("BTCUSDT", "ETHUSDT"):
            assert next(one["U"] for one in first if one["s"] == symbol) <= max(one["u"] for one in last if one["s"] == symbol) + 1
        await simulator.inject(Fault("disconnect", "binance", abrupt=True))
        await stepped(simulator, running, lambda: len(asked()) == 4)
        assert len(set(asked()[2:])) == 2


async def test_more_symbols_than_a_connection_holds_are_spread(
    simulator: Simulator, producer: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection carries its share, and together they carry all."""
    from dialects.binance.dialect import Binance

    limits = Binance.limits
    monkeypatch.setattr(
        Binance, "limits", type(limits)(**{name: getattr(limits, name) for name in limits.__slots__} | {"streams_per_connection": 4})
    )
    async with producer("binance") as running:
        assert [len(one.streams) for one in running.connections] == [4, 2]
        await simulator.step(100)
        await running.drained()
        assert {trade["s"] for trade in running.published.data()} == {"BTCUSDT", "ETHUSDT"}


async def test_a_connection_is_renewed_when_asked(simulator: Simulator, producer: Runs) -> None:
    """`renew` returns once a new connection has taken over: confirmed first, then the old one closed."""
    async with producer("kraken", channels=("trade",)) as running:
        (before,) = running.connections
        (feed,) = running.stage.feeds
        await feed.renew("asked for")
        (after,) = running.connections
        assert after is not before
        assert after.ready.is_set()
        assert before.ended.is_set()
        assert before.reason == "asked for"
        await simulator.step(50)
        await running.drained()
        assert running.published.unbroken()


async def test_a_renewal_that_fails_is_told_and_the_old_connection_goes_on(simulator: Simulator, producer: Runs) -> None:
    """Where no new connection can be opened `renew` raises Retry at once, and the old one delivers on; asked again, it renews."""
    async with producer("kraken", channels=("trade",)) as running:
        (before,) = running.connections
        (feed,) = running.stage.feeds
        await simulator.inject(Fault("refuse", "kraken", count=1))
        with pytest.raises(Retry, match="503"):
            await feed.renew("asked for")
        assert running.connections == [before]
        await simulator.step(50)
        await running.drained()
        await feed.renew("asked again")
        assert running.connections != [before]


async def test_a_renewal_without_a_connection_tries_at_once(simulator: Simulator, producer: Runs) -> None:
    """While a feed waits out its backoff, `renew` has it connect now, and returns when that connection is confirmed."""
    async with producer("kraken", channels=("trade",), backoff_first=600.0, backoff_most=600.0) as running:
        (feed,) = running.stage.feeds
        await simulator.inject(Fault("disconnect", "kraken", abrupt=True))
        await running.until(lambda: not running.connections)
        await feed.renew("asked for")
        (after,) = running.connections
        assert after.ready.is_set()


async def test_a_feed_that_stops_renews_nothing(simulator: Simulator, producer: Runs) -> None:
    """Whoever waits for a new connection when the producer stops is told; nobody waits for ever."""
    async with producer("kraken", channels=("trade",)) as running:
        (feed,) = running.stage.feeds
        await simulator.inject(Fault("refuse", "kraken", count=100))
        waiting = asyncio.ensure_future(feed.renew("asked for"))
        await running.stop()
        with pytest.raises(Retry):
            await waiting
        with pytest.raises(Retry, match="stops"):
            await feed.renew("too late")


async def test_what_is_polled_flows_beside_what_is_pushed(simulator: Simulator, producer: Runs) -> None:
    """A channel that the venue gives only when asked is a source of its own: its replies, verbatim, on a connection without a socket."""
    async with producer("binance", symbols=("BTCUSDT",), channels=("trade", "instrument")) as running:
        await running.until(lambda: bool(running.published.all("reply")))
        (reply,) = running.published.all("reply")
        (pushed,) = running.connections
        assert reply["connection_id"] != pushed.id
        assert json.loads(reply["payload"])["symbols"][0]["symbol"] == "BTCUSDT"
        await stepped(simulator, running, lambda: bool(running.published.data()))
        assert len(running.stage.sources) == 2
        await running.stop()
        await running.until(lambda: len(running.published.notices("closed")) == 2)
        assert running.published.unbroken()
