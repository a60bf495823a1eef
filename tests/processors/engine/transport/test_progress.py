"""A stage that stands still ends, and says where it stood."""

import subprocess
import sys
from pathlib import Path

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from processors.engine.transport.progress import Progress
from tests.processors.engine.transport.broker import Broker

ONE, OTHER = TP("trades", 0), TP("trades", 1)

STANDING = """
import logging, sys
from pathlib import Path
from processors.engine.application import create_app, run

logging.basicConfig()
broker, topic, folder = sys.argv[1:]
app = create_app(f"{topic}-group", broker=broker, data_dir=Path(folder), table_partitions=1, stall_seconds=3.0)

@app.agent(app.batches(topic))
async def takes_and_never_acknowledges(stream):
    async for event in stream.noack().events():
        print("taken", len(event.value), flush=True)

run(app)
"""


def test_what_moves_or_has_nothing_to_do_is_left_alone() -> None:
    """Only a partition with something to commit, and no commit in all the looks, is told."""
    progress = Progress(looks=2)
    assert progress.look({ONE: (0, 5), OTHER: (7, 7)}) == []
    assert progress.look({ONE: (0, 6), OTHER: (7, 7)}) == []
    assert progress.look({ONE: (0, 9), OTHER: (7, 7)}) == ["trades[0] is committed up to 0 of 9"]
    assert progress.look({ONE: (1, 9), OTHER: (7, 8)}) == []
    assert progress.look({OTHER: (7, 8)}) == []
    assert progress.look({ONE: (1, 9), OTHER: (7, 8)}) == ["trades[1] is committed up to 7 of 8"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_it_is_told_when_and_only_when_the_last_looks_were_alike(seen: list[tuple[int, int]]) -> None:
    """A partition is told at a look exactly where that and the two before it found the same commit, each short of the end."""
    progress = Progress(looks=2)
    for number, (committed, _) in enumerate(seen):
        told = progress.look({ONE: seen[number]})
        last = seen[max(0, number - 2) : number + 1]
        assert bool(told) == (len(last) == 3 and {one for one, _ in last} == {committed} and all(one < end for one, end in last))


def test_a_stage_that_acknowledges_nothing_ends_with_code_1(broker: Broker, tmp_path: Path) -> None:
    """It names the partition, and writes down what every task waits for."""
    topic = broker.topic(1)
    broker.fill_numbers(topic, 0, range(10))
    command = [sys.executable, "-c", STANDING, broker.address, topic, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1, output
    assert "taken 10" in output
    assert f"{topic}[0] is committed up to 0 of 10" in output
    assert "Agent._execute_actor" in output
