"""Kill -9 of every stage and every server under load: nothing is lost, nothing is twice, and no hole is invented."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from simulator.server import Simulator
from tests import tolls
from tests.pipeline import havoc
from tests.pipeline.harness import PROCESSES, PRODUCERS, STAGES, Pipeline, settings
from tests.pipeline.havoc import Blow, Havoc, load
from tests.pipeline.ledger import Gap, candles_are, everything_is_read, gaps, made, stored, stored_trades, true_candles, true_trades

SERVERS = ("broker", "schema registry", "database")
SLOW = {"rate": 200.0}
"""Frames per second of market time: a minute of steps is many minutes of the market."""
NO_SILENCE = {"TIDEWIRE_PRODUCER__SILENCE_SECONDS": json.dumps(dict.fromkeys(("trade", "book", "quote"), 3_600))}
"""The market stands still at the end, for as long as a slow machine takes to say all: that is no silence of a stream to be told."""


@pytest.mark.parametrize(
    ("rounds", "stages", "servers"),
    [
        pytest.param(1, tuple(PROCESSES), ("broker",), marks=pytest.mark.timeout(600), id="each-process-and-the-broker"),
        pytest.param(4, tuple(STAGES), SERVERS, marks=[pytest.mark.chaos, pytest.mark.timeout(3000)], id="chaos"),
        pytest.param(4, tuple(PROCESSES), SERVERS, marks=[pytest.mark.chaos, pytest.mark.timeout(3000)], id="chaos-hosted"),
    ],
)
async def test_whatever_is_killed_every_trade_is_there_once(
    tmp_path: Path, record_property: Callable[[str, object], None], rounds: int, stages: tuple[str, ...], servers: tuple[str, ...]
) -> None:
    """Every trade is in ClickHouse once, every candle is the truth's, every gap is explained by a kill of its producer."""
    chance, parts = random.Random(rounds), (*stages, *servers)
    async with Simulator(settings(**SLOW)) as simulator, Pipeline(tmp_path, simulator, stages, environment=NO_SILENCE) as pipeline:
        chaos = Havoc(simulator, pipeline)
        await simulator.step(200)
        await pipeline.until(
            lambda: stored(pipeline) >= made(simulator), "the market flows"
        )  # a first frame has to be delivered to be missed
        async with load(simulator):
            for number in range(rounds):
                order = parts if rounds == 1 else chance.sample(parts, len(parts))
                for part in order:
                    # The last of a round may be the first of the next: killed before it is connected, it would be away once, and not twice.
                    recovers = number > 0 or part == order[-1] or chance.random() < 2 / 3
                    await chaos.strike(part, recover=rounds > 1 and recovers)
        await simulator.step(200)
        await simulator.pause()
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), f"{made(simulator)} trades are in ClickHouse")
        truth = true_trades(simulator)
        candles = {key: true_candles(trades) for key, trades in truth.items()}
        await pipeline.until(lambda: candles_are(pipeline, candles), "the candles are those of the truth")
        await pipeline.ready(pipeline.stages)  # each stream has said since when it was away
        await everything_is_read(pipeline)
        await pipeline.until(lambda: all_are_closed(pipeline), "every gap is closed")
        kills = sum(blow.part in PRODUCERS for blow in chaos.blows)
        away = kills * len(truth) // len(PRODUCERS)
        await pipeline.until(lambda: absences(pipeline) == away, f"{away} streams of quotes have said since when they were away")
        chaos.judge()
        tolls.record(record_property, havoc.tolls(chaos.blows))

        assert stored_trades(pipeline) == truth
        assert pipeline.query("SELECT * FROM dead_letters FINAL") == []
        for gap in gaps(pipeline):
            assert explained(gap, chaos.blows), f"{gap} follows from none of {chaos.blows}"


def all_are_closed(pipeline: Pipeline) -> bool:
    """Return True where every gap has come to its end; AssertionError shows those that have not."""
    left = [gap for gap in gaps(pipeline) if gap.state in {"open", "filling"}]
    assert not left, left
    return True


def absences(pipeline: Pipeline) -> int:
    """Return how many gaps of quotes are told."""
    return sum(gap.channel == "quote" for gap in gaps(pipeline))


def explained(gap: Gap, blows: Sequence[Blow]) -> bool:
    """Whether a gap is one that a kill of its venue's producer leaves: of that time, by its cause, closed as it can be."""
    if gap.cause != "reconnect":
        return False
    if gap.state != ("unfillable" if gap.channel == "quote" else "filled"):
        return False
    for blow in blows:
        if blow.part != gap.venue:
            continue
        if gap.channel == "trade" and gap.first is not None and gap.last is not None:
            # The last frames before the kill may not have been delivered yet.
            if gap.first <= blow.after[gap.venue, gap.symbol] + 1 <= gap.last + 1:
                return True
        # What came while it was being killed, after the time was noted, was heard.
        elif gap.first is not None or (
            gap.since is not None and gap.until is not None and gap.since <= blow.mended_at and blow.struck_at < gap.until
        ):
            return True
    return False
