"""A Vault in development mode for one benchmark: the one that is installed, else the one that tests build."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.downloads import default_cache_dir
from local.ports import remembered_ports
from local.vault import Vault, find_vault
from local.vault_build import build
from local.watchdog import Watchdog


@contextmanager
def vault(folder: Path, progress: Callable[[str], None], *flags: str) -> Iterator[str]:
    """Run one with its state in a folder; yields its address."""
    watchdog = Watchdog()
    program = find_vault() or str(build(default_cache_dir(), progress))
    server = Vault(folder, program, remembered_ports(folder / "ports.json", ("vault",))["vault"], watchdog, progress)
    server.start(*flags)
    try:
        yield server.address
    finally:
        server.stop()
        watchdog.close()
