"""Every fault of the simulated venues ends in the gaps it must, with range and cause, and in no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import LocalStack
from simulator.faults import Fault, Injection
from simulator.server import Simulator
from tests.pipeline.harness import PRODUCERS, STAGES, Pipeline, settings
from tests.pipeline.havoc import load
from tests.pipeline.ledger import Gap, gaps, made, stored, stored_trades, true_trades
from tests.pipeline.raw import Raw, binance_trade, frame

SILENCE_SECONDS = 8
BINANCE, KRAKEN = "binance", "kraken"
CHANNELS = {"trade": "trade", "depth@100ms": "book", "bookTicker": "quote", "book": "book", "ticker": "quote"}

HOLES = (
    Fault("drop", BINANCE, "BTC/USDT", "trade", count=3),
    Fault("drop", BINANCE, "BTC/USDT", "depth"),
    Fault("malformed", BINANCE, "LTC/USDT", "trade"),
    Fault("malformed", BINANCE, "ETH/USDT", "depth"),
    Fault("drop", KRAKEN, "BTC/USD", "trade", count=2),
    Fault("drop", KRAKEN, "BTC/USD", "book", count=10),
    Fault("malformed", KRAKEN, "SOL/USD", "trade"),
    Fault("bad_checksum", KRAKEN, "ETH/USD", "book"),
)
"""After these something is missing, or cannot be trusted."""
HARMLESS = (
    Fault("duplicate", BINANCE, "ETH/USDT", "trade", count=2),
    Fault("duplicate", BINANCE, "LTC/USDT", "depth", count=2),
    Fault("reorder", BINANCE, "SOL/USDT", "trade"),
    Fault("reorder", BINANCE, "SOL/USDT", "depth"),
    Fault("unknown", BINANCE, "SOL/USDT", "bookTicker"),
    Fault("giant", BINANCE, "LTC/USDT", "depth", levels=20_000),
    Fault("clock_skew", BINANCE, "LTC/USDT", "bookTicker", seconds=-30),
    Fault("duplicate", KRAKEN, "ETH/USD", "trade", count=2),
    Fault("reorder", KRAKEN, "LTC/USD", "trade"),
    Fault("duplicate", KRAKEN, "SOL/USD", "book", count=2),
    Fault("giant", KRAKEN, "LTC/USD", "book", levels=20_000),
    Fault("clock_skew", KRAKEN, "ETH/USD", "trade", seconds=1),
)
"""After these nothing is."""


@pytest.mark.timeout(600)
async def test_every_hole_is_told_and_no_other(tmp_path: Path, stack: LocalStack) -> None:
    """Dropped, malformed, silent, spoiled or cut off: the ledger is what the simulator's log says, and what can be filled is."""
    environment = {"TIDEWIRE_PRODUCER__SILENCE_SECONDS": f'{{"quote": {SILENCE_SECONDS}}}'}
    simulated = Simulator(settings(bases=("BTC", "ETH", "SOL", "LTC"), rate=400.0))
    others = [stage for stage in STAGES if stage not in PRODUCERS]
    async with (
        simulated as simulator,
        Pipeline(tmp_path, simulator, others, origin="live", stack=stack, environment=environment) as pipeline,
    ):
        # The producers come last: a market that does not move yet is silent.
        for venue in PRODUCERS:
            pipeline.start(venue)
        await pipeline.ready(PRODUCERS)
        async with load(simulator):
            await pipeline.until(lambda: stored(pipeline) > 200, "the market flows")
            for fault in (*HOLES, *HARMLESS):
                await simulator.inject(fault)
            await pipeline.until(lambda: not simulator.faults.armed(), "every fault has met its messages")
            await pipeline.until(lambda: told(simulator, pipeline), "every hole is told and closed")

            quiet = await simulator.inject(Fault("silent", KRAKEN, "LTC/USD", "ticker"))
            await pipeline.until(lambda: [gap for gap in gaps(pipeline) if gap.cause == "silence"], "the silence is told")
            simulator.faults.clear(quiet.number)
            await pipeline.until(lambda: told(simulator, pipeline), "the silence is over")

            for venue in (BINANCE, KRAKEN):
                await simulator.inject(Fault("refuse", venue, count=3))
                await simulator.inject(Fault("disconnect", venue))
            await pipeline.until(lambda: told(simulator, pipeline), "what was missed between connections is told and closed")
        await simulator.pause()
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), "every trade is there, the missed ones too")
        assert told(simulator, pipeline)

        truth, found = true_trades(simulator), stored_trades(pipeline)
        for key, trades in truth.items():
            assert [one.trade_id for one in found[key]] == [one.trade_id for one in trades]
        origins = pipeline.query("SELECT venue, symbol, sequence, toString(origin) FROM trades FINAL")
        by_rest = {(venue, symbol, number) for venue, symbol, number, origin in origins if origin == "rest"}
        for gap in gaps(pipeline):
            if gap.channel == "trade" and gap.first is not None and gap.last is not None:
                assert {(gap.venue, gap.symbol, number) for number in range(gap.first, gap.last + 1)} <= by_rest
                assert gap.repair is not None
                assert gap.repair.startswith(f"filled from {gap.venue}-")
        reasons = [reason for (reason,) in pipeline.query("SELECT reason FROM dead_letters FINAL WHERE stage = 'normalise'")]
        assert len(reasons) == 4, reasons
        assert sum("unknown message type" in reason for reason in reasons) == 1


