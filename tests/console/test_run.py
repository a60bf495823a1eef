"""`tidewire run STAGE` becomes that stage, wherever the servers were found."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from local import Addresses
from local.health_pages import pages_of, readiness
from schemas.catalogue import event

SECONDS = 90.0


@pytest.mark.parametrize("stage", ["normalise", "clickhouse"])
def test_a_stage_finds_the_embedded_stack(stage: str, stack_addresses: Addresses, tmp_path: Path) -> None:
    """Without an address in the settings it works on the stack of its state folder, and ends well when asked to."""
    (tmp_path / "addresses.json").write_text(json.dumps(asdict(stack_addresses)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWIRE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "console.command_line", "run", stage],
        env=environment | {"TIDEWIRE_STATE_DIR": str(tmp_path), "TIDEWIRE_KAFKA__PARTITIONS": str(event("trade").topic.partitions)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + SECONDS
        while readiness(pages_of(tmp_path).get(process.pid, ""))[0] != "ready":
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
