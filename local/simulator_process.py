"""The simulator as a child process: started again, it is found at the same addresses."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from local.forked_process import Launch, launch
from local.stage_process import StageProcess
from local.watchdog import Watchdog
from topology.errors import Fatal


class SimulatorProcess(StageProcess):
    """`python -m simulator` for some base currencies; `rate` in frames per second over the venues: all there are, if none is named."""

    def __init__(
        self,
        bases: Sequence[str],
        rate: float,
        logs: Path,
        watchdog: Watchdog,
        venues: Sequence[str] = (),
        allowed_hosts: Sequence[str] = (),
        launch: Launch = launch,
    ) -> None:
        command = [sys.executable, "-m", "simulator", "--symbols", ",".join(bases), "--rate", str(rate)]
        if venues:
            command += ["--venues", ",".join(venues)]
        if allowed_hosts:
            command += ["--allowed-hosts", ",".join(allowed_hosts)]
        super().__init__("simulator", command, {}, logs, watchdog, launch=launch)

    def serve(self, timeout: float) -> dict[str, str]:
        """Start and return its addresses, by name (`<venue>_ws`, `<venue>_rest`, `control`). Fatal where it does not start."""
        self.start()
        deadline = time.monotonic() + timeout
        # Its log is its standard error too, where a warning may come first.
        while not (lines := [line for line in self.output.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]):
            if self.pid is None or time.monotonic() > deadline:
                raise Fatal(f"the simulator did not start ({self.log}): {self.last_line}")
            time.sleep(0.05)
        found: dict[str, str] = json.loads(lines[0])
        if "--control-port" not in self.command:
            ports = {name: address.rpartition(":")[2] for name, address in found.items()}
            self.command += ["--control-port", ports["control"]]
            for name, port in ports.items():
                if name.endswith("_rest"):
                    self.command += ["--port", f"{name.removesuffix('_rest')}={port}"]
        return found
