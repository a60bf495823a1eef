"""Nothing is lost, nothing stands still and every count is exact, whatever happens to the workers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tolls
from tests.processors.engine.transport.broker import Broker
from tests.processors.engine.transport.chaos import Chaos, table


@pytest.mark.parametrize(
    "disturbances",
    [
        pytest.param(8, marks=pytest.mark.timeout(600)),
        pytest.param(100, marks=[pytest.mark.chaos, pytest.mark.timeout(2400)]),
    ],
)
def test_workers_joining_leaving_and_dying_lose_nothing(
    broker: Broker, tmp_path: Path, record_property: Callable[[str, object], None], disturbances: int
) -> None:
    """Under load, with rebalances running into each other: every record applied once, every commit goes on to the end."""
    outcome = Chaos(broker, tmp_path, disturbances).run()
    tolls.record(
        record_property,
        (
            tolls.Toll(f"worker: {one.kind}", one.count, one.lost, len(outcome.wrong), list(one.seconds), again=one.twice)
            for one in outcome.tolls
        ),
    )
    assert (outcome.lost, outcome.wrong, outcome.stuck, outcome.crashed) == (0, (), (), ()), table(outcome)
    assert sum(toll.count for toll in outcome.tolls) == disturbances
