"""A Vault that tells of new versions is heard at once; one that does not is looked at."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import hvac
import pytest
from pydantic import SecretStr

from local.ports import remembered_ports
from local.vault import ROOT_TOKEN, Vault, find_vault
from local.watchdog import Watchdog
from tests.topology.secrets import vaults
from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.secrets.events import listen
from topology.secrets.settings import Secrets
from topology.secrets.vault import VaultStore
from topology.secrets.vault_session import Session

KRAKEN = credential("kraken")


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """Run a Vault with events switched on: our own build, which is of a version that has them as an experiment."""
    if find_vault() is not None:
        pytest.skip("NOT TESTED: the events of a Vault; the one on PATH may be of any version")
    folder, watchdog = tmp_path_factory.mktemp("telling"), Watchdog()
    server = Vault(folder, vaults.program(), remembered_ports(folder / "ports.json", ("vault",))["vault"], watchdog, print)
    try:
        server.start("-experiment=events.alpha1")
        hvac.Client(server.address, token=ROOT_TOKEN).sys.enable_secrets_engine("kv", "tidewire", options={"version": "2"})
        yield server
    finally:
        server.stop()
        watchdog.close()


class Listening:
    """What was heard and said."""

    def __init__(self) -> None:
        self.heard = 0
        self.said: list[str] = []
        self._news = asyncio.Event()

    def hear(self) -> None:
        """Count."""
        self.heard += 1
        self._news.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something heard."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(secrets: Secrets) -> AsyncIterator[tuple[Listening, "asyncio.Task[None]"]]:
    """Listen for writes of Kraken's credential."""
    found = Listening()
    task = asyncio.create_task(listen(Session(secrets), secrets, KRAKEN.identity.path, found.hear, found.said.append))
    try:
        yield found, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_write_is_heard(telling: Vault) -> None:
    """Each write of the secret is told once, that of another secret is not, and no value is in what is told."""
    secrets = Secrets(address=telling.address, token=SecretStr(ROOT_TOKEN), namespace="", ca="")
    store = VaultStore(Session(secrets), secrets.mount)
    async with listening(secrets) as (found, _):
        await found.until(lambda: found.heard == 1)  # connected: what came before was told to nobody
        written = await until_told(store, found)
        before, other = found.heard, credential("binance")
        await asyncio.to_thread(store.put, other.identity.path, other.fields(), 0, AUTHOR)
        await asyncio.to_thread(store.put, KRAKEN.identity.path, KRAKEN.fields(), written, AUTHOR)
        await found.until(lambda: found.heard > before)
        await asyncio.to_thread(store.put, KRAKEN.identity.path, KRAKEN.fields(), written + 1, AUTHOR)
        await found.until(lambda: found.heard > before + 1)
    assert found.heard <= 1 + written + 2
    assert found.said == []


async def until_told(store: VaultStore, found: Listening) -> int:
    """Write versions of Kraken's credential until one is told; return how many that took.

    Vault takes the connection first and subscribes it then: what is written between the two is told to nobody, and found by the next look.
    """
    heard = found.heard
    for version in range(10):
        await asyncio.to_thread(store.put, KRAKEN.identity.path, KRAKEN.fields(), version, AUTHOR)
        with suppress(TimeoutError):
            await found.until(lambda: found.heard > heard, 3)
            return version + 1
    raise AssertionError("none of ten versions was told")


async def test_a_vault_without_events_is_said_once(vault: Secrets) -> None:
    """Where the Vault knows no events, listening ends and says that looks go on."""
    async with listening(vault) as (found, task):
        async with asyncio.timeout(30):
            await task
    assert found.heard == 0
    assert len(found.said) == 1
    assert "found by looking" in found.said[0]


async def test_a_vault_that_comes_back_is_heard_again(telling: Vault, tmp_path: Path) -> None:
    """While the Vault is away listening goes on; after its return the first thing heard is that something may be new."""
    watchdog = Watchdog()
    server = Vault(tmp_path, vaults.program(), remembered_ports(tmp_path / "ports.json", ("vault",))["vault"], watchdog, print)
    server.start("-experiment=events.alpha1")
    secrets = Secrets(address=server.address, token=SecretStr(ROOT_TOKEN), namespace="", ca="")
    try:
        async with listening(secrets) as (found, _):
            await found.until(lambda: found.heard == 1)
            server.child.kill()
            server.start("-experiment=events.alpha1")
            await found.until(lambda: found.heard == 2)
        assert found.said == []
    finally:
        server.stop()
        watchdog.close()
