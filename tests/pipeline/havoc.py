"""Break one part after the other under load, and what that cost: trades lost or twice, seconds to recover."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field

from simulator.server import Simulator
from tests.pipeline.harness import SERVERS, Pipeline
from tests.pipeline.ledger import Symbol, made, stored, stored_trades, true_trades
from tests.tolls import Toll
from topology.clock import now
from topology.flow import stages
from topology.lag import Offsets, Place
from topology.settings import Kafka
from topology.topics import all_topics

STEPS, EVERY_SECONDS = 10, 0.05
SECONDS_TO_CATCH_UP = 180


@dataclass
class Blow:
    """One part broken once. Times in microseconds since 1970 UTC; `seconds`: from the mend until all made before it had arrived.

    `after` and `until` are the next trade ids of each symbol when it was struck and when it was over; `what` is its row of the table.
    """

    part: str
    after: dict[Symbol, int]
    struck_at: int
    what: str = ""
    mended_at: int = 0
    over_at: int = 0
    until: dict[Symbol, int] = field(default_factory=dict)
    seconds: float = 0.0
    lost: int = 0
    twice: int = 0
    invented: int | None = None
    restarts: int | None = None


@contextlib.asynccontextmanager
async def load(simulator: Simulator) -> AsyncIterator[None]:
    """Let the market move on, evenly, as long as the block lasts."""

    async def move() -> None:
        while True:
            await simulator.step(STEPS)
            await asyncio.sleep(EVERY_SECONDS)

    moving = asyncio.create_task(move())
    try:
        yield
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)


@dataclass
class Havoc:
    """Blows to one pipeline. `judged`: the venues whose trades must be right, where not all of them must."""

    simulator: Simulator
    pipeline: Pipeline
    away_seconds: float = 1.0
    blows: list[Blow] = field(default_factory=list)
    judged: Collection[str] = ()

    async def strike(self, part: str, *, recover: bool) -> Blow:
        """Kill a part, let the market go on without it, start it again; where asked, wait until everything has caught up."""
        if part in SERVERS:
            # A stage that finds no broker when it starts ends, for whoever started it to start it again.
            await self.pipeline.ready(self.pipeline.stages)

        @contextlib.asynccontextmanager
        async def killed() -> AsyncIterator[None]:
            await self.pipeline.strike(part)
            yield
            await self.pipeline.mend(part)

        return await self.break_with(
            f"kill -9 of {'the ' if part in SERVERS else 'stage '}{part}", part, killed(), self.away_seconds, recover=recover
        )

    async def break_with(
        self, what: str, part: str, broken: contextlib.AbstractAsyncContextManager[None], seconds: float, *, recover: bool = True
    ) -> Blow:
        """Let a part be broken for some seconds with the market going on, mend it; where asked, wait until everything has caught up."""
        blow = Blow(part, self._next_ids(), now(), what)
        self.blows.append(blow)
        async with broken:
            await asyncio.sleep(seconds)
            blow.mended_at = now()
        if recover:
            await self.caught_up(blow)
        blow.over_at, blow.until = now(), self._next_ids()
        return blow

    async def caught_up(self, blow: Blow, seconds: float = SECONDS_TO_CATCH_UP) -> None:
        """Wait until every stage is ready and has read, and ClickHouse holds, all that was there when this was called."""
        await self.pipeline.ready(self.pipeline.stages, seconds)
        offsets = Offsets(Kafka(brokers=self.pipeline.stack.addresses.kafka))
        try:
            before = made(self.simulator)
            ends = await self.pipeline.until(lambda: offsets.ends(offsets.partitions(self._topics())), "the broker says where its logs end")
            await self.pipeline.until(lambda: self._arrived(offsets, ends, before), f"{blow.what} is made up for", seconds)
            blow.seconds = (now() - blow.mended_at) / 1_000_000
        finally:
            await asyncio.to_thread(offsets.close)

    def _next_ids(self) -> dict[Symbol, int]:
        tapes = self.simulator.truth.tapes
        return {
            (venue, listing.instrument.wire_symbol): tapes[venue, name].next_trade_id
            for (venue, name), listing in self.simulator.market.listings.items()
        }

    def _topics(self) -> list[str]:
        return [name for stage in stages().values() for name in _topics_of(stage.reads)]

    def _arrived(self, offsets: Offsets, ends: dict[Place, int], trades: int) -> bool:
        behind = sum(
            offsets.lag(stage.consumer_group, _topics_of(stage.reads), ends)
            for stage in stages().values()
            if not stage.per_venue and self.pipeline.carries(stage.name)
        )
        return behind == 0 and stored(self.pipeline) >= trades

    def judge(self) -> None:
        """Blame every trade that is lost or twice on the blow it came after; call it at the end, with the market still."""
        truth, found = true_trades(self.simulator, self.judged), stored_trades(self.pipeline)
        for key, trades in truth.items():
            counts = Counter(found.get(key, []))
            for trade in trades:
                blow = next((one for one in reversed(self.blows) if one.after[key] <= int(trade.trade_id)), self.blows[0])
                blow.lost += counts[trade] == 0
                blow.twice += max(0, counts[trade] - 1)


def _topics_of(names: Iterable[str]) -> list[str]:
    return [topic for topic, event in all_topics().items() if event.name in set(names)]


def tolls(blows: Iterable[Blow]) -> list[Toll]:
    """Return what each part that was broken cost, for the table of tests/tolls.py."""
    by_what: dict[str, list[Blow]] = {}
    for blow in blows:
        by_what.setdefault(blow.what, []).append(blow)
    return [
        Toll(
            what,
            len(of_part),
            sum(blow.lost for blow in of_part),
            sum(blow.twice for blow in of_part),
            [blow.seconds for blow in of_part if blow.seconds],
            invented=_sum(blow.invented for blow in of_part),
            restarts=_sum(blow.restarts for blow in of_part),
        )
        for what, of_part in by_what.items()
    ]


def _sum(numbers: Iterable[int | None]) -> int | None:
    counted = [number for number in numbers if number is not None]
    return sum(counted) if counted else None
