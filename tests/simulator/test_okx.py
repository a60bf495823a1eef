"""What is OKX's own in its simulation: two sockets, chains of books, contracts and what they hold, notices, refusals, candles."""

from collections.abc import AsyncIterator

import orjson
import pytest

from dialects.continuity import Finding, Place, Step
from dialects.contract import DecodedEvent, Request
from dialects.judge import judge
from dialects.stream import Stream
from schemas.decimals import decimal, from_bytes
from simulator.candles import candles
from simulator.faults import Fault
from simulator.server import Simulator, SimulatorSettings
from tests.simulator.dialect_client import Client, client_of


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Start OKX alone, standing still."""
    async with Simulator(SimulatorSettings(seed=11, venues=("okx",), bases=("BTC",), levels=500)) as started:
        yield started


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[Client]:
    """Give a client of it that speaks the dialect."""
    async with client_of(simulator, "okx") as made:
        yield made


def findings(client: Client, channel: str, made: list[DecodedEvent], symbol: str) -> list[Finding]:
    """Return what the judge finds of a symbol's events."""
    place: Place | None = None
    found = []
    for at, (_, fields) in enumerate([one for one in made if one.fields["symbol"] == symbol]):
        last, time = fields["sequence" if channel == "trade" else "last_sequence"], fields["event_time"]
        previous, snapshot = fields.get("previous_sequence"), bool(fields.get("is_snapshot"))
        step = Step(None if previous is not None else last, last, "c", time + at, time, previous=previous, is_snapshot=snapshot)
        verdict = judge(client.dialect.channels[channel].continuity, place, step)
        place = verdict.place
        found.append(verdict.finding)
    return found


async def test_trades_of_contracts_say_what_they_moved(simulator: Simulator, client: Client) -> None:
    """With what a contract holds, base and quote amounts are those of the market, of linear and of inverse contracts."""
    await client.open(client.streams(["trade"]))
    await simulator.step(800)
    await client.settle()
    seen = set()
    for _, fields in client.made():
        instrument = client.listings[fields["symbol"]].instrument
        seen.add((instrument.kind, instrument.contract_size_unit))
        if instrument.kind == "spot":
            assert (fields["size_unit"], fields["size_base"]) == ("base", None)
            continue
        price, size = (int(decimal(from_bytes(fields[name])).scaleb(places)) for name, places in
                       (("price", instrument.price_decimals), ("size", instrument.size_decimals)))  # fmt: skip
        base, quote = instrument.amounts(price, size)
        assert fields["size_unit"] == "contract"
        assert abs(decimal(from_bytes(fields["size_base"])) - base) < decimal(1)
        assert abs(decimal(from_bytes(fields["size_quote"])) - quote) < decimal(1)
    assert seen == {("spot", "base"), ("perpetual", "base"), ("perpetual", "quote"), ("future", "base")}


async def test_books_are_chains_and_a_lost_message_is_a_hole(simulator: Simulator, client: Client) -> None:
    """Each message names the one before, over windows without a change too; one that is dropped is found with the next."""
    await client.open(client.streams(["book"]))
    await simulator.step(1500)
    await client.settle()
    made = client.made()
    for symbol in client.listings:
        found = findings(client, "book", made, symbol)
        assert len(found) > 3
        assert set(found) == {Finding.NEXT}
    symbol = "BTC-USDT-SWAP"
    first = [one for one in made if one.fields["symbol"] == symbol][-1:]
    await simulator.inject(Fault("drop", "okx", symbol=symbol, channel="books", count=1))
    await simulator.step(1500)
    await client.settle()
    assert findings(client, "book", first + client.made(), symbol).count(Finding.HOLE) == 1


async def test_a_lost_trade_is_a_hole_and_can_be_had_again(simulator: Simulator, client: Client) -> None:
    """Ids count by one; what is missing is the reply to the request for it, in order."""
    await client.open([Stream("trade", "BTC-USDT")])
    await simulator.step(300)
    await simulator.inject(Fault("drop", "okx", symbol="BTC-USDT", channel="trades-all", count=1))
    await simulator.step(600)
    await client.settle()
    made = client.made()
    assert findings(client, "trade", made, "BTC-USDT").count(Finding.HOLE) == 1
    ids = [fields["sequence"] for _, fields in made]
    (missing,) = set(range(ids[0], ids[-1] + 1)) - set(ids)
    request = client.dialect.trades_request("BTC-USDT", missing, None)
    assert request is not None
    found = [fields["sequence"] for _, fields in await client.reply(request)]
    assert found == sorted(found)
    assert missing in found


async def test_a_quiet_minute_is_told_and_breaks_nothing(simulator: Simulator, client: Client) -> None:
    """After a minute without a change a book says so under the same id, and a quote is said again."""
    await client.open([Stream("book", "BTC-USDT"), Stream("quote", "BTC-USDT")])
    await simulator.pause()
    await client.settle()
    before = client.made()
    simulator.market.skip(61_000_000)
    venue = simulator.venues["okx"]
    venue.on_time(simulator.market.time_us + 61_000_000)
    venue.flush()
    await client.settle()
    after = client.made()
    deltas = [one for one in after if one.event == "book_delta"]
    assert [(one.fields["bid_prices"], one.fields["ask_prices"]) for one in deltas] == [([], [])]
    assert deltas[0].fields["previous_sequence"] == deltas[0].fields["last_sequence"]
    assert [one.event for one in after].count("quote") == 1
    books = [one for one in before + after if one.event == "book_delta"]
    assert set(findings(client, "book", books, "BTC-USDT")) == {Finding.NEXT}


