"""A producer's sealed spill beside a real Vault that starts late, is sealed and is killed."""

from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
from pydantic import SecretStr

from local.watchdog import Watchdog
from producers import sealing as module
from producers.sealing import Sealing, sealer
from producers.spill import Spill
from tests.producers.sealed import CANARY, drain, some_messages, wait, written
from tests.topology.secrets import vaults
from tests.topology.secrets.transit_made import NAME, ROLE
from topology.errors import Fatal
from topology.secrets.opening import open_session, open_wrapping
from topology.secrets.settings import Secrets
from topology.secrets.vault_session import Session
from topology.secrets.vault_setup import Setup, deliver
from topology.settings import Producer, Settings

MOST = 10_000_000


@pytest.fixture
def server(tmp_path: Path, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> Iterator[vaults.Server]:
    """Prepare a Vault as an operator does, and take it away again."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    (tmp_path / "vault").mkdir()
    try:
        made = vaults.Server(tmp_path / "vault", watchdog)
        made.start()
    except Fatal as error:
        pytest.skip(vaults.absence(error))
    try:
        made.initialise()
        operator = Secrets(address=made.address, token=SecretStr(made.root))
        Setup(Session(operator), operator).run([ROLE])
        yield made
    finally:
        made.child.stop(10)


def producer_of(server: vaults.Server, folder: Path) -> Settings:
    """Return the settings of a producer which logs in as its own role, with its own policy and nothing more."""
    operator = Secrets(address=server.address, token=SecretStr(server.root))
    file = folder / "wrapped"
    role_id = deliver(Session(operator), operator, ROLE.name, file)
    secrets = Secrets(address=server.address, role_id=role_id, wrapped_secret_id_file=str(file), token=SecretStr(""))
    return Settings(state_dir=folder, secrets=secrets, producer=Producer(spill_sealed=True))


def spill(folder: Path, name: str, keys: Sealing) -> Spill:
    """Return a producer's spill."""
    return Spill(folder / "spill" / "kraken", name, MOST, segment_bytes=1_000, sealing=keys)


def test_a_vault_that_is_away_comes_back(server: vaults.Server, tmp_path: Path) -> None:
    """Away at the start nothing is written; then sealed under the role's own key; killed files wait while it is sealed, and are read."""
    settings = producer_of(server, tmp_path)
    server.child.stop(10)
    with sealer(settings, "kraken") as keys:
        first = spill(tmp_path, "1", keys)
        wait(lambda: "no Vault answers" in keys.status())
        assert first.append(some_messages(1)) is None
        server.start()
        wait(lambda: "is sealed" in keys.status())
        server.unseal()
        wait(lambda: keys.status() == "")
        for message in some_messages(20):
            assert first.append([message]) is not None
        server.seal()
        assert first.append(some_messages(1, 20)) is not None
        first.close()
    assert CANARY not in written(tmp_path / "spill")
    open_session.cache_clear()
    with sealer(settings.model_copy(update={"producer": Producer()}), "kraken") as keys:
        heir = spill(tmp_path, "2", keys)
        assert heir.read() == []
        wait(lambda: "is sealed" in keys.status())
        assert heir.read() == []
        server.unseal()
        assert drain(heir) == some_messages(21)
        heir.close()


def test_what_the_policy_denies_is_kept_aside(server: vaults.Server, tmp_path: Path) -> None:
    """Another venue's key is not this role's: its files are kept aside, and the reason names the policy."""
    settings = producer_of(server, tmp_path)
    operator = hvac.Client(server.address, token=server.root)
    operator.secrets.transit.create_key(NAME.replace("kraken", "binance"))
    other = Secrets(address=server.address, token=SecretStr(server.root))
    with Sealing("binance", lambda: open_wrapping(other, "binance"), seals=True, clock=lambda: 0.0) as keys:
        wait(lambda: keys.key is not None)
        left = spill(tmp_path, "1", keys)
        left.append(some_messages(2))
        left.close()
    with Sealing("binance", lambda: open_wrapping(settings.secrets, "binance"), seals=False, clock=lambda: 0.0) as keys:
        heir = spill(tmp_path, "2", keys)
        assert drain(heir) == []
        assert heir.unreadable() == 2
        heir.close()
    assert len(list((tmp_path / "spill" / "kraken").glob("*.unreadable"))) == 1
