"""What every simulated venue promises: it understands its dialect and says the truth of the market. A new venue needs no test."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import pytest

from dialects.catalogue import all_dialects
from dialects.continuity import Kind
from dialects.contract import DecodedEvent, Fields, Request
from dialects.stream import Stream
from schemas.catalogue import event
from schemas.codec import Codec
from schemas.decimals import encode, from_bytes
from schemas.errors import InvalidDatum
from simulator.catalogue import all_venues
from simulator.faults import Fault
from simulator.market import Trade
from simulator.server import Simulator, SimulatorSettings
from tests.dialects.recorded import whole
from tests.dialects.test_full_recordings import Book
from tests.simulator.dialect_client import Client, client_of

VENUES = [name for name in all_venues() if name in all_dialects()]
BASES = ("BTC", "XRP")
UNLIMITED = 10**9
STRETCH, MOST_STRETCHES = 300, 20
"""Steps of the market, and how often so many: the rarest of what a venue says comes within them."""
SHOWN = 10
"""Levels compared."""
pytestmark = pytest.mark.parametrize("venue", VENUES)


@pytest.fixture
async def simulator(venue: str) -> AsyncIterator[Simulator]:
    """Start the venue alone, standing still."""
    async with Simulator(SimulatorSettings(seed=3, venues=(venue,), bases=BASES, levels=200)) as started:
        yield started


@pytest.fixture
async def client(simulator: Simulator, venue: str) -> AsyncIterator[Client]:
    """Give a client of it that speaks the dialect."""
    async with client_of(simulator, venue) as made:
        yield made


async def moved(simulator: Simulator, client: Client, steps: int) -> list[DecodedEvent]:
    """Return the events of everything that is said while the market makes some steps."""
    client.made()
    await simulator.step(steps)
    await simulator.pause()
    await client.settle()
    return client.made()


def by_symbol(made: Sequence[DecodedEvent], name: str) -> dict[str, list[Fields]]:
    """Return the events of a name by their symbol."""
    found: dict[str, list[Fields]] = defaultdict(list)
    for one in made:
        if one.event == name:
            found[one.fields["symbol"]].append(one.fields)
    return found


def amounts(client: Client, symbol: str, *numbers: tuple[int, int]) -> list[tuple[bytes, bytes]]:
    """Return prices and sizes of the market as an event has them."""
    instrument = client.listings[symbol].instrument
    price, size = instrument.price_writer(), instrument.size_writer()
    return [(encode(price(at)), encode(size(amount))) for at, amount in numbers]


def assert_same_trades(client: Client, symbol: str, found: Sequence[Fields], tape: Sequence[Trade]) -> None:
    """Every trade of the tape is there once, in order, with its numbers, its taker's side and its time to the millisecond."""
    assert [(one["price"], one["size"]) for one in found] == amounts(client, symbol, *((one.price, one.size) for one in tape))
    assert [one["side"] for one in found] == ["buy" if one.taker_buys else "sell" for one in tape]
    assert [one["event_time"] // 1000 for one in found] == [one.time_ns // 1_000_000 for one in tape]
    assert len({one["trade_id"] for one in found}) == len(tape)
    if any(one.get("sequence") is not None for one in found):
        assert [one["sequence"] for one in found] == [one.trade_id for one in tape]


async def test_every_stream_is_confirmed_and_speaks(simulator: Simulator, client: Client) -> None:
    """Every public channel of every instrument is confirmed, is heard, and becomes events that fit their schemas."""
    streams = client.streams()
    await client.open(streams)
    made, names = client.made(), {name for stream in streams for name in client.dialect.channels[stream.channel].events}
    for _ in range(MOST_STRETCHES):
        made += await moved(simulator, client, STRETCH)
        if client.heard >= set(streams) and {one.event for one in made} >= names:
            break
    assert client.heard >= set(streams)
    assert {one.event for one in made} == names
    codecs = {name: Codec(event(name), 1) for name in names}
    for name, fields in made:
        codecs[name].encode(whole(name, fields))


async def test_trades_are_the_tape(simulator: Simulator, client: Client) -> None:
    """Each trade of the market is said once."""
    await client.open(client.streams(["trade"]))
    found = by_symbol(await moved(simulator, client, 600), "trade")
    assert set(found) == set(client.listings)
    for symbol, listing in client.listings.items():
        instrument = listing.instrument
        assert_same_trades(client, symbol, found[symbol], simulator.truth.tape(instrument.venue, instrument.symbol).trades())


async def test_books_are_the_markets(simulator: Simulator, client: Client) -> None:
    """The snapshot, pushed or asked for, and every change after it give the market's best levels."""
    streams = client.streams(["book"])
    await client.open(streams)
    made = client.made()
    for stream in streams:
        request = client.dialect.snapshot_request(stream)
        made += await client.reply(request) if request is not None else []
    made += await moved(simulator, client, 600)
    deltas, rule = by_symbol(made, "book_delta"), client.dialect.channels["book"].continuity
    assert set(deltas) == set(client.listings)
    for symbol, found in deltas.items():
        assert [one["is_snapshot"] for one in found[:2]] == [True, rule.kind is Kind.WHOLE]
        last, book = -1, Book(UNLIMITED)
        for fields in found:
            sequence = fields.get("last_sequence")
            if sequence is None or fields["is_snapshot"] or sequence > last:
                book.depth = fields.get("depth") or UNLIMITED
                book.apply(fields)
                last = last if sequence is None else sequence
        truth = client.listings[symbol].book
        assert shown(book) == [plain(amounts(client, symbol, *side.top(SHOWN))) for side in (truth.bids, truth.asks)]


def shown(book: Book) -> list[list[tuple[int, int]]]:
    """Return the best levels of each side, best first, in units of 10⁻¹⁸."""
    return [book.bids[: -SHOWN - 1 : -1], [(-price, size) for price, size in book.asks[: -SHOWN - 1 : -1]]]


def plain(levels: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    """Return levels in units of 10⁻¹⁸."""
    return [(from_bytes(price), from_bytes(size)) for price, size in levels]


async def test_the_last_quote_is_the_markets(simulator: Simulator, client: Client) -> None:
    """The last quote said of each instrument is its best bid and ask."""
    await client.open(client.streams(["quote"]))
    found = by_symbol(await moved(simulator, client, 400), "quote")
    assert set(found) == set(client.listings)
    for symbol, quotes in found.items():
        bid, bid_size, ask, ask_size = client.listings[symbol].book.quote()
        names = ("bid_price", "bid_size", "ask_price", "ask_size")
        wanted = [number for level in amounts(client, symbol, (bid, bid_size), (ask, ask_size)) for number in level]
        assert [quotes[-1][name] for name in names] == wanted


async def test_missing_trades_are_answered(simulator: Simulator, client: Client) -> None:
    """Where trades can be asked for by their number, the answer is the tape from there on."""
    await simulator.step(800)
    for symbol, listing in client.listings.items():
        tape = simulator.truth.tape(listing.instrument.venue, listing.instrument.symbol).trades()
        before, *wanted = tape[len(tape) // 2 :]
        request = client.dialect.trades_request(symbol, wanted[0].trade_id, before.time_ns // 1000)
        if not client.dialect.resumable_trades or request is None:
            assert not client.dialect.resumable_trades
            continue
        found = by_symbol(await client.reply(request), "trade")[symbol]
        numbers = {one.trade_id for one in wanted}
        assert_same_trades(client, symbol, [one for one in found if one["sequence"] in numbers], wanted)


async def test_what_is_polled_is_answered(simulator: Simulator, client: Client) -> None:
    """Each request that is to be made again and again is answered, page by page, with the events of its channels."""
    await simulator.step(300)
    channels = client.dialect.channels
    polled = [
        Stream(name, symbol)
        for name, channel in channels.items()
        if channel.every
        for symbol in (client.listings if channel.scope == "symbol" else ("",))
        if client.dialect.has(Stream(name, symbol))
    ]
    for poll in client.dialect.polls(polled):
        names = {name for stream in poll.streams for name in channels[stream.channel].events}
        request: Request | None = client.dialect.as_of(poll.request, simulator.market.time_us)
        found: set[str] = set()
        while request is not None:
            found |= {one.event for one in await client.reply(request)}
            _, _, body = await client.ask(request)
            request = client.dialect.next_page(request, body)
        assert found == names


async def test_one_request_too_many_is_refused_in_its_words(simulator: Simulator, client: Client) -> None:
    """What the venue answers to too many requests is read by its dialect as a limit, and as a time to wait."""
    streams, symbol = client.streams(), next(iter(client.listings))
    asked = [client.dialect.snapshot_request(stream) for stream in streams] + [client.dialect.trades_request(symbol, 1, 1)]
    requests = [request for request in asked if request is not None]
    await simulator.inject(Fault("rate_limit", client.venue.name, count=len(requests)))
    for request in requests:
        refusal = client.dialect.refusal(*await client.ask(request))
        assert refusal is not None
        assert refusal.limited
        assert refusal.again


async def test_what_no_dialect_knows_is_refused(simulator: Simulator, client: Client) -> None:
    """A message of a type nobody has documented is no event and no silence: it is refused, whole."""
    await client.open(client.streams(["trade"]))
    client.made()
    await simulator.inject(Fault("unknown", client.venue.name, channel=None, count=1))
    await simulator.step(200)
    await client.settle()
    with pytest.raises(InvalidDatum):
        client.made()


async def test_what_is_given_up_is_not_said(simulator: Simulator, client: Client) -> None:
    """Once every stream has been given up, the market moves and nothing more of it is heard."""
    streams = client.streams()
    await client.open(streams)
    await client.give_up()
    await client.settle()
    client.heard.clear()
    await simulator.step(500)
    await simulator.pause()
    await client.settle()
    assert not client.heard


async def test_a_ping_is_answered(client: Client) -> None:
    """Where the venue wants pings of its own it answers each, and the answer is no event."""
    await client.open(client.streams(["trade"]))
    client.made()
    if not await client.ping():
        assert not client.dialect.limits.ping_every
        return
    await client.settle()
    assert client.made() == []
    assert not client.refused


async def test_the_rate_is_about_what_was_asked(venue: str) -> None:
    """A client of trades, books and quotes gets about as many frames in a stretch of market time as were asked for."""
    settings = SimulatorSettings(venues=(venue,), bases=BASES, rate=500.0, levels=200)
    async with Simulator(settings) as simulator, client_of(simulator, venue) as client:
        await client.open(client.streams(["trade", "book", "quote"]))
        before, start = len(client.said), simulator.market.time_us
        await simulator.step(3000)
        await client.settle()
        seconds = (simulator.market.time_us - start) / 1_000_000
        assert (len(client.said) - before) / seconds == pytest.approx(500, rel=0.15)
