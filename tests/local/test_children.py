"""The servers we start see none of our secrets."""

import sys
from pathlib import Path

import pytest

from local.process import Child
from local.watchdog import Watchdog


def test_servers_get_no_secret(tmp_path: Path, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child's environment lacks keys, tokens and passwords of ours, and has all else."""
    for name in ("TIDEWIRE_SECRETS_KEY", "VAULT_TOKEN", "TIDEWIRE_KAFKA__SASL_PASSWORD", "TIDEWIRE_SECRETS__TOKEN"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("TIDEWIRE_LOG__LEVEL", "debug")
    child = Child("printer", tmp_path, watchdog)
    child.start([sys.executable, "-c", "import os; print(dict(os.environ), flush=True)"])
    assert child._process is not None
    assert child._process.wait(30) == 0
    child.stop()
    text = child.log.read_text()
    assert "canary" not in text
    assert "TIDEWIRE_LOG__LEVEL" in text
