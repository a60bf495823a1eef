"""`tidewire run STAGE` becomes that stage, wherever the servers were found."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import LocalStack
from local.health_pages import pages_of, readiness

SECONDS = 90.0


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a stack that nobody else has made topics in."""
    folder = tmp_path_factory.mktemp("state")
    with LocalStack(folder):
        yield folder


@pytest.mark.parametrize("stage", ["normalise", "clickhouse"])
def test_a_stage_finds_the_embedded_stack(stage: str, state_dir: Path) -> None:
    """Without an address in the settings it works on the stack of its state folder, and ends well when asked to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWIRE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "console.command_line", "run", stage],
        env=environment | {"TIDEWIRE_STATE_DIR": str(state_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + SECONDS
        while readiness(pages_of(state_dir).get(process.pid, ""))[0] != "ready":
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
