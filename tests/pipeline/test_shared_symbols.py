"""Producers that share two venues' symbols, under load: one is killed, one stands still, and every trade is there once all the same."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from local import LocalStack
from simulator.server import Simulator
from tests.pipeline.harness import PRODUCERS, STAGES, Pipeline, settings
from tests.pipeline.havoc import load
from tests.pipeline.ledger import everything_is_read, gaps, made, stored, stored_trades, true_trades
from tests.pipeline.test_kills import NO_SILENCE, all_are_closed

BASES = ("BTC", "ETH", "SOL", "LTC", "XRP", "ADA", "DOT", "LINK")


def carried(simulator: Simulator, venue: str) -> list[frozenset[str]]:
    """Return the streams of each open connection, without what each of them carries."""
    found = (frozenset(one for one in each.streams if "instrument" not in one) for each in simulator.venues[venue].connections.values())
    return [some for some in found if some]


def shared_by(simulator: Simulator, number: int, whole: int = 3 * len(BASES)) -> bool:
    """Whether so many producers hear each stream of both venues once between them, each of them some."""
    for venue in PRODUCERS:
        each = carried(simulator, venue)
        heard = Counter(stream for some in each for stream in some)
        if len(each) != number or len(heard) != whole or set(heard.values()) != {1}:
            return False
    return True


@pytest.mark.timeout(600)
async def test_what_one_leaves_the_others_hear_and_mend(tmp_path: Path, stack: LocalStack) -> None:
    """The hole that a killed producer leaves is told and filled; one that stood still costs no trade either, and nothing is there twice."""
    others = [stage for stage in STAGES if stage not in PRODUCERS]
    async with (
        Simulator(settings(bases=BASES, rate=400.0)) as simulator,
        Pipeline(tmp_path, simulator, others, stack=stack, environment=NO_SILENCE) as pipeline,
    ):

        def start(name: str) -> None:
            environment = {"TIDEWIRE_STATE_DIR": str(tmp_path / f"state-{name}"), "TIDEWIRE_PRODUCER__SHARED": "true"}
            pipeline.start_as(name, ("producers", *PRODUCERS), environment)

        start("a")
        start("b")
        await pipeline.until(lambda: shared_by(simulator, 2), "two share the symbols")
        async with load(simulator):
            await pipeline.until(lambda: stored(pipeline) > 200, "the market flows")
            before = {venue: carried(simulator, venue) for venue in PRODUCERS}
            await asyncio.to_thread(pipeline.kill, "b")
            await pipeline.until(lambda: shared_by(simulator, 1), "the other has taken over")
            await pipeline.until(lambda: told(pipeline, before), "what nobody heard is told")

            start("c")
            await pipeline.until(lambda: shared_by(simulator, 2), "a third shares them")
            pipeline.processes["a"].send_signal(signal.SIGSTOP)
            whole = 3 * len(BASES)
            await pipeline.until(lambda: all(max(map(len, carried(simulator, one))) == whole for one in PRODUCERS), "all are taken over")
            pipeline.processes["a"].send_signal(signal.SIGCONT)
            await pipeline.until(lambda: shared_by(simulator, 2), "who stood still has let go, and shares again")
        await simulator.step(200)
        await simulator.pause()
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), "every trade is there, the missed ones too")
        await everything_is_read(pipeline)
        await pipeline.until(lambda: all_are_closed(pipeline), "every gap is closed")

        assert stored_trades(pipeline) == true_trades(simulator)
        assert pipeline.query("SELECT * FROM dead_letters FINAL") == []
        assert {gap.cause for gap in gaps(pipeline)} == {"reconnect"}
        assert {gap.state for gap in gaps(pipeline) if gap.channel != "quote"} == {"filled"}
        assert any(gap.channel == "trade" for gap in gaps(pipeline))


def told(pipeline: Pipeline, before: dict[str, list[frozenset[str]]]) -> bool:
    """Whether the time away is told of every stream of quotes that one of the connections carried."""
    absent = {(gap.venue, gap.symbol) for gap in gaps(pipeline) if gap.channel == "quote"}
    for venue, each in before.items():
        names = [{stream.split("@")[0].upper() if "@" in stream else stream.split(" ")[1] for stream in some} for some in each]
        assert any(some <= {symbol for where, symbol in absent if where == venue} for some in names), (absent, names)
    return True
