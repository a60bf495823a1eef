"""Real Vaults for tests: one in development mode for the run, and servers with storage of their own that tests seal and kill."""

import json
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.downloads import default_cache_dir
from local.ports import HOST, remembered_ports
from local.process import Child
from local.vault import ROOT_TOKEN, Vault, find_vault
from local.vault_build import build
from local.watchdog import Watchdog
from tests import containers
from topology.errors import Fatal


def program() -> str:
    """Find a Vault program: on PATH, else built from source into the cache. Raises Fatal where neither is to be had."""
    return find_vault() or str(build(default_cache_dir(), lambda line: print(line, flush=True)))


def absence(error: Fatal) -> str:
    """Return the one loud line of a skip."""
    line = f"NOT TESTED: everything on a real Vault (login, leases, policies, sealing, transit). {error}"
    warnings.warn(line, stacklevel=2)
    return line


@contextmanager
def development(folder: Path, watchdog: Watchdog) -> Iterator[tuple[str, str]]:
    """Give address and root token of a Vault: VAULT_ADDR's, an installed one, a container's, else one built from source."""
    if os.environ.get("VAULT_ADDR"):
        yield os.environ["VAULT_ADDR"], os.environ.get("VAULT_TOKEN", "")
    elif find_vault() is None and containers.docker_answers():
        with containers.vault(ROOT_TOKEN) as address:
            yield address, ROOT_TOKEN
    else:
        port = remembered_ports(folder / "ports.json", ("vault",))["vault"]
        server = Vault(folder, program(), port, watchdog, print)
        server.start()
        try:
            yield server.address, ROOT_TOKEN
        finally:
            server.stop()


class Server:
    """A Vault with raft storage in a folder, that tests initialise, seal, kill and start again. `certificate`: (cert, key) for TLS."""

    def __init__(self, folder: Path, watchdog: Watchdog, certificate: tuple[Path, Path] | None = None) -> None:
        ports = remembered_ports(folder / "ports.json", ("vault", "cluster"))
        self.address = f"{'https' if certificate else 'http'}://{HOST}:{ports['vault']}"
        self.key = self.root = ""
        self._secure = certificate is not None
        data = folder / "raft"
        data.mkdir(exist_ok=True)
        listener: dict[str, Any] = {
            "address": f"{HOST}:{ports['vault']}",
            "cluster_address": f"{HOST}:{ports['cluster']}",
            "tls_disable": not certificate,
        }
        if certificate:
            listener |= {"tls_cert_file": str(certificate[0]), "tls_key_file": str(certificate[1])}
        self._config = folder / "vault.json"
        self._config.write_text(
            json.dumps({
                "storage": {"raft": {"path": str(data), "node_id": "one", "performance_multiplier": "1"}},
                "listener": {"tcp": listener},
                "api_addr": self.address,
                "cluster_addr": f"https://{HOST}:{ports['cluster']}",
                "disable_mlock": True,
            })
        )  # fmt: skip
        self.child = Child("vault", folder, watchdog)

    def start(self) -> None:
        """Start it; it is sealed (and the first time not initialised)."""
        self.child.start([program(), "server", f"-config={self._config}"])
        self.child.await_ready(self._answers, 30)

    def initialise(self) -> None:
        """Make it a Vault of one key share, and unseal it."""
        made = self.post("sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.key, self.root = made["keys_base64"][0], made["root_token"]
        self.unseal()

    def unseal(self) -> None:
        """Unseal it, and wait until it serves."""
        self.post("sys/unseal", {"key": self.key})
        self.child.await_ready(lambda: self._status() == 200, 30)

    def seal(self) -> None:
        """Seal it."""
        self.post("sys/seal", {})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON, as root where there is one."""
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", json.dumps(body).encode(), {"X-Vault-Token": self.root} if self.root else {}
        )
        with urllib.request.urlopen(request, timeout=30, context=self._context()) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def _status(self) -> int:
        try:
            with urllib.request.urlopen(f"{self.address}/v1/sys/health", timeout=5, context=self._context()) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def _answers(self) -> bool:
        return self._status() in (200, 429, 501, 503)

    def _context(self) -> Any:
        import ssl

        return ssl._create_unverified_context() if self._secure else None
