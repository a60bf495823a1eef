"""Reading everything again, with or without what the stages remember, changes no row."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from console.commands.rewind import rewind
from local import LocalStack
from simulator.faults import Fault
from simulator.server import Simulator
from tests.pipeline.harness import Pipeline, settings
from tests.pipeline.ledger import everything_is_read, gaps, made, stored
from topology.errors import TidewireError
from topology.flow import stages
from topology.settings import Candles, Kafka, Settings

TABLES = ("frames", "trades", "book_deltas", "book_snapshots", "quotes", "instruments", "candles", "gaps", "dead_letters")
FAULTS = (
    Fault("drop", "binance", "BTC/USDT", "trade", count=3),
    Fault("drop", "binance", "BTC/USDT", "depth"),
    Fault("malformed", "kraken", "ETH/USD", "trade"),
    Fault("bad_checksum", "kraken", "BTC/USD", "book"),
    Fault("duplicate", "kraken", "BTC/USD", "trade"),
    Fault("unknown", "binance", "ETH/USDT", "trade"),
)
BY_DEFAULT = {
    "TIDEWIRE_CANDLES__IDLE_SECONDS": str(Candles().idle_seconds),
    "TIDEWIRE_CANDLES__GRACE_SECONDS": str(Candles().grace_seconds),
}
"""The clock makes candles final as it does everywhere: not sooner, as in other tests."""
OPEN = "state, version, completeness, missing_trades, covered_from, covered_to"
"""What a candle that is open says of itself: it is another once the clock has closed it, and until then as old as its last trade."""


def rows(pipeline: Pipeline) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, whole; of candles what they hold, and apart those that are final, whole."""
    found = {table: sorted(pipeline.query(f"SELECT * FROM {table} FINAL"), key=repr) for table in TABLES}
    found["candles"] = sorted(pipeline.query(f"SELECT * EXCEPT ({OPEN}) FROM candles FINAL"), key=repr)
    found["final candles"] = sorted(pipeline.query("SELECT * FROM candles FINAL WHERE state != 'provisional'"), key=repr)
    return found


def closed_by_the_clock(pipeline: Pipeline) -> bool:
    """Return whether no candle of a second is open: the last one of a market is closed by nobody but the clock."""
    return pipeline.query("SELECT count() FROM candles FINAL WHERE interval = '1s' AND state = 'provisional'") == [(0,)]


def changes(wanted: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> str:
    """Return some of the rows that are gone or new."""
    before, after = ({repr(row) for row in rows} for rows in (wanted, found))
    return f"gone: {sorted(before - after)[:2]}; new: {sorted(after - before)[:2]}"


def same(pipeline: Pipeline, wanted: dict[str, list[tuple[Any, ...]]]) -> bool:
    """Return True where all tables hold these rows; AssertionError shows some that differ."""
    for table, found in rows(pipeline).items():
        if table == "final candles":  # the clock goes on, and closes others meanwhile
            assert set(wanted[table]) <= set(found), f"{table}: {changes(wanted[table], found)}"
            continue
        assert found == wanted[table], f"{table}: {len(wanted[table])} rows, now {len(found)}; {changes(wanted[table], found)}"
    return True


def rewound(pipeline: Pipeline, *, forget: bool) -> bool:
    """Return True once every stage is rewound; AssertionError while a member has not left its group yet."""
    found = Settings(kafka=Kafka(brokers=pipeline.stack.addresses.kafka))
    try:
        for stage in stages().values():
            if not stage.per_venue:
                rewind(found, stage.name, forget=forget)
    except TidewireError as error:
        raise AssertionError(error) from error
    return True


@pytest.mark.timeout(600)
async def test_rewinding_every_group_leaves_all_tables_equal(tmp_path: Path, stack: LocalStack) -> None:
    """With their memory the stages pass over what they know; without it they make the same rows again, as all is by default."""
    async with Simulator(settings(rate=200.0)) as simulator, Pipeline(tmp_path, simulator, stack=stack, environment=BY_DEFAULT) as pipeline:
        await simulator.step(500)
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), "the market flows")
        await pipeline.until(lambda: len(pipeline.query("SELECT DISTINCT venue, symbol FROM book_snapshots")) == 4, "the books are live")
        await pipeline.until(lambda: closed_by_the_clock(pipeline), "the clock has closed what the market then goes on with")
        for fault in FAULTS:
            await simulator.inject(fault)
        await simulator.step(2000)
        await simulator.pause()
        await pipeline.until(lambda: stored(pipeline) >= made(simulator), "every trade is there")
        await everything_is_read(pipeline)
        await pipeline.until(lambda: {gap.state for gap in gaps(pipeline)} == {"filled"}, "every hole is closed")
        await everything_is_read(pipeline)
        await pipeline.until(lambda: closed_by_the_clock(pipeline), "the clock has closed the last second of each market")
        await everything_is_read(pipeline)  # what else the clock has said
        for forget in (False, True):
            await pipeline.stop_all()
            before = rows(pipeline)
            assert all(before.values()), f"a table is empty: {[table for table, found in before.items() if not found]}"

            await pipeline.until(partial(rewound, pipeline, forget=forget), "every group is rewound")
            for stage in pipeline.stages:
                if stage not in simulator.venues:
                    pipeline.start(stage)
            await pipeline.ready([stage for stage in pipeline.stages if stage not in simulator.venues])
            await everything_is_read(pipeline)
            await pipeline.until(partial(same, pipeline, before), "all tables are equal")
