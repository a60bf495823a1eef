"""From a simulated exchange's socket to a ClickHouse query, every stage its own process."""

from decimal import Decimal
from pathlib import Path

from simulator.server import Simulator
from tests.pipeline.harness import Pipeline, settings


def rows_of(pipeline: Pipeline) -> dict[tuple[str, str], list[tuple[str, Decimal, Decimal, str, int]]]:
    """Return the trades in ClickHouse as the truth gives them."""
    found: dict[tuple[str, str], list[tuple[str, Decimal, Decimal, str, int]]] = {}
    for venue, symbol, *rest in pipeline.query(
        "SELECT venue, symbol, trade_id, price, size, toString(side), toUnixTimestamp64Micro(assumeNotNull(event_time)) "
        "FROM trades FINAL ORDER BY venue, symbol, toUInt64(trade_id)"
    ):
        found.setdefault((venue, symbol), []).append(tuple(rest))
    return found


async def test_every_trade_arrives_exactly(tmp_path: Path) -> None:
    """Each trade made is in ClickHouse once, digit for digit, marked simulated; nothing is refused and no gap invented."""
    async with (
        Simulator(settings()) as simulator,
        Pipeline(tmp_path, simulator) as pipeline,
    ):
        await simulator.step(3000)
        await simulator.pause()
        truth = {
            key: [(one[0], Decimal(one[1]), Decimal(one[2]), one[3], one[4]) for one in made]
            for key, made in pipeline.true_trades().items()
        }
        total = sum(map(len, truth.values()))

        await pipeline.until(lambda: sum(map(len, rows_of(pipeline).values())) >= total, f"{total} trades are in ClickHouse", 60)

        assert truth == rows_of(pipeline)
        assert pipeline.query("SELECT DISTINCT toString(origin) FROM trades") == [("simulated",)]
        assert pipeline.query("SELECT * FROM dead_letters FINAL") == []
        assert pipeline.query("SELECT * FROM gaps FINAL") == []
