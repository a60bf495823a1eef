"""Both providers, empty, for each test."""

from pathlib import Path

import pytest

from topology.clock import now
from topology.secrets.local import LocalStore
from topology.secrets.local_key import Key, create_key_file, find_key
from topology.secrets.store import Store


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Make a key file and read it."""
    create_key_file(tmp_path / "key")
    return find_key(tmp_path / "key", {})


@pytest.fixture
def local_store(tmp_path: Path, key: Key) -> LocalStore:
    """Make an empty local store."""
    return LocalStore(tmp_path / "secrets", key, now)


@pytest.fixture(params=["local"])
def store(request: pytest.FixtureRequest, local_store: LocalStore) -> Store:
    """Give each provider in turn."""
    return local_store
