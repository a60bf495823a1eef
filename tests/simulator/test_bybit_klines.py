"""Bybit's klines the whole way but Kafka: the simulated venue answers, the poller publishes, the dialect reads, and both truths agree."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from dialects.bybit.klines import ASKED
from dialects.contract import Frame
from dialects.normaliser import NormalisedEvent, Normaliser
from processors.build_candles.builder import Builder
from producers import plan
from producers.backoff import Backoff
from producers.coverage import Coverage
from producers.frames import Frames
from producers.poller import Poller, PollerSurroundings
from producers.rest import Rest
from schemas.block_reader import Block
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.decimals import decimal, from_bytes
from simulator.candles import Candle, candles
from simulator.server import Simulator, SimulatorSettings
from tests.processors.build_candles.tape import CODEC, newest, read, writer_of
from tests.simulator.dialect_client import Client, client_of
from tests.waiting import until
from topology.settings import Venue

VENUES = ("bybit_spot", "bybit_linear", "bybit_inverse")
MINUTE = 60_000_000
EIGHT = Decimal("1E-8")
"""Decimals of a turnover."""
pytestmark = pytest.mark.parametrize("venue", VENUES)


@pytest.fixture
async def simulator(venue: str) -> AsyncIterator[Simulator]:
    """Start a slow market alone, so that minutes are few steps; it goes on only where it is told to."""
    async with Simulator(SimulatorSettings(seed=5, venues=(venue,), bases=("BTC",), rate=40.0, levels=100)) as started:
        await started.pause()
        yield started


@pytest.fixture
async def client(simulator: Simulator, venue: str) -> AsyncIterator[Client]:
    """Give a client of it that speaks the dialect."""
    async with client_of(simulator, venue) as made:
        yield made


async def pass_minutes(simulator: Simulator, minutes: int) -> None:
    """Let the market go on into another minute, so often."""
    end = simulator.market.time_us + minutes * MINUTE
    while simulator.market.time_us < end:
        await simulator.step(100)


def minutes_of(simulator: Simulator, client: Client) -> list[Candle]:
    """Return the candles of the market's truth."""
    (listing,) = client.listings.values()
    instrument = listing.instrument
    return candles(instrument, simulator.truth.tape(instrument.venue, instrument.symbol).trades(), "1m")


async def polled(client: Client) -> list[NormalisedEvent]:
    """Return what the normaliser makes of the first round of a poller of klines."""
    published: list[Frame] = []
    codec = Codec(event("frame"), 0)
    names = Frame._fields

    def put(_key: bytes, value: bytes, _frame: object = None) -> bool:
        record = codec.decode(value)
        published.append(Frame(*(record[name] for name in names)))
        return True

    def now() -> int:
        return client.venue.market.time_us

    spoken = client.dialect
    (poll,) = plan.polled(spoken, plan.streams(spoken, Venue(symbols=tuple(client.listings), channels=("kline",))))
    async with Rest(client.endpoints.rest, spoken, time.monotonic, now) as rest:
        around = PollerSurroundings(
            spoken,
            rest,
            lambda: Frames(codec, spoken.venue, "simulated", "simulated", "c-1", put),
            Coverage(),
            lambda: Backoff(0.01, 0.02, lambda: 0.5),
            lambda error, _part: pytest.fail(repr(error)),
            time.monotonic,
            now,
        )
        poller = Poller(around, poll)
        task = asyncio.create_task(poller.run())
        await until(lambda: any(frame.kind == "reply" for frame in published))
        await poller.close("the test ends")
        await task
    made = list(Normaliser({spoken.venue: spoken}).apply(enumerate(published)))
    assert all(isinstance(one, NormalisedEvent) and one.name == "venue_candle" for one in made)
    return [one for one in made if isinstance(one, NormalisedEvent)]


def numbers(record: dict[str, Any], *names: str) -> list[Decimal]:
    """Return decimals of a record."""
    return [decimal(from_bytes(record[name])) for name in names]


