"""ClickHouse's engine as a server process of its own: local.clickhouse.http on loopback."""

import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from local.ports import HOST
from local.process import Child
from local.watchdog import Watchdog

SECONDS_TO_START = 180.0  # a laptop under load; an idle one takes 2 to 5


class ClickHouse:
    """The server. `state_dir` holds its database and its output."""

    def __init__(self, state_dir: Path, port: int, watchdog: Watchdog, progress: Callable[[str], None]) -> None:
        self.address = f"http://{HOST}:{port}"
        self._folder = state_dir / "clickhouse"
        self._port = port
        self._progress = progress
        self._folder.mkdir(parents=True, exist_ok=True)
        self.child = Child("clickhouse", self._folder, watchdog)

    def start(self) -> None:
        """Start and return when it answers. Raises Fatal, with its last words, if that fails."""
        command = [sys.executable, "-m", "local.clickhouse.http", "--path", str(self._folder / "data"), "--port", str(self._port)]
        self.child.start(command)
        self.child.await_ready(self._answers, SECONDS_TO_START)
        self._progress(f"clickhouse at {self.address}")

    def stop(self) -> None:
        """Stop in order: running statements end first."""
        self.child.stop()

    def kill(self) -> None:
        """Kill with signal 9, for tests of recovery."""
        self.child.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/ping", timeout=2) as response:  # noqa: S310 - our loopback
                return bool(response.status == 200)
        except OSError:
            return False
