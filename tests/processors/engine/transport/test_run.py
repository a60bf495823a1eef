"""A stage as a process: how it ends, and what it leaves behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processors.engine.transport.broker import Broker
from tests.waiting import until


@pytest.fixture
def stage(broker: Broker, tmp_path: Path) -> tuple[str, subprocess.Popen[str]]:
    """Run the counting stage on a new topic of two partitions."""
    topic = broker.topic(2)
    command = [sys.executable, "-m", "tests.processors.engine.transport.counting_stage", broker.address, f"{topic}-group"]
    process = subprocess.Popen([*command, topic, "2", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return topic, process


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(
    broker: Broker, stage: tuple[str, subprocess.Popen[str]], tmp_path: Path, sign: signal.Signals
) -> None:
    """On a signal the stage makes its last checkpoint, commits it, leaves the group at once and exits with 0."""
    topic, process = stage
    group = f"{topic}-group"
    try:
        broker.fill_numbers(topic, 0, range(10))
        await until(lambda: broker.committed(group, topic, 2).get(0) == 10)
        broker.fill_numbers(topic, 1, range(10))
        await until(lambda: _given(tmp_path, process.pid))
        process.send_signal(sign)
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 0, output
        assert broker.members(group) == 0
        assert broker.committed(group, topic, 2) == {0: 10, 1: 10}
    finally:
        process.kill()
        process.communicate()


def _given(directory: Path, pid: int) -> bool:
    lines = (directory / str(pid) / "deliveries").read_text().splitlines()
    return any(line.endswith(" 1 0 10") for line in lines)


async def test_an_error_in_an_agent_ends_it_with_code_1(broker: Broker, stage: tuple[str, subprocess.Popen[str]]) -> None:
    """What was acknowledged before stays committed; the batch that failed is not; the log has the traceback."""
    topic, process = stage
    group = f"{topic}-group"
    try:
        broker.fill_numbers(topic, 0, range(10))
        await until(lambda: broker.committed(group, topic, 2).get(0) == 10)
        broker.fill(topic, 0, [b"not a number"])
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "ValueError" in output
        assert broker.committed(group, topic, 2).get(0) == 10
    finally:
        process.kill()
        process.communicate()
