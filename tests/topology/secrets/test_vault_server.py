"""A Vault server of its own: sealed, killed, not initialised, behind TLS."""

import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from local.watchdog import Watchdog
from tests.topology.secrets import vaults
from tests.topology.secrets.secrets_made import AUTHOR, credential
from topology.secrets.credential import Identity
from topology.secrets.errors import Sealed, Unavailable, Untrusted
from topology.secrets.policies import Role
from topology.secrets.settings import Secrets
from topology.secrets.vault import VaultStore
from topology.secrets.vault_session import Session
from topology.secrets.vault_setup import Setup

KRAKEN = Role("tidewire-producers-kraken", "kraken", ("kafka", "registry"), spills=True)


@pytest.fixture
def server(tmp_path: Path, watchdog: Watchdog, vault: Secrets) -> Iterator[vaults.Server]:
    """Start a Vault with raft storage, initialised and unsealed."""
    started = vaults.Server(tmp_path, watchdog)
    try:
        started.start()
        started.initialise()
        yield started
    finally:
        started.child.stop()


def of(server: vaults.Server, **changes: object) -> Secrets:
    """Return the operator's settings for a server."""
    return Secrets(address=server.address, token=SecretStr(server.root), namespace="", ca="").model_copy(update=changes)


def test_sealed_and_killed_and_back(server: vaults.Server) -> None:
    """Sealed, the error says so and how to go on; after kill -9, restart and unsealing every version is there; the session goes on."""
    secrets = of(server)
    Setup(Session(secrets), secrets).run([])
    store = VaultStore(Session(secrets), secrets.mount)
    path = Identity("kraken", "mainnet").path
    store.put(path, credential("kraken").fields(), 0, AUTHOR)
    server.seal()
    with pytest.raises(Sealed, match=rf"{path}: the Vault .* is sealed: unseal it"):
        store.read(path)
    with pytest.raises(Sealed, match="sealed"):
        VaultStore(Session(secrets), secrets.mount).read(path)
    server.unseal()
    assert store.read(path).version == 1
    store.put(path, credential("kraken", key="second-of-the-test").fields(), 1, AUTHOR)
    server.child.kill()
    with pytest.raises(Unavailable, match="no Vault answers"):
        store.read(path)
    server.start()
    server.unseal()
    assert store.read(path).fields["api_key"] == "second-of-the-test"
    assert store.metadata(path).current == 2


def test_an_uninitialised_vault_is_told(tmp_path: Path, watchdog: Watchdog, vault: Secrets) -> None:
    """A Vault that was never initialised says that, not that a path is missing."""
    started = vaults.Server(tmp_path, watchdog)
    started.start()
    try:
        with pytest.raises(Unavailable, match=r"initialis|sealed"):
            VaultStore(Session(of(started, token=SecretStr("x"))), "tidewire").read("kafka")
    finally:
        started.child.stop()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for loopback, and its key."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    begin = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def test_a_certificate_of_our_own_ca(tmp_path: Path, watchdog: Watchdog, vault: Secrets) -> None:
    """Over TLS a private CA is trusted where secrets.ca names it, and refused with that setting's name where it does not."""
    pair = certificate(tmp_path)
    ssl.create_default_context(cafile=str(pair[0]))
    started = vaults.Server(tmp_path, watchdog, pair)
    started.start()
    try:
        started.initialise()
        Session(of(started, ca=str(pair[0]))).renew()
        with pytest.raises(Untrusted, match=r"secrets\.ca"):
            Session(of(started)).renew()
        with pytest.raises(Untrusted, match=r"secrets\.ca"):
            Session(of(started, ca=str(tmp_path / "none.pem"))).renew()
    finally:
        started.child.stop()
