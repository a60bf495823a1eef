"""Reading a secret from both stores, and what watching fifty of them costs. The Vault is the one tests use, in development mode."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hvac
from pydantic import SecretStr

from bench.result import Result, result
from bench.vault import vault
from local.vault import ROOT_TOKEN
from topology.clock import now
from topology.secrets.audit import Audit
from topology.secrets.credential import Credential, Validation
from topology.secrets.credentials import Credentials
from topology.secrets.local_key import create_key_file
from topology.secrets.opening import open_local_store
from topology.secrets.settings import Secrets
from topology.secrets.store import Author, Store
from topology.secrets.vault import VaultStore
from topology.secrets.vault_session import Session
from topology.secrets.watcher import SHORTEST, Watcher

FIGURES = ("secret_read_vault_ms", "secret_read_local_ms", "secret_read_held_us", "secret_watcher_cpu")
READS = 500
WATCHED = 50
LOOKS = 10
PERIOD = 4.0


def run(progress: Callable[[str], None]) -> list[Result]:
    """Measure both stores, side by side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with vault(folder, progress) as address:
            return _figures(folder, address, progress)


def _figures(folder: Path, address: str, progress: Callable[[str], None]) -> list[Result]:
    create_key_file(folder / "key")
    local = open_local_store(Secrets(folder=folder / "secrets", key_file=folder / "key"))
    secrets = Secrets(address=address, token=SecretStr(ROOT_TOKEN), namespace="", ca="")
    hvac.Client(address, token=ROOT_TOKEN).sys.enable_secrets_engine("kv", secrets.mount, options={"version": "2"})
    vault = VaultStore(Session(secrets), secrets.mount)
    progress(f"{READS} reads of each store, {WATCHED} secrets watched")
    watchers, cost = _watched(vault)
    path = _credential(0).identity.path
    read = {store.provider: _milliseconds(partial(store.read, path)) for store in (vault, _filled(local))}
    held = _milliseconds(lambda: watchers[0].in_use)
    share = 100 * cost / (PERIOD * (1 + SHORTEST) / 2)
    how = (
        f"{READS} reads one after another, median; p99 of the Vault {read['vault'][1]:.2f} ms, of the local store {read['local'][1]:.2f} ms"
    )
    return [
        result("secret_read_vault_ms", read["vault"][0], "ms", how, "the local store", read["local"][0]),
        result("secret_read_local_ms", read["local"][0], "ms", how),
        result("secret_read_held_us", held[0] * 1e3, "us", "the version a watcher holds: what a running stage uses"),
        result(
            "secret_watcher_cpu", share, "% of a core", f"{WATCHED} secrets in a Vault, a look each {PERIOD} s less jitter, nothing new"
        ),
    ]


def _milliseconds(read: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the 99th percentile."""
    times: list[float] = []
    for _ in range(READS):
        begun = time.perf_counter()
        read()
        times.append(time.perf_counter() - begun)
    times.sort()
    return times[READS // 2] * 1e3, times[READS * 99 // 100] * 1e3


def _credential(number: int) -> Credential:
    return Credential(exchange=f"exchange{number}", environment="testnet", api_key=SecretStr("k" * 64), api_secret=SecretStr("s" * 64))


def _filled(store: Store) -> Store:
    store.put(_credential(0).identity.path, _credential(0).fields(), 0, Author("bench", "here"))
    return store


def _good(_key: Credential) -> Validation:
    return Validation(at=now(), ok=True)


def _watched(store: Store) -> tuple[list[Watcher], float]:
    """Return fifty watchers, and the CPU seconds of a look of all."""
    credentials = Credentials(store, Audit(Author("bench", "here"), store.provider, lambda _record: None, now, lambda: ""))
    watchers: list[Watcher] = []
    for number in range(WATCHED):
        one = _credential(number)
        credentials.put(one)
        watcher = Watcher(
            credentials, one.identity, _good, lambda _held: None, lambda _line: None,
            PERIOD, lambda: 0.5, lambda _seconds: True,
        )  # fmt: skip
        watcher.begin()
        watchers.append(watcher)
    begun = time.process_time()
    for _ in range(LOOKS):
        for watcher in watchers:
            watcher.look()
    return watchers, (time.process_time() - begun) / LOOKS
