"""From a simulated exchange's socket to a ClickHouse query, every stage its own process, the venues in one."""

from pathlib import Path

from local import LocalStack
from simulator.server import Simulator
from tests.pipeline.harness import TOGETHER, Pipeline, settings
from tests.pipeline.ledger import made, stored, stored_trades, true_trades


async def test_every_trade_arrives_exactly(tmp_path: Path, stack: LocalStack) -> None:
    """Each trade made is in ClickHouse once, digit for digit, marked simulated; nothing is refused and no gap invented."""
    async with (
        Simulator(settings()) as simulator,
        Pipeline(tmp_path, simulator, tuple(TOGETHER), stack=stack, counted=True) as pipeline,
    ):
        await simulator.step(3000)
        await simulator.pause()

        await pipeline.until(lambda: stored(pipeline) >= made(simulator), f"{made(simulator)} trades are in ClickHouse")

        assert stored_trades(pipeline) == true_trades(simulator)
        assert pipeline.query("SELECT DISTINCT toString(origin) FROM trades") == [("simulated",)]
        assert pipeline.query("SELECT * FROM dead_letters FINAL") == []
        assert pipeline.query("SELECT * FROM gaps FINAL") == []
