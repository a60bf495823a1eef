"""ClickHouse's engine as a server process of its own: local.clickhouse.http on loopback."""

import secrets
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from local.ports import HOST
from local.process import ONE_ARENA, Child
from local.watchdog import Watchdog
from topology import private, state_folder

PASSWORD_BYTES = 32
ALLOCATOR = "percpu_arena:disabled,narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0,prof:false,tcache_max:4096"
"""Of jemalloc in the engine. By its own setting it keeps an arena a core, a cache of 32 KB blocks for each of 150 threads, and what was
freed for 5 s, which with two inserts a second is for ever: 256 MB where 35 were in use, 171 with this; inserts cost the same CPU."""
SECONDS_TO_START = 180.0  # a laptop under load; an idle one takes 2 to 5


class ClickHouse:
    """The server. `state_dir` holds its database and its output, and the password of this run, for those who may read our files."""

    def __init__(
        self, state_dir: Path, port: int, watchdog: Watchdog, progress: Callable[[str], None], allowed_hosts: Sequence[str] = ()
    ) -> None:
        self.address = f"http://{HOST}:{port}"
        self._folder = state_dir / state_folder.CLICKHOUSE
        self._port = port
        self._progress = progress
        private.folder(self._folder)
        self.password_file = self._folder / "password"
        self._password = secrets.token_urlsafe(PASSWORD_BYTES)
        self._allowed_hosts = tuple(allowed_hosts)
        self.child = Child("clickhouse", self._folder, watchdog)

    def start(self) -> None:
        """Start and return when it answers. Raises Fatal, with its last words, if that fails."""
        private.write(self.password_file, f"{self._password}\n")
        command = [
            sys.executable, "-m", "local.clickhouse.http", "--path", str(self._folder / "data"), "--port", str(self._port),
            "--password-file", str(self.password_file), "--allowed-hosts", ",".join(self._allowed_hosts),
        ]  # fmt: skip
        self.child.start(command, {"JE_MALLOC_CONF": ALLOCATOR, **ONE_ARENA})
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
