"""A pipeline under load, broken in some way and mended: what must be right at the end, whatever it was, and its rows of the table."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from simulator.server import Simulator
from tests import tolls
from tests.pipeline import havoc
from tests.pipeline.harness import PROCESSES, settings
from tests.pipeline.havoc import Blow, Havoc, load
from tests.pipeline.ledger import (
    Candle,
    Gap,
    Symbol,
    everything_is_read,
    gaps,
    made,
    stored,
    stored_candles,
    stored_trades,
    true_candles,
    true_trades,
)
from tests.pipeline.supervised import SupervisedPipeline

SLOW = {"rate": 200.0}
"""Frames per second of market time: a minute of steps is many minutes of the market."""
ENVIRONMENT = {
    "TIDEWIRE_PRODUCER__SILENCE_SECONDS": json.dumps(dict.fromkeys(("trade", "book", "quote"), 3_600)),
    "RUST_BACKTRACE": "0",
}
"""The market stands still at the end, for as long as a slow machine takes to say all: that is no silence of a stream to be told. A panic
of polars, which every block with rubbish in it is, takes seconds where this asks for its stack."""
CLOSED = {"filled", "unfillable", "closed"}
SECONDS_TO_SETTLE = 240
Record = Callable[[str, object], None]
Cuts = Mapping[str, Sequence[str]]
"""By part, the venues whose connections end where it is broken."""


class Ordeal(Havoc):
    """Blows to a supervised pipeline."""

    pipeline: SupervisedPipeline

    def account(self, cuts: Cuts = MappingProxyType({})) -> list[str]:
        """Blame on the blows what is lost, twice and invented, and stages that ended; return in words what is invented."""
        for blow in self.blows:
            blow.lost = blow.twice = blow.invented = blow.restarts = 0
        self.judge()
        told: list[str] = []
        truth = true_trades(self.simulator, self.judged)
        for key, trades in stored_trades(self.pipeline).items():
            if key in truth:
                told += [self._blame(f"{trade} of {key} was never made") for trade in set(trades) - set(truth[key])]
        told += [
            self._blame(f"{gap} follows from nothing", gap.until or gap.since)
            for gap in gaps(self.pipeline)
            if (gap.venue, gap.symbol) in truth and not explained(gap, self.blows, cuts)
        ]
        for words in wrong_candles(self.pipeline, truth):
            told.append(self._blame(words))
        for end in self.pipeline.ends:
            blow = self._at(end.at)
            blow.restarts = (blow.restarts or 0) + 1
        return told

    def _at(self, at: int | None) -> Blow:
        return next((one for one in reversed(self.blows) if at is not None and one.struck_at <= at), self.blows[-1])

    def _blame(self, words: str, at: int | None = None) -> str:
        blow = self._at(at)
        blow.invented = (blow.invented or 0) + 1
        return words


def explained(gap: Gap, blows: Iterable[Blow], cuts: Cuts) -> bool:
    """Whether a gap is one that a cut connection leaves while a part was broken: of that time, and closed as it can be."""
    if gap.cause != "reconnect" or gap.state not in CLOSED or (gap.channel != "quote" and gap.state != "filled"):
        return False
    for blow in blows:
        if gap.venue not in cuts.get(blow.part, ()):
            continue
        if gap.channel == "trade" and gap.first is not None and gap.last is not None:
            key = (gap.venue, gap.symbol)
            if gap.last + 1 >= blow.after[key] and gap.first <= blow.until.get(key, gap.first):
                return True
        elif gap.since is not None and gap.until is not None and gap.since <= blow.over_at and gap.until >= blow.struck_at:
            return True
        elif gap.first is not None:
            return True  # of a book: its ids are no time
    return False


def wrong_candles(pipeline: SupervisedPipeline, truth: Mapping[Symbol, Sequence[object]]) -> list[str]:
    """Return in words the candles that are not the truth's, in their last state."""
    found, told = stored_candles(pipeline, ("final", "revised", "provisional")), []
    for key, trades in truth.items():
        wanted = true_candles(trades)  # type: ignore[arg-type]  # Trade, of the same file
        there: dict[tuple[str, int], Candle] = found.get(key, {})
        told += [
            f"candle {name} of {key}: {there.get(name)} for {wanted.get(name)}"
            for name in sorted(wanted.keys() | there.keys())
            if wanted.get(name) != there.get(name)
        ]
    return told