async def test_what_is_polled_is_the_truth(simulator: Simulator, client: Client, venue: str) -> None:
    """The last minutes are said newest first, the open one as open; each has the truth's prices and amounts."""
    await pass_minutes(simulator, 7)
    made = [one.record for one in await polled(client)]
    truth = minutes_of(simulator, client)
    assert len(truth) > ASKED
    assert [one["open_time"] for one in made] == [one.open_time for one in reversed(truth[-ASKED:])]
    assert [one["closed"] for one in made] == [False, *[True] * (ASKED - 1)]
    for record, candle in zip(made, reversed(truth), strict=False):
        assert (record["venue"], record["origin"], record["interval"]) == (venue, "simulated", "1m")
        assert record["close_time"] == record["open_time"] + MINUTE
        assert record["version"] == record["received_at"]
        assert record["trades"] is None
        assert numbers(record, "open", "high", "low", "close") == [candle.open, candle.high, candle.low, candle.close]
        base, quote = numbers(record, "base_volume", "quote_volume")
        assert (base, quote) == (candle.volume.quantize(EIGHT), candle.quote_volume.quantize(EIGHT))
        assert record["volume_unit"] == ("quote" if venue == "bybit_inverse" else "base")
        assert numbers(record, "volume") == [quote if venue == "bybit_inverse" else base]


async def test_our_candle_of_the_same_trades_says_the_same(simulator: Simulator, client: Client, venue: str) -> None:
    """What the venue says of a closed minute is our own candle of it, when every trade was heard: to a turnover's last decimal."""
    await client.open(client.streams(["trade"]))
    await pass_minutes(simulator, 4)
    await simulator.pause()
    await client.settle()
    header = {"venue": venue, "origin": "simulated", "connection_id": "c", "connection_sequence": 1, "frame_index": 0}
    trades = [
        CODEC.encode(event("trade").defaults | header | one.fields | {"received_at": one.fields["event_time"]}) for one in client.made()
    ]
    built = Builder(writer_of).apply(Block(trades, list(range(len(trades)))), simulator.market.time_us)
    ours = {key[-1]: read(one) for key, one in newest(built.candles).items() if key[2] == "1m"}
    said = [one.record for one in await polled(client) if one.record["closed"]]
    assert len(said) >= 3
    for record in said:
        candle = ours[record["open_time"]]
        assert (candle["symbol"], candle["close_time"]) == (record["symbol"], record["close_time"])
        prices = ("open", "high", "low", "close")
        assert numbers(record, *prices) == [candle[name] for name in prices]
        base, quote = numbers(record, "base_volume", "quote_volume")
        assert (base, quote) == (candle["volume"].quantize(EIGHT), candle["quote_volume"].quantize(EIGHT))


async def test_an_open_minute_said_again_is_a_later_version(simulator: Simulator, client: Client, venue: str) -> None:
    """Of the minute that was open, the next round says more under the same identity, and its version is higher."""
    await pass_minutes(simulator, 2)
    before = (await polled(client))[0].record
    await pass_minutes(simulator, 1)
    after = next(one.record for one in await polled(client) if one.record["open_time"] == before["open_time"])
    assert (before["closed"], after["closed"]) == (False, True)
    assert after["version"] > before["version"]
    assert from_bytes(after["volume"]) > from_bytes(before["volume"])


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("symbol={symbol}&interval=2", 10001, "interval is invalid"),
        ("symbol={symbol}", 10001, "interval is invalid"),
        ("symbol={symbol}&interval=1&limit=0", 10001, "limit is invalid"),
        ("symbol={symbol}&interval=D", 0, "OK"),
        ("symbol=NOPE&interval=1", None, None),
    ],
)
async def test_what_it_answers(simulator: Simulator, client: Client, venue: str, query: str, code: int | None, words: str | None) -> None:
    """A wrong interval or limit is an error; a symbol that is not listed an empty list on spot, an error of contracts."""
    (symbol,) = client.listings
    path = f"/v5/market/kline?category={venue.partition('_')[2]}&{query.format(symbol=symbol)}"
    async with aiohttp.ClientSession() as http, http.get(simulator.addresses[f"{venue}_rest"] + path) as response:
        document = await response.json()
    if code is None:
        code, words = (0, "OK") if venue == "bybit_spot" else (10001, "symbol invalid")
    assert document["retCode"] == code
    assert words is not None
    assert words in document["retMsg"]
