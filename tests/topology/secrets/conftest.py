"""Both providers, empty, for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from pydantic import SecretStr

from local.watchdog import Watchdog
from tests.topology.secrets import vaults
from topology.clock import now
from topology.errors import Fatal
from topology.secrets.generations import beside
from topology.secrets.local import LocalStore
from topology.secrets.local_key import Key, create_key_file, find_key
from topology.secrets.settings import Secrets
from topology.secrets.store import Store
from topology.secrets.vault import VaultStore
from topology.secrets.vault_session import Session

_numbers = itertools.count(1)


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """Make a key file and read it."""
    create_key_file(tmp_path / "key")
    return find_key(tmp_path / "key", {})


@pytest.fixture
def local_store(tmp_path: Path, key: Key) -> LocalStore:
    """Make an empty local store."""
    return LocalStore(tmp_path / "secrets", key, beside(key, tmp_path / "key", tmp_path / "secrets"), now)


@pytest.fixture(scope="session")
def watchdog() -> Iterator[Watchdog]:
    """Start what ends the servers with us."""
    watchdog = Watchdog()
    yield watchdog
    watchdog.close()


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory, watchdog: Watchdog) -> Iterator[Secrets]:
    """Start a Vault in development mode; the settings of its operator."""
    try:
        with vaults.development(tmp_path_factory.mktemp("vault"), watchdog) as (address, token):
            yield Secrets(address=address, token=SecretStr(token), namespace="", ca="")
    except Fatal as error:
        pytest.skip(vaults.absence(error))


@pytest.fixture
def operator(vault: Secrets) -> hvac.Client:
    """Log in as root."""
    return hvac.Client(vault.address, token=vault.token.get_secret_value())


@pytest.fixture
def mounted(vault: Secrets, operator: hvac.Client) -> Iterator[Secrets]:
    """Mount a KV engine of this test's own; the operator's settings for it."""
    mount = f"test-{next(_numbers)}"
    operator.sys.enable_secrets_engine("kv", mount, options={"version": "2"})
    yield vault.model_copy(update={"mount": mount})
    operator.sys.disable_secrets_engine(mount)


@pytest.fixture
def vault_store(mounted: Secrets) -> VaultStore:
    """Give an empty mount of a real Vault."""
    return VaultStore(Session(mounted), mounted.mount)


@pytest.fixture(params=["local", "vault"])
def store(request: pytest.FixtureRequest) -> Store:
    """Give each provider in turn."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found
