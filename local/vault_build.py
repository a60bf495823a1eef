"""Build a Vault server once, from source, into the cache: for tests on machines that have Go and no Vault.

`python -m local.vault_build` does it by hand and prints where it is. Sources and checksums of every module are pinned in
vault_server/go.mod and go.sum; Go fetches what its own cache lacks. The first time takes minutes, any other none.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.downloads import default_cache_dir
from topology.errors import Fatal
from topology.secrets.files import exclusive

SOURCES = Path(__file__).with_name("vault_server")
PACKAGES = 885
"""About how many packages are compiled, for the progress."""
SECONDS_BETWEEN_LINES = 15.0
LAST_LINES = 10


def find_go() -> str | None:
    """Find the Go toolchain; None without one."""
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


def built(cache_dir: Path) -> Path:
    """Return where the program of the present sources is, or will be."""
    digest = hashlib.sha256()
    for path in sorted(path for path in SOURCES.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(SOURCES)).encode() + b"\0" + path.read_bytes())
    return cache_dir / f"vault-server-{digest.hexdigest()[:16]}" / "vault"


def build(cache_dir: Path, progress: Callable[[str], None]) -> Path:
    """Return the program, built first where it is not there. Raises Fatal where Go is lacking or the build fails."""
    program = built(cache_dir)
    with exclusive(cache_dir / "vault-server.lock"):
        if program.exists():
            return program
        go = find_go()
        if go is None:
            raise Fatal("no Vault and no Go to build one: install `vault`, `bao` or Go 1.20 or newer, or set VAULT_ADDR and VAULT_TOKEN")
        part = cache_dir / "vault-server.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(SOURCES, part)
        progress("building a Vault server from source, once: about five minutes")
        _compile(go, part, progress)
        program.parent.mkdir(exist_ok=True)
        (part / "vault").rename(program)
        shutil.rmtree(part)
        progress(f"built {program}")
    return program


def _compile(go: str, folder: Path, progress: Callable[[str], None]) -> None:
    command = [go, "build", "-mod=readonly", "-trimpath", "-v", "-ldflags", "-s -w", "-o", "vault", "."]
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
    said: list[str] = []
    next_line = time.monotonic() + SECONDS_BETWEEN_LINES
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        if process.stderr is None:
            raise RuntimeError("the build has no output")
        fetched = compiled = 0
        for line in process.stderr:
            said.append(line.rstrip())
            fetched += line.startswith("go: downloading")
            compiled += not line.startswith("go: ")
            if time.monotonic() >= next_line:
                progress(f"vault server: {fetched} modules fetched, {compiled} of about {PACKAGES} packages compiled")
                next_line = time.monotonic() + SECONDS_BETWEEN_LINES
    if process.returncode:
        last = "\n".join(f"    {line}" for line in said[-LAST_LINES:])
        raise Fatal(f"the Vault server could not be built (`go build` ended with {process.returncode}):\n{last}")


def main() -> None:
    """Build, and print where."""
    try:
        print(build(default_cache_dir(), lambda line: print(line, file=sys.stderr, flush=True)))
    except Fatal as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
