"""A log that the broker's disk has damaged: of a topic it is a gap and the stage goes on, of a state it is a reason to stop."""

from pathlib import Path
from typing import Any

import pytest

from local import Addresses
from tests.damaged import SPOILS, Block, blocks
from tests.processors.engine.stages import Laboratory
from tests.processors.engine.test_logs import assert_told_once
from tests.processors.engine.transport.broker import Broker
from tests.waiting import until

COUNT = 20
"""Records of a block, and blocks."""


@pytest.fixture
def damageable(own_files: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """Return a stage of a new topic in files that a test can write to."""
    monkeypatch.setattr("processors.engine.stage.end_anyway", lambda _seconds: None)
    monkeypatch.setattr("processors.engine.transport.thread.QUIET_SECONDS", 1.5)
    return Laboratory(own_files, Broker(own_files.kafka), tmp_path)


def fill(laboratory: Laboratory) -> list[Block]:
    """Write blocks of twenty records, each long enough for an entry in the index."""
    for start in range(0, COUNT * COUNT, COUNT):
        laboratory.broker.fill(laboratory.topic, 0, (b"%0250d" % number for number in range(start, start + COUNT)))
    return blocks(laboratory.broker.address, laboratory.topic)


def lost(laboratory: Laboratory) -> set[int]:
    """Return the offsets that gaps say are damaged."""
    found: set[int] = set()
    for gap in laboratory.told("gap"):
        assert (gap["cause"], gap["state"]) == ("corrupt", "unfillable"), gap
        found |= set(range(gap["from_sequence"], gap["to_sequence"] + 1))
    return found


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("where", [0, 7, COUNT - 1], ids=["first", "middle", "last"])
async def test_a_damaged_block_is_a_gap_and_all_else_is_processed(damageable: Laboratory, spoil: str, where: int) -> None:
    """Every record is processed once or in the gap, the damaged block is in it, and what is written after it is read."""
    there = fill(damageable)
    SPOILS[spoil](there[where])
    async with damageable.running():
        await until(lambda: damageable.committed(COUNT * COUNT))
        damageable.broker.fill(damageable.topic, 0, (b"%0250d" % number for number in range(COUNT * COUNT, COUNT * COUNT + 200)))
        await until(lambda: damageable.committed(COUNT * COUNT + 200))
    gone = lost(damageable)
    assert damageable.watched.numbers == [number for number in range(COUNT * COUNT + 200) if number not in gone]
    assert set(range(there[where].first, there[where].end)) <= gone
    assert len(gone) <= 3 * COUNT