def last_words(pipeline: SupervisedPipeline) -> str:
    """Return what ended, how often, and what each said last."""
    return "\n".join(f"{end.stage} ended with {end.code}: {end.words}" for end in pipeline.ends)


@contextlib.asynccontextmanager
async def ordeal(
    directory: Path,
    record: Record,
    *,
    cuts: Cuts = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
    revives: bool = False,
    letters: str = "0",
    simulator: Simulator | None = None,
    stages: Sequence[str] = tuple(PROCESSES),
    seconds: float = SECONDS_TO_SETTLE,
    judged: Collection[str] = (),
) -> AsyncIterator[Ordeal]:
    """Give a pipeline under load to be broken; afterwards nothing is lost, twice or invented, every gap is closed, every stage is ready.

    `letters`: SQL that says of a dead letter that it is right; `seconds`: how long all may take to arrive; `simulator`: a market of the
    caller's own, which follows the clock where it was made to run; `judged`: see Havoc.
    """
    async with contextlib.AsyncExitStack() as stack:
        market = await stack.enter_async_context(simulator or Simulator(settings(**SLOW)))
        runs = market.running
        await market.pause()  # what is made before anybody listens is nobody's to store
        made_of = SupervisedPipeline(directory, market, revives=revives, environment={**ENVIRONMENT, **environment}, stages=stages)
        pipeline = await stack.enter_async_context(made_of)
        trial = Ordeal(market, pipeline, judged=judged)
        async with running(market) if runs else load(market):
            await pipeline.until(lambda: stored(pipeline) >= 10, "the market flows")
            yield trial
        if not runs:
            await market.step(200)
        await market.pause()
        invented: list[str] = []
        try:
            await settled(market, pipeline, seconds, judged)
        finally:
            with contextlib.suppress(AssertionError):  # what is not right is told below
                await pipeline.until(lambda: not trial.account(cuts), "the candles are those of the truth", 60)
            invented = trial.account(cuts)
            tolls.record(record, havoc.tolls(trial.blows))
        refused = pipeline.query(f"SELECT stage, topic, reason FROM dead_letters FINAL WHERE NOT ({letters}) LIMIT 20")
        print(last_words(pipeline))
        assert not invented, "\n".join(invented[:20]) + "\n" + last_words(pipeline)
        assert refused == [], refused
        assert (sum(blow.lost for blow in trial.blows), sum(blow.twice for blow in trial.blows)) == (0, 0), last_words(pipeline)


@contextlib.asynccontextmanager
async def running(simulator: Simulator) -> AsyncIterator[None]:
    """Let the market follow the clock as long as the block lasts."""
    simulator.resume()
    try:
        yield
    finally:
        await simulator.pause()


async def settled(simulator: Simulator, pipeline: SupervisedPipeline, seconds: float, judged: Collection[str] = ()) -> None:
    """Wait until every trade is there, everything is read, and every gap is closed."""
    await pipeline.ready(pipeline.stages, seconds)
    await pipeline.until(lambda: stored(pipeline) >= made(simulator), f"{made(simulator)} trades are in ClickHouse", seconds)
    await pipeline.until(lambda: all_are_closed(simulator, pipeline, judged), "every gap is closed", seconds)
    await everything_is_read(pipeline, seconds)


def all_are_closed(simulator: Simulator, pipeline: SupervisedPipeline, judged: Collection[str] = ()) -> bool:
    """Return True where every gap of the market's symbols has come to its end; AssertionError shows those that have not."""
    symbols = true_trades(simulator, judged).keys()
    left = [gap for gap in gaps(pipeline) if (gap.venue, gap.symbol) in symbols and gap.state not in CLOSED]
    assert not left, left
    return True