def told(simulator: Simulator, pipeline: Pipeline) -> bool:
    """Return True where the ledger is exactly what was injected, each gap closed; AssertionError names what differs."""
    left = gaps(pipeline)
    for wanted, matches in expected(simulator):
        found = [gap for gap in left if matches(gap)]
        assert len(found) == 1, f"{len(found)} gaps for {wanted} among {left}"
        left.remove(found[0])
    assert left == [], f"gaps that nothing explains: {left}"
    return True


class Wanted:
    """A gap that must be there: called with a gap, says whether it is this one, closed as it can be.

    `time` is when the fault was. A checksum shows it then or later: it covers the ten best levels, and a fault may lie deeper.
    """

    def __init__(self, venue: str, symbol: str, channel: str, cause: str, state: str, first: int | None, last: int | None) -> None:
        self.head = (venue, symbol, channel, cause, state, first, last)
        self.time: int | None = None

    def __call__(self, gap: Gap) -> bool:
        """Compare."""
        if gap[:7] != self.head:
            return False
        return self.time is None or (gap.since is not None and gap.until is not None and gap.since < gap.until >= self.time)

    def __repr__(self) -> str:
        return f"{self.head} around {self.time}"


def expected(simulator: Simulator) -> Iterator[tuple[object, Wanted]]:
    """Yield each line of the simulator's log with a gap it must have left."""
    numbers = {fault.number for fault in HOLES}
    for line in simulator.faults.log:
        if line.kind == "disconnect":
            yield from ((line, one) for one in _cut_off(simulator, line))
        elif line.kind == "silent":
            yield from ((line, one) for one in _silent(line, simulator))
        elif line.fault in numbers and (not _is_book_of_kraken(line) or _is_first(line, simulator)):
            yield line, _missed(line, simulator)


def _is_book_of_kraken(line: Injection) -> bool:
    return line.venue == KRAKEN and line.channel == "book"


def _is_first(line: Injection, simulator: Simulator) -> bool:
    """Whether it stands for its fault, where update ids that nobody is sent cut the fault into several lines."""
    return line is next(one for one in simulator.faults.log if one.fault == line.fault)


def _missed(line: Injection, simulator: Simulator) -> Wanted:
    symbol, channel = _symbol(line, simulator), CHANNELS[line.channel or ""]
    if _is_book_of_kraken(line):
        wanted = Wanted(line.venue, symbol, channel, "wire", "filled", None, None)
        wanted.time = line.time_us
        return wanted
    return Wanted(line.venue, symbol, channel, "wire", "filled", line.first, line.last)


def _silent(line: Injection, simulator: Simulator) -> Iterator[Wanted]:
    if _is_first(line, simulator):
        yield Wanted(line.venue, _symbol(line, simulator), CHANNELS[line.channel or ""], "silence", "filled", None, None)


def _symbol(line: Injection, simulator: Simulator) -> str:
    return simulator.market.listing(line.venue, line.symbol or "").instrument.wire_symbol


def _cut_off(simulator: Simulator, line: Injection) -> Iterator[Wanted]:
    """Yield what a lost connection leaves: what is counted tells by its numbers, the rest was away."""
    venue = simulator.venues[line.venue]
    connections = {one.number: one for one in (*venue.closed, *venue.connections.values())}
    (before,) = line.connections
    for (name, _), listing in simulator.market.listings.items():
        if name != line.venue:
            continue
        symbol = listing.instrument.wire_symbol
        counted = {"trade": "trade", "depth@100ms": "book"} if name == BINANCE else {"trade": "trade"}
        for channel, ours in counted.items():
            key = f"{listing.instrument.symbol} {channel}"
            last = connections[before].sent[key].last
            after = connections[before + 1].sent.get(key) if before + 1 in connections else None
            assert after is not None, f"{key}: nothing yet on the next connection"
            if after.first > last + 1:
                yield Wanted(name, symbol, ours, "reconnect", "filled", last + 1, after.first - 1)
        yield Wanted(name, symbol, "quote", "reconnect", "unfillable", None, None)
        if name == KRAKEN:
            yield Wanted(name, symbol, "book", "reconnect", "filled", None, None)


@pytest.mark.asyncio(loop_scope="session")
async def test_our_own_losses_and_a_venue_that_begins_again(fed_by_hand: Pipeline) -> None:
    """A jump of our own counter makes the holes behind it ours; numbers that begin again are the venue's reset, and unfillable."""
    time = 1_700_000_000_000_000
    spans = [(1, 1, 1, "a"), (2, 2, 2, "a"), (5, 9, 3, "a"), (6, 10, 4, "a"), (1, 1, 9_000_000, "b"), (2, 2, 9_000_001, "b")]
    frames = [
        frame("binance", f"binance-own-{connection}", sequence, binance_trade("OWN", number, "1", "1", time + at), time + at)
        for sequence, number, at, connection in spans
    ]
    Raw(fed_by_hand).frames(frames)

    def found() -> list[tuple[str, str, str, int | None, int | None]]:
        rows = fed_by_hand.query(
            "SELECT channel, toString(cause), toString(state), from_sequence, to_sequence FROM gaps FINAL "
            "WHERE symbol = 'OWN' OR connection_id = 'binance-own-a' ORDER BY channel, from_sequence"
        )
        return [tuple(row) for row in rows]

    await fed_by_hand.until(lambda: len(found()) == 3, "three gaps are told")
    assert found() == [
        ("frame", "ours", "unfillable", 3, 4),
        ("trade", "ours", "closed", 3, 8),
        ("trade", "venue_reset", "unfillable", None, None),
    ]
