"""A Vault in development mode, where a `vault` or `bao` program is installed; its secrets live in memory only."""

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

from local.ports import HOST
from local.process import Child
from local.watchdog import Watchdog
from topology import private

PROGRAMS = ("vault", "bao")
ROOT_TOKEN = "root"  # noqa: S105 - of a server on loopback that forgets everything when it ends
SECONDS_TO_START = 30.0


def find_vault() -> str | None:
    """Find the Vault or OpenBao program on PATH; None without one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Vault:
    """The server. Log in with ROOT_TOKEN; the KV engine, version 2, is mounted at secret/."""

    def __init__(self, state_dir: Path, program: str, port: int, watchdog: Watchdog, progress: Callable[[str], None]) -> None:
        self.address = f"http://{HOST}:{port}"
        self._program = program
        self._listen = f"{HOST}:{port}"
        self._progress = progress
        folder = private.folder(state_dir / "vault")
        self.child = Child("vault", folder, watchdog)

    def start(self, *flags: str) -> None:
        """Start, with more flags of `vault server` if any; return when it is unsealed. Raises Fatal, with its last words, if that fails."""
        # -dev-no-store-token: without it the token is written to the user's home.
        self.child.start([
            self._program, "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}",
            f"-dev-listen-address={self._listen}", "-dev-no-store-token", *flags,
        ])  # fmt: skip
        self.child.await_ready(self._is_unsealed, SECONDS_TO_START)
        self._progress(f"vault at {self.address}")

    def stop(self) -> None:
        """Stop it; its secrets are gone."""
        self.child.stop()

    def _is_unsealed(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/v1/sys/health", timeout=2) as response:  # noqa: S310 - loopback
                return json.load(response)["sealed"] is False
        except OSError:
            return False