async def test_an_end_is_announced(simulator: Simulator, client: Client) -> None:
    """A minute before: the client is told that the connection ends, and the venue's word is an event."""
    await client.open([Stream("trade", "BTC-USDT")])
    client.made()
    await simulator.inject(Fault("shutdown", "okx"))
    await client.settle()
    (notice,) = client.made()
    assert (notice.event, notice.fields["scope"]) == ("venue_status", "connection")
    assert client.dialect.session().hear(client.said[-1]).closing


@pytest.mark.parametrize(
    ("path", "argument"),
    [
        ("public", {"channel": "trades-all", "instId": "BTC-USDT"}),
        ("business", {"channel": "books", "instId": "BTC-USDT"}),
        ("public", {"channel": "books", "instId": "NO-SUCH"}),
        ("public", {"channel": "funding-rate", "instId": "BTC-USDT"}),
        ("public", {"channel": "astrology"}),
    ],
)
async def test_what_a_socket_has_not_is_refused_and_the_rest_is_confirmed(
    simulator: Simulator, client: Client, path: str, argument: dict[str, str]
) -> None:
    """By itself: what stands beside it in the request is confirmed."""
    good = {"channel": "status"} if path == "public" else {"channel": "trades-all", "instId": "BTC-USDT"}
    stream = Stream("venue_status", "") if path == "public" else Stream("trade", "BTC-USDT")
    await client.open([stream])
    before = len(client.said)
    await client.say(client.lines[0], orjson.dumps({"id": "9", "op": "subscribe", "args": [argument, good]}))
    await client.settle()
    while len(client.said) < before + 2:
        await client.receive(client.lines[0])
    answers = [orjson.loads(said) for said in client.said[before:]]
    assert answers[0]["code"] == "60018"
    assert (answers[0]["id"], answers[1]["event"], answers[1]["arg"]) == ("9", "subscribe", good)


@pytest.mark.parametrize("text", ["{", "[]", '{"op":"dance"}', '{"op":"subscribe","args":"all"}', '{"op":"subscribe","args":[7]}'])
async def test_nonsense_is_an_invalid_request(simulator: Simulator, client: Client, text: str) -> None:
    """Any text has an answer."""
    await client.open([Stream("venue_status", "")])
    before = len(client.said)
    await client.say(client.lines[0], text.encode())
    while len(client.said) < before + 1:
        await client.receive(client.lines[0])
    assert orjson.loads(client.said[-1])["code"] == "60012"


async def test_candles_are_the_tapes(simulator: Simulator, client: Client) -> None:
    """Prices and volumes of each minute, in contracts, base and quote; the last is open."""
    simulator.market.skip(59_000_000)
    await simulator.step(400)
    simulator.market.skip(30_000_000)
    await simulator.step(400)
    for symbol, listing in client.listings.items():
        (poll,) = client.dialect.polls([Stream("kline", symbol)])
        made = [one.fields for one in await client.reply(poll.request)]
        tape = simulator.truth.tape("okx", listing.instrument.symbol).trades()
        wanted = candles(listing.instrument, tape, "1m")[::-1]
        assert [one["open_time"] for one in made] == [one.open_time for one in wanted]
        assert [decimal(from_bytes(one["high"])) for one in made] == [one.high for one in wanted]
        for found, one in zip(made, wanted, strict=True):
            assert abs(decimal(from_bytes(found["base_volume"])) - one.volume) < decimal(10**12)
            assert abs(decimal(from_bytes(found["quote_volume"])) - one.quote_volume) < decimal(10**12)
        assert [one["closed"] for one in made] == [False] + [True] * (len(made) - 1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v5/public/instruments?instType=STARS", "51000"),
        ("/api/v5/public/instruments?instType=OPTION", "50014"),
        ("/api/v5/public/instruments?instType=SWAP&instId=NO-SUCH-SWAP", "51001"),
        ("/api/v5/market/history-trades?instId=NO-SUCH", "51001"),
        ("/api/v5/market/history-trades?instId=BTC-USDT&after=x", "51000"),
        ("/api/v5/market/candles?instId=BTC-USDT&bar=7m", "51000"),
        ("/api/v5/rubik/stat/taker-volume-contract?instId=BTC-USDT&period=5m", "51001"),
    ],
)
async def test_requests_that_are_wrong_are_refused_for_good(simulator: Simulator, client: Client, path: str, code: str) -> None:
    """In words that last."""
    refusal = client.dialect.refusal(*await client.ask(Request("GET", path)))
    assert refusal is not None
    assert (refusal.again, f"(code {code})" in refusal.words) == (None, True)
